//! The admin token: authorises access to the management plane and changes of the fleet. Its text appears only in login
//! links.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Allowed length of a token in characters.
const LENGTH: std::ops::RangeInclusive<usize> = 16..=512;

/// Number of random bytes in a generated token.
const RANDOM: usize = 32;

/// A token of 16 to 512 visible ASCII characters. Neither `Debug` nor any error shows them.
#[derive(Clone)]
pub struct Token {
    text: String,
    /// The file that contains the token, if its mode lets every user read it.
    exposed: Option<PathBuf>,
}

/// Reasons why a text or a file is not a valid token.
#[derive(Debug, thiserror::Error)]
pub enum InvalidToken {
    /// The file cannot be read.
    #[error("not readable: {0}")]
    Unreadable(#[from] io::Error),
    /// The text is too short or too long, or contains characters that are not visible ASCII.
    #[error("a token is {} to {} visible ASCII characters without blanks", LENGTH.start(), LENGTH.end())]
    Malformed,
}

impl Token {
    /// The environment variable for the token. There is no flag, because flags are visible in the process list.
    pub const VARIABLE: &str = "LB_ADMIN_TOKEN";

    /// Reads a token from a file; a line break at the end is ignored.
    ///
    /// # Errors
    /// The file cannot be read, or its content is not a valid token.
    pub fn read(path: &Path) -> Result<Self, InvalidToken> {
        let file = File::open(path)?;
        let readable_by_all = file.metadata()?.permissions().mode() & 0o004 != 0;
        let mut text = String::new();
        // Bounded, because a file such as /dev/zero has no end.
        let limit = *LENGTH.end() as u64 + 3;
        file.take(limit).read_to_string(&mut text).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => InvalidToken::Malformed,
            _ => InvalidToken::Unreadable(error),
        })?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let token = Self::new(line.strip_suffix('\r').unwrap_or(line))?;
        Ok(Self { exposed: readable_by_all.then(|| path.to_owned()), ..token })
    }

    /// A token with this text.
    ///
    /// # Errors
    /// [`InvalidToken::Malformed`] if the text is not a valid token.
    pub fn new(text: &str) -> Result<Self, InvalidToken> {
        let good = LENGTH.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !good {
            return Err(InvalidToken::Malformed);
        }
        Ok(Self { text: text.to_owned(), exposed: None })
    }

    /// A new random token of 64 hexadecimal digits (256 bits).
    ///
    /// # Errors
    /// The system provides no random bytes.
    pub fn random() -> io::Result<Self> {
        let mut bytes = [0; RANDOM];
        getrandom::fill(&mut bytes)?;
        Ok(Self { text: hexadecimal(&bytes), exposed: None })
    }

    /// A token derived from both by SHA-256; neither can be computed from it.
    pub fn with(&self, other: &Self) -> Self {
        let digest = Sha256::digest([self.text.as_bytes(), other.text.as_bytes()].concat());
        Self { text: hexadecimal(&digest), exposed: None }
    }

    /// Whether these bytes are the token. The comparison takes constant time.
    pub fn is(&self, bytes: &[u8]) -> bool {
        Sha256::digest(&self.text).as_slice().ct_eq(Sha256::digest(bytes).as_slice()).into()
    }

    /// The secret text, to send it in a request or to print a generated token in a login link.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// The file that contains the token, if its mode lets every user read it.
    pub fn exposed(&self) -> Option<&Path> {
        self.exposed.as_deref()
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.text.as_bytes())
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::io::Write as _;

    use super::*;

    const TEXT: &str = "correct-horse-battery";

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file
    }

    #[test]
    fn a_line_break_at_the_end_of_the_file_is_ignored() {
        for end in ["", "\n", "\r\n"] {
            let token = Token::read(file(format!("{TEXT}{end}").as_bytes()).path()).unwrap();
            assert!(token.is(TEXT.as_bytes()), "{end:?}");
        }
        let longest = "x".repeat(512);
        assert!(
            Token::read(file(format!("{longest}\r\n").as_bytes()).path()).unwrap().is(longest.as_bytes())
        );
    }

    #[test]
    fn malformed_tokens_and_unreadable_files_are_errors() {
        let long = "x".repeat(513);
        let endless = "x".repeat(2_000);
        for bad in [
            "",
            "\n",
            "fifteen-letters",
            "a token with blanks",
            "sixteen-lettersä",
            &long,
            &endless,
            "a\0bbbbbbbbbbbbbbbbb",
        ] {
            assert!(matches!(Token::new(bad), Err(InvalidToken::Malformed)), "{bad:?}");
            let error = Token::read(file(bad.as_bytes()).path()).unwrap_err();
            assert_eq!(
                error.to_string(),
                "a token is 16 to 512 visible ASCII characters without blanks",
                "{bad:?}"
            );
        }
        for bad in [&b"\xff\xffsixteen-letters-and-more"[..], b"two-tokens-in-lines\nof-the-same-file\n"] {
            assert!(matches!(Token::read(file(bad).path()), Err(InvalidToken::Malformed)));
        }
        assert!(
            matches!(Token::read(Path::new("/dev/zero")), Err(InvalidToken::Malformed)),
            "reading is bounded"
        );
        for unreadable in ["/nonexistent/token", "/"] {
            let error = Token::read(Path::new(unreadable)).unwrap_err().to_string();
            assert!(error.starts_with("not readable: "), "{error}");
        }
    }

    #[test]
    fn only_the_exact_token_matches() {
        let token = Token::new(TEXT).unwrap();
        for other in
            ["", &TEXT[1..], &TEXT[..TEXT.len() - 1], "Correct-horse-battery", "correct-horse-batterx"]
        {
            assert!(!token.is(other.as_bytes()), "{other:?}");
        }
        assert!(!format!("{token:?}").contains("correct"));
    }

    #[test]
    fn random_tokens_differ() {
        let (one, other) = (Token::random().unwrap(), Token::random().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.reveal().len(), 64);
        assert!(Token::new(one.reveal()).is_ok());
    }

    #[test]
    fn a_derived_token_depends_on_both_tokens() {
        let (seed, one, other) =
            (Token::random().unwrap(), Token::new(TEXT).unwrap(), Token::random().unwrap());
        assert_eq!(seed.with(&one), seed.with(&one));
        assert_ne!(seed.with(&one), seed.with(&other));
        assert_ne!(seed.with(&one), other.with(&one));
        assert!(Token::new(seed.with(&one).reveal()).is_ok());
    }

    #[test]
    fn a_file_that_all_users_may_read_is_exposed() {
        let file = file(TEXT.as_bytes());
        for (mode, exposed) in [(0o600, false), (0o640, false), (0o644, true)] {
            set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(Token::read(file.path()).unwrap().exposed().is_some(), exposed, "{mode:o}");
        }
    }
}
