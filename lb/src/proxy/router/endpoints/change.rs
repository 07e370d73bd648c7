//! Changes of the endpoints that the router announces.

use std::time::Duration;

use crate::ring::Incarnation;

/// A change of one replica that the router logs, counts or reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// The replica that changed.
    pub incarnation: Incarnation,
    pub kind: ChangeKind,
}

/// What has changed. After `Ejected` and `Stalled` the requests that wait for the replica must be woken: they may start
/// a hedge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    /// Ejected because of its failures; the next probe is due after this time.
    Ejected(Duration),
    /// Ejected again, because its probe failed.
    EjectedAgain(Duration),
    /// Not ejected although its health requires it: half of the replicas are unavailable.
    Spared,
    /// Stalled: it has been silent for this long while others answered.
    Stalled(Duration),
    /// Readmitted, because its probe succeeded.
    Readmitted,
    /// Readmitted, because after a change of seats more than half of the replicas were unavailable.
    ForciblyReadmitted {
        /// It was ejected, not only stalled.
        was_ejected: bool,
    },
    /// Its heartbeats fail, or succeed again.
    Suspect(bool),
    /// It has left the ring, and its last request has ended.
    Idle,
}

impl ChangeKind {
    /// This change of a replica.
    pub(super) fn of(self, incarnation: Incarnation) -> Change {
        Change { incarnation, kind: self }
    }
}
