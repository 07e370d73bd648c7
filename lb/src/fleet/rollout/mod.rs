//! Rolling replacement of outdated replicas: those that were adopted with another specification are replaced in their
//! seats, one by one.

pub mod manual;

use std::time::{Duration, Instant};

use super::{Fleet, Member, Phase, Seat};

impl Fleet {
    /// Plans the next replacement if the fleet is settled. The outdated replica serves until its successor can; a
    /// successor that does not get ready is tried again by the rules of restart intensity.
    pub(super) fn replace_outdated(&mut self, now: Instant) {
        if !self.is_settled() {
            return;
        }
        let outdated = |seat: &&mut Seat| {
            let occupant = seat.occupant().and_then(|occupant| self.members.get(&occupant));
            occupant.is_some_and(Member::is_outdated)
        };
        if let Some(seat) = self.seats.values_mut().find(outdated) {
            seat.plan(Duration::ZERO, now);
        }
    }

    /// Whether no seat waits for a launch, a heartbeat or a replacement.
    pub(super) fn is_settled(&self) -> bool {
        let is_settled = |seat: &Seat| {
            let ready = self.serving(seat).is_some_and(|member| member.phase() == Phase::Ready);
            (ready || seat.cordoned().is_some()) && seat.candidate().is_none() && seat.restart.due().is_none()
        };
        self.seats.values().all(is_settled)
    }
}
