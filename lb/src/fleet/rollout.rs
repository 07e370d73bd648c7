//! Rolling replacement: what was adopted but is made otherwise than today's replicas is replaced in its seat, one by
//! one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ring::{Incarnation, Replica};

use super::event::{After, Change};
use super::{Fleet, Phase, Seat};

impl Fleet {
    /// Plans the next replacement, if everything else is at rest. The outdated replica serves until its successor
    /// can; one that does not get ready is tried again by the rules of restart intensity.
    pub(super) fn roll_out(&mut self, now: Instant) {
        let rests = |seat: &Seat| {
            let ready = self.serving(seat).is_some_and(|member| member.phase == Phase::Ready);
            ready && seat.candidate.is_none() && seat.restart.due().is_none()
        };
        if !self.seats.values().all(rests) {
            return;
        }
        let outdated = |seat: &&mut Seat| {
            let occupant = seat.occupant.and_then(|occupant| self.members.get(&occupant));
            occupant.is_some_and(|member| member.outdated)
        };
        if let Some(seat) = self.seats.values_mut().find(outdated) {
            seat.restart.plan(Duration::ZERO, now);
        }
    }

    /// The successor takes the seat at once; the outdated one finishes what it has.
    pub(super) fn hand_over(&mut self, from: Incarnation, to: Arc<Replica>, now: Instant) {
        if let Some(member) = self.members.get_mut(&from) {
            member.enter(Phase::Leaving, &"outdated", &mut self.actions);
        }
        let successor = to.incarnation;
        self.change_ring(Change::Handover { to, from }, After::HandedOver(from));
        // The seat was served all the time: it is listed without a gap.
        self.ready(successor, now);
    }
}
