//! What is counted of the fleet since the start.

use std::time::Duration;

use crate::stats::histogram::Histogram;

use super::Seat;
use super::event::HeartbeatResult;

/// Heartbeats, starts, and how long replicas took to get ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// By each of [`Tally::RESULTS`].
    pub heartbeats: [u64; Self::RESULTS.len()],
    /// Launches, by each of [`Tally::REASONS`].
    pub starts: [u64; Self::REASONS.len()],
    /// From the launch to the first good heartbeat.
    pub ready_after: Histogram,
}

impl Tally {
    /// What came of a heartbeat. `early`: the replica has not had its first good one, `void`: the machine or
    /// the balancer was short of something.
    pub const RESULTS: [&str; 5] = ["good", "missed", "refused", "early", "void"];

    /// Why a replica was launched: for a new seat at the start or by /add, or in the place of one that died, hung, or
    /// is to be replaced while it serves.
    pub const REASONS: [&str; 5] = ["first", "added", "died", "hung", "replaced"];

    pub(super) fn heartbeat(&mut self, beat: &HeartbeatResult, early: bool, void: bool) {
        let result = match beat {
            HeartbeatResult::Good => 0,
            _ if early => 3,
            HeartbeatResult::Void(_) => 4,
            HeartbeatResult::Missed(_) if void => 4,
            HeartbeatResult::Missed(_) => 1,
            HeartbeatResult::Refused => 2,
        };
        self.heartbeats[result] += 1;
    }

    pub(super) fn start(&mut self, seat: &Seat) {
        let reason = match seat {
            Seat { reserved_by: Some(_), .. } => 1,
            Seat { occupant: Some(_), .. } | Seat { replacing: Some(_), .. } => 4,
            Seat { hung: true, .. } => 3,
            Seat { restart, .. } if restart.has_failed() => 2,
            _ => 0,
        };
        self.starts[reason] += 1;
    }

    pub(super) fn ready(&mut self, after: Duration) {
        self.ready_after.record(after);
    }
}
