//! Drained by hand, and taken back: the replica lives on outside the ring, and its seat waits for it.
//!
//! A drained replica that dies goes quietly: its seat stays vacant, as it was wished, until it is undrained or replaced
//! (then a new replica is started) or removed.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Instant;

use crate::name::Name;
use crate::ring::{Incarnation, SeatId};

use super::action::Change;
use super::event::{CallId, RouterId};
use super::on_ring_reply::OnRingReply;
use super::{Fleet, Phase, Refusal, Seat};

impl Fleet {
    /// Takes a replica out of the ring and keeps it; answered when no request reaches it any more.
    pub(super) fn drain_by_hand(&mut self, call: CallId, name: Name) {
        let incarnation = match self.drainable(&name) {
            Ok(incarnation) => incarnation,
            Err(refusal) => return self.reply(call, Err(refusal)),
        };
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        let (Some(replica), Some(seat)) = (member.replica(), self.seats.get_mut(&member.launch.seat)) else {
            return;
        };
        seat.restart.cancel(); // an outdated one may have been about to be replaced
        (seat.occupant, seat.drained) = (None, Some(incarnation));
        member.kept = true;
        member.unanswered += 1;
        member.enter(Phase::Leaving, &"drain", &mut self.actions);
        self.change_ring(Change::Drain(replica), OnRingReply::Drained(call, incarnation));
    }

    fn drainable(&self, name: &Name) -> Result<Incarnation, Refusal> {
        let (_, seat, incarnation, phase) = self.steered(name)?;
        if seat.drained == Some(incarnation) {
            return Err(Refusal::Drained(name.clone()));
        }
        let wanted = "only one that is ready or suspect can be drained";
        match phase {
            Phase::Ready | Phase::Suspect => Ok(incarnation),
            _ => Err(Refusal::NotNow { name: name.clone(), phase, wanted }),
        }
    }

    /// No request reaches it any more. It may have died, or been removed, before every router knew.
    pub(super) fn drained_by_hand(
        &mut self,
        call: CallId,
        incarnation: Incarnation,
        busy: BTreeSet<RouterId>,
        now: Instant,
    ) {
        self.drain(incarnation, busy, now);
        let member = self.members.get_mut(&incarnation);
        let about = member.map(|member| {
            member.routed = false;
            (member.launch.seat, member.launch.name.clone())
        });
        self.reply_about(call, about);
    }

    /// Gives a drained replica its seat back, or a dead one's to a new replica; answered when requests go there.
    pub(super) fn undrain(&mut self, call: CallId, name: Name, now: Instant) {
        let (seat_id, incarnation) = match self.undrainable(&name) {
            Ok(found) => found,
            Err(refusal) => return self.reply(call, Err(refusal)),
        };
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        let Some(seat) = self.seats.get_mut(&seat_id) else { return };
        if !member.kept {
            return self.restart_drained(call, seat_id, now);
        }
        let Some(replica) = member.replica() else { return };
        (seat.occupant, seat.drained, seat.replacing) = (Some(incarnation), None, Some(call));
        (member.kept, member.routed, member.beats.asked) = (false, true, false);
        // Heartbeats that it missed while it was drained do not count.
        (member.beats.missed, member.beats.last_good) = (0, now);
        member.enter(Phase::Starting, &"undrain", &mut self.actions);
        self.change_ring(Change::Occupy(replica), OnRingReply::Occupied(incarnation));
    }

    fn undrainable(&self, name: &Name) -> Result<(SeatId, Incarnation), Refusal> {
        let (id, seat, incarnation, phase) = self.steered(name)?;
        let wanted = "wait until it is draining";
        match phase {
            _ if seat.drained != Some(incarnation) => Err(Refusal::NotDrained(name.clone())),
            Phase::Draining | Phase::Dead => Ok((id, incarnation)),
            _ => Err(Refusal::NotNow { name: name.clone(), phase, wanted }),
        }
    }

    /// The seat and the replica of a call that names one; an error while its successor is under way.
    pub(super) fn steered(&self, name: &Name) -> Result<(SeatId, &Seat, Incarnation, Phase), Refusal> {
        self.may_act()?;
        let mut joined = self.seats.iter().filter(|(_, seat)| seat.joined());
        let found = joined.find_map(|(id, seat)| Some((*id, seat, self.held_by(seat, name)?)));
        let (id, seat, member) = found.ok_or_else(|| Refusal::NoReplica(name.clone()))?;
        let successor = seat.candidate.is_some() && seat.candidate != Some(member.launch.incarnation);
        if successor || seat.replacing.is_some() {
            return Err(Refusal::Replacing(name.clone()));
        }
        Ok((id, seat, member.launch.incarnation, member.phase))
    }

    /// A drained replica has ended or refuses; if its successor is under way that goes on as after any death.
    pub(super) fn die_drained(&mut self, incarnation: Incarnation, why: &dyn fmt::Display) {
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        member.kept = false;
        member.enter(Phase::Dead, why, &mut self.actions);
        if let Some(seat) = self.seats.get_mut(&member.launch.seat)
            && seat.replacing.is_some()
        {
            seat.drained = None;
        }
    }

    /// A drained replica is kept no longer: on its way out like any other.
    pub(super) fn release(&mut self, drained: Incarnation, why: &'static str) -> Option<Incarnation> {
        let member = self.members.get_mut(&drained).filter(|member| member.kept)?;
        member.kept = false;
        member.unanswered += 1;
        if member.phase != Phase::Leaving {
            member.enter(Phase::Leaving, &why, &mut self.actions);
        }
        Some(drained)
    }
}
