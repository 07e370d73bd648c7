//! What is asked of a replica's output, what there is instead of it, and how it is shown among our own words.

use std::fmt::{self, Display, Write};

use bytes::Bytes;
use futures::stream::LocalBoxStream;

/// Which part of a replica's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The last lines of what was written until now.
    pub lines: usize,
    /// Whether what is written from now on follows, until the replica is gone.
    pub follow: bool,
}

/// The output in pieces, each of whole lines as a rule.
pub type Output = LocalBoxStream<'static, Bytes>;

/// Why there is no output.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoLogs {
    /// Somebody else runs the replicas.
    #[error("The balancer does not see what its replicas write: somebody else runs them (--runtime static)")]
    Unseen,
    /// The replica has not been started yet, or is gone.
    #[error("There is nothing of it: it has not been started yet, or is gone")]
    Nothing,
    /// The engine's own words.
    #[error("The engine does not give it: {0}")]
    Engine(String),
}

/// Text without effect on a terminal: other control characters than tabs escaped.
pub(super) struct Printable<'a>(pub &'a str);

impl Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\t' => f.write_char(c),
            c if c.is_control() => write!(f, "{}", c.escape_default()),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_replica_says_moves_no_cursor_and_colours_nothing() {
        let told = Printable("a\tb\u{1b}[31mc\rd\u{9b}2Jé\u{202e}").to_string();
        assert_eq!(told, "a\tb\\u{1b}[31mc\\rd\\u{9b}2Jé\u{202e}");
    }
}
