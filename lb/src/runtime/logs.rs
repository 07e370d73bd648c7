//! Output of replicas: which part is requested, why there may be none, and how it is escaped in the log.

use std::fmt::{self, Display, Write};

use bytes::Bytes;
use futures::stream::LocalBoxStream;

/// The requested part of a replica's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Number of lines, counted back from the last one written.
    pub lines: usize,
    /// Whether later output follows, until the replica is gone.
    pub follow: bool,
}

/// The output in pieces, each normally of whole lines.
pub type Output = LocalBoxStream<'static, Bytes>;

/// Reasons why there is no output.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoLogs {
    /// The replicas are external servers.
    #[error("The balancer has no output of external servers (--runtime static)")]
    Unseen,
    /// The replica has not been started yet, or is gone.
    #[error("The replica has no output: it has not been started yet, or is gone")]
    Nothing,
    /// The engine's error.
    #[error("The engine does not return the output: {0}")]
    Engine(String),
}

/// Displays text so that it has no effect on a terminal: control characters other than tabs are escaped.
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
    fn replica_output_cannot_control_the_terminal() {
        let printed = Printable("a\tb\u{1b}[31mc\rd\u{9b}2Jé\u{202e}").to_string();
        assert_eq!(printed, "a\tb\\u{1b}[31mc\\rd\\u{9b}2Jé\u{202e}");
    }
}
