//! Phase of a replica, as the API and the log show it.

use std::fmt;

/// Phase of a replica between its launch and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Launched; it has had no good heartbeat, or is not yet in the ring.
    Starting,
    /// In the ring, and its heartbeats are good.
    Ready,
    /// In the ring, but it has missed heartbeats.
    Suspect,
    /// Ended, refusing connections or hung; its seat is vacant or about to be.
    Dead,
    /// On its way out of the ring.
    Leaving,
    /// Out of the ring; requests may still be in flight. A cordoned replica stays in this phase.
    Draining,
    /// SIGTERM was sent.
    Stopping,
}

impl Phase {
    /// The name of the phase, as in the API and the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Suspect => "suspect",
            Self::Dead => "dead",
            Self::Leaving => "leaving",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
