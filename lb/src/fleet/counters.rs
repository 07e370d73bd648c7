//! Counters of the fleet since the start, for the metrics.

use std::time::Duration;

use crate::stats::histogram::Histogram;

use super::Seat;
use super::event::HeartbeatResult;

/// Counts of heartbeats and launches, and the time from launch to readiness.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Heartbeats, by each of [`Counters::RESULTS`].
    pub heartbeats: [u64; Self::RESULTS.len()],
    /// Launches, by each of [`Counters::REASONS`].
    pub starts: [u64; Self::REASONS.len()],
    /// Time from the launch to the first good heartbeat.
    pub ready_after: Histogram,
}

impl Counters {
    /// Results of heartbeats. `early`: the replica has not had its first good one; `void`: the machine was starved or
    /// the balancer lacked descriptors, ports or memory.
    pub const RESULTS: [&str; 5] = ["good", "missed", "refused", "early", "void"];

    /// Reasons for launches: a new seat at the start (`first`) or by /add (`added`); the replica before has died or hung,
    /// or is being replaced while it serves.
    pub const REASONS: [&str; 5] = ["first", "added", "died", "hung", "replaced"];

    /// Counts a heartbeat. `early`: the replica has had no good one; `void`: a miss proves nothing.
    pub(super) fn heartbeat(&mut self, result: &HeartbeatResult, early: bool, void: bool) {
        let index = match result {
            HeartbeatResult::Good => 0,
            _ if early => 3,
            HeartbeatResult::Void(_) => 4,
            HeartbeatResult::Missed(_) if void => 4,
            HeartbeatResult::Missed(_) => 1,
            HeartbeatResult::Refused => 2,
        };
        self.heartbeats[index] += 1;
    }

    /// Counts a launch for this seat.
    pub(super) fn start(&mut self, seat: &Seat) {
        let index = match seat {
            _ if !seat.joined() => 1,
            _ if seat.occupant().is_some() || seat.is_awaited() => 4,
            _ if seat.is_hung() => 3,
            _ if seat.restart.has_failed() => 2,
            _ => 0,
        };
        self.starts[index] += 1;
    }

    /// Counts the first good heartbeat of a replica, this time after its launch.
    pub(super) fn ready(&mut self, after: Duration) {
        self.ready_after.record(after);
    }
}
