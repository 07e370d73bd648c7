//! Why the process ends before it has begun: help that was asked for, or a configuration that is bad.

use std::fmt;

use clap::error::ErrorKind;

/// What to print, and the code to exit with: 0 (to standard output) or [`Exit::BAD_CONFIGURATION`] (to standard
/// error).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The text, without a line break at its end; one line if something is bad.
    pub text: String,
    /// The exit code.
    pub code: u8,
}

impl Exit {
    /// `EX_USAGE` of sysexits(3).
    pub const BAD_CONFIGURATION: u8 = 64;

    pub(super) fn bad(text: impl fmt::Display) -> Self {
        let text = text.to_string().replace(char::is_control, " ");
        Self { text, code: Self::BAD_CONFIGURATION }
    }
}

impl From<&clap::Error> for Exit {
    /// The help as it is; of an error its first paragraph and clap's tips, in one line.
    fn from(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        if let ErrorKind::DisplayHelp | ErrorKind::DisplayVersion = error.kind() {
            return Self { text: text.trim_end().to_owned(), code: 0 };
        }
        let told = |paragraph: &&str| ["error:", "tip:"].iter().any(|start| paragraph.starts_with(start));
        let lines: Vec<_> = text
            .split("\n\n")
            .map(str::trim)
            .filter(told)
            .map(|paragraph| paragraph.split_whitespace().skip(1).collect::<Vec<_>>().join(" "))
            .collect();
        Self::bad(lines.join("; "))
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Exit {}
