//! Why there is no result.

use crate::balancer::{self, ControlError, Failure};
use crate::{chart, hashing, output};

/// Why a run ends without its results.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no balancer.
    #[error(transparent)]
    Balancer(#[from] balancer::Error),
    /// It does not do what it was asked to.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The results cannot be written.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// The results cannot be drawn.
    #[error(transparent)]
    Chart(#[from] chart::Error),
    /// The user's keys cannot be read.
    #[error(transparent)]
    Keys(#[from] hashing::KeysError),
    /// Seats do not fit a layout.
    #[error(transparent)]
    Layout(#[from] lb::ring::RingError),
    /// A load without a single reply.
    #[error("not one of {requests} requests was answered; the first failed with: {reason}")]
    NothingAnswered {
        /// How many were sent.
        requests: u32,
        /// What became of the first.
        reason: String,
    },
    /// An `--assert` that does not hold, a line each.
    #[error("{}", .0.join("\nanalysis: "))]
    Assertion(Vec<String>),
    /// Ctrl-C or SIGTERM.
    #[error("interrupted; {0}")]
    Interrupted(String),
}

impl Error {
    /// A load without a single reply.
    pub fn nothing_answered(requests: u32, first: Option<Failure>) -> Self {
        let reason = first.map_or_else(|| "nothing was sent".into(), |failure| failure.to_string());
        Self::NothingAnswered { requests, reason }
    }
}
