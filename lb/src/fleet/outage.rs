//! Launches that fail for a reason outside the replica: the engine is unreachable, or the network has no free address.

use std::time::Instant;

use crate::fleet::runtime::RuntimeError;
use crate::ring::{Incarnation, SeatId};

use super::action::Action;
use super::{Fleet, Phase};

/// Whether a launch failed for a reason outside the replica: it does not count as a crash.
pub(super) fn is_outside_replica(error: &RuntimeError) -> bool {
    matches!(error, RuntimeError::Unavailable(_) | RuntimeError::NoAddress(_))
}

impl Fleet {
    /// The engine is reachable again ([`RuntimeEvent::Available`](super::RuntimeEvent::Available)): repeats such launches
    /// at once.
    pub(super) fn retry_uncounted(&mut self, now: Instant) {
        for seat in self.seats.values_mut() {
            seat.restart.bring_forward(now);
        }
    }

    /// The runtime has killed a dead replica ([`Event::DeadKilled`](super::Event::DeadKilled)). It holds no address any
    /// more: its successor can be started at once.
    pub(super) fn dead_killed(&mut self, incarnation: Incarnation, now: Instant) {
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        member.end_process();
        if let Some(seat) = self.seats.get_mut(&member.launch.seat) {
            seat.restart.bring_forward(now);
        }
    }

    /// The network is full: kills the hung replica of a seat before its successor is started, because it may hold the
    /// only address. Its container stays, and stores the seat until the successor exists.
    pub(super) fn kill_dead(&mut self, seat: SeatId) {
        let dead =
            self.members.values().filter(|member| member.phase() == Phase::Dead && !member.is_routed());
        let holds =
            dead.filter(|member| member.launch.seat == seat && member.may_run() && !member.is_launching());
        let dead: Vec<Incarnation> = holds.map(|member| member.launch.incarnation).collect();
        self.actions.extend(dead.into_iter().map(Action::KillDead));
    }
}
