//! The outcome of parsing that ends the process: help or version, or an invalid configuration.

use std::fmt;

use clap::error::ErrorKind;

/// What to print, and the code to exit with: 0 (to standard output) or [`Exit::BAD_CONFIGURATION`] (to standard
/// error).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The text, without a line break at its end; a single line if it is an error.
    pub text: String,
    /// 0 for help and version, otherwise [`Exit::BAD_CONFIGURATION`].
    pub code: u8,
}

impl Exit {
    /// `EX_USAGE` of sysexits(3).
    pub const BAD_CONFIGURATION: u8 = 64;

    pub(crate) fn bad(text: impl fmt::Display) -> Self {
        let text = text.to_string().replace(char::is_control, " ");
        Self { text, code: Self::BAD_CONFIGURATION }
    }
}

impl From<&clap::Error> for Exit {
    /// Help and version as they are; an error as one line of its first paragraph and clap's tips.
    fn from(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        if let ErrorKind::DisplayHelp | ErrorKind::DisplayVersion = error.kind() {
            return Self { text: text.trim_end().to_owned(), code: 0 };
        }
        let is_message =
            |paragraph: &&str| ["error:", "tip:"].iter().any(|start| paragraph.starts_with(start));
        let lines: Vec<_> = text
            .split("\n\n")
            .map(str::trim)
            .filter(is_message)
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
