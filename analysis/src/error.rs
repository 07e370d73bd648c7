//! Errors that end a run without results.

use crate::balancer::{self, ControlError, Failure};
use crate::{chart, hashing, output};

/// Reasons why a run ends without results.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no balancer to measure.
    #[error(transparent)]
    Balancer(#[from] balancer::Error),
    /// A control or admin call failed.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The results cannot be written.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// A chart cannot be drawn.
    #[error(transparent)]
    Chart(#[from] chart::Error),
    /// The user's keys cannot be read.
    #[error(transparent)]
    Keys(#[from] hashing::KeysError),
    /// The seats do not fit the layout.
    #[error(transparent)]
    Layout(#[from] lb::ring::RingError),
    /// No request of a load was answered.
    #[error("not one of {requests} requests was answered; the first failed with: {reason}")]
    NothingAnswered {
        /// Number of requests sent.
        requests: u32,
        /// The failure of the first request.
        reason: String,
    },
    /// `--assert` conditions that do not hold, one per line.
    #[error("{}", .0.join("\nanalysis: "))]
    Assertion(Vec<String>),
    /// The run was interrupted by Ctrl-C or SIGTERM; the text names the unfinished work.
    #[error("interrupted; {0}")]
    Interrupted(String),
}

impl Error {
    /// The error for a load without a single reply; `first` is the failure of its first request.
    pub fn nothing_answered(requests: u32, first: Option<Failure>) -> Self {
        let reason = first.map_or_else(|| "nothing was sent".into(), |failure| failure.to_string());
        Self::NothingAnswered { requests, reason }
    }
}
