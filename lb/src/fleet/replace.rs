//! A replica gives its seat to a new one, which is ready before the old one leaves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::name::Name;
use crate::ring::{Incarnation, Replica, SeatId};

use super::action::Change;
use super::event::CallId;
use super::member::Member;
use super::on_ring_reply::OnRingReply;
use super::{Fleet, Ownership, Phase, Refusal, Seat};

impl Fleet {
    /// Starts a new replica for the seat of another; answered when it has taken over, or did not get ready: then
    /// everything is as before. One that was drained and has died is no more than a seat to fill.
    pub(super) fn replace(&mut self, call: CallId, name: Name, now: Instant) {
        let (seat_id, phase) = match self.replaceable(&name) {
            Ok(found) => found,
            Err(refusal) => return self.reply(call, Err(refusal)),
        };
        if phase == Phase::Dead {
            return self.restart_drained(call, seat_id, now);
        }
        if let Some(seat) = self.seats.get_mut(&seat_id) {
            seat.replacing = Some(call);
            seat.restart.plan(Duration::ZERO, now);
        }
    }

    fn replaceable(&self, name: &Name) -> Result<(SeatId, Phase), Refusal> {
        if self.settings.ownership == Ownership::Foreign {
            return Err(Refusal::NotOurs);
        }
        let (id, _, _, phase) = self.steered(name)?;
        let wanted = "only one that is ready, suspect or drained can be replaced";
        match phase {
            Phase::Ready | Phase::Suspect | Phase::Draining | Phase::Dead => Ok((id, phase)),
            _ => Err(Refusal::NotNow { name: name.clone(), phase, wanted }),
        }
    }

    /// The seat of a drained replica that has died is filled again.
    pub(super) fn restart_drained(&mut self, call: CallId, seat_id: SeatId, now: Instant) {
        let Some(seat) = self.seats.get_mut(&seat_id) else { return };
        (seat.drained, seat.replacing, seat.name) = (None, Some(call), None);
        match self.settings.ownership {
            Ownership::Foreign => seat.restart.plan_unbounded(Duration::ZERO, now),
            Ownership::Ours => drop(seat.restart.plan(Duration::ZERO, now)),
        }
    }

    /// The successor takes the seat at once; the one that served finishes what it has.
    pub(super) fn hand_over(&mut self, from: Incarnation, to: Arc<Replica>, now: Instant) {
        if let Some(member) = self.members.get_mut(&from) {
            member.unanswered += 1;
            member.enter(Phase::Leaving, &"replaced", &mut self.actions);
        }
        let successor = to.incarnation;
        self.change_ring(Change::Handover { to, from }, OnRingReply::HandedOver { from, to: successor });
        // The seat was served all the time: it is listed without a gap.
        self.ready(successor, now);
    }

    /// The successor of a drained replica takes the vacant seat; the drained one finishes what it has, if it lives.
    pub(super) fn succeed(&mut self, drained: Incarnation, to: Arc<Replica>) {
        let successor = to.incarnation;
        match self.release(drained, "replaced") {
            Some(from) => self
                .change_ring(Change::Handover { to, from }, OnRingReply::HandedOver { from, to: successor }),
            None => self.change_ring(Change::Occupy(to), OnRingReply::Occupied(successor)),
        }
    }

    /// A seat has its replica: whoever asked for it is told.
    pub(super) fn replaced(&mut self, incarnation: Incarnation) {
        let serves = |member: &&Member| matches!(member.phase, Phase::Ready | Phase::Suspect);
        let Some(member) = self.members.get(&incarnation).filter(serves) else { return };
        let about = (member.launch.seat, member.launch.name.clone());
        let seat = self.seats.get_mut(&about.0).filter(|seat| seat.occupant == Some(incarnation));
        if let Some(call) = seat.and_then(|seat| seat.replacing.take()) {
            self.reply_about(call, Some(about));
        }
    }

    /// Nobody is to wait for a replica that will not be started.
    pub(super) fn fail_replacing(&mut self, which: impl Fn(&Seat) -> bool, refusal: &Refusal) {
        let waiting = self.seats.values_mut().filter(|seat| which(seat));
        let calls: Vec<CallId> = waiting.filter_map(|seat| seat.replacing.take()).collect();
        for call in calls {
            self.reply(call, Err(refusal.clone()));
        }
    }
}
