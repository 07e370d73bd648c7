//! What is asked of a replica's output, and what there is instead of it.

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
