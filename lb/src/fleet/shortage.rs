//! Launches that fail for a reason outside the replica: the engine is away, or the network has no free address.

use std::time::Instant;

use crate::ring::{Incarnation, SeatId};
use crate::runtime::Error;

use super::action::Action;
use super::{Fleet, Phase};

/// Whether a launch failed for a reason outside the replica: it does not count as a crash.
pub(super) fn is_outside(error: &Error) -> bool {
    matches!(error, Error::Unavailable(_) | Error::NoAddress(_))
}

impl Fleet {
    /// What such launches lacked is there again: they are tried at once.
    pub(super) fn retry_uncounted(&mut self, now: Instant) {
        for seat in self.seats.values_mut() {
            seat.restart.hasten(now);
        }
    }

    /// A dead replica holds no address any more: its successor can be started at once.
    pub(super) fn ended(&mut self, incarnation: Incarnation, now: Instant) {
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        member.running = false;
        if let Some(seat) = self.seats.get_mut(&member.launch.seat) {
            seat.restart.hasten(now);
        }
    }

    /// The network is full: what hung in a seat is killed before its successor is started, because it may hold the one
    /// address that there is. It stays as the memory of its seat until the successor exists.
    pub(super) fn end_dead(&mut self, seat: SeatId) {
        let dead = self.members.values().filter(|member| member.phase == Phase::Dead && !member.routed);
        let holds = dead.filter(|member| member.launch.seat == seat && member.running && !member.launching);
        let dead: Vec<Incarnation> = holds.map(|member| member.launch.incarnation).collect();
        self.actions.extend(dead.into_iter().map(Action::End));
    }
}
