//! Cordon (the API's drain): a replica stays alive outside the ring, and its seat stays vacant until it is uncordoned.
//!
//! A cordoned replica that dies is not restarted: its seat stays vacant until it is uncordoned or replaced (then a new
//! replica is started) or removed.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Instant;

use crate::name::Name;
use crate::ring::{Change, Incarnation, SeatId};

use super::on_ring_reply::OnRingReply;
use super::state::Then;
use super::{CallId, CommandError, Fleet, Phase, RouterId};

impl Fleet {
    /// Takes a replica out of the ring and keeps it alive; answered when no new request can reach it.
    pub(super) fn cordon(&mut self, call: CallId, name: Name) {
        let incarnation = match self.find_cordonable(&name) {
            Ok(incarnation) => incarnation,
            Err(error) => return self.reply(call, Err(error)),
        };
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        let id = member.launch.seat;
        let Some(seat) = self.seats.get_mut(&id) else { return };
        seat.cordon(incarnation); // it may have been outdated, with its replacement planned
        member.leave(Then::Cordon, "drain", &mut self.actions);
        self.change_ring(Change::Cordon(id), OnRingReply::Cordoned(call, incarnation));
    }

    fn find_cordonable(&self, name: &Name) -> Result<Incarnation, CommandError> {
        let (_, seat, incarnation, phase) = self.find_replica(name)?;
        if seat.cordoned() == Some(incarnation) {
            return Err(CommandError::Cordoned(name.clone()));
        }
        let wanted = "only one that is ready or suspect can be drained";
        match phase {
            Phase::Ready | Phase::Suspect => Ok(incarnation),
            _ => Err(CommandError::NotNow { name: name.clone(), phase, wanted }),
        }
    }

    /// No new request can reach the replica. It may have died, or been removed, before every router acknowledged.
    pub(super) fn on_cordoned(
        &mut self,
        call: CallId,
        incarnation: Incarnation,
        busy: BTreeSet<RouterId>,
        now: Instant,
    ) {
        self.drain(incarnation, busy, now);
        let member = self.members.get_mut(&incarnation);
        let about = member.map(|member| (member.launch.seat, member.launch.name.clone()));
        self.reply_about(call, about);
    }

    /// Gives a cordoned replica its seat back, or the seat of a dead one to a new replica; answered when requests are
    /// routed there.
    pub(super) fn uncordon(&mut self, call: CallId, name: Name, now: Instant) {
        let (seat_id, incarnation) = match self.find_cordoned(&name) {
            Ok(found) => found,
            Err(error) => return self.reply(call, Err(error)),
        };
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        let Some(seat) = self.seats.get_mut(&seat_id) else { return };
        if !member.is_cordoned() {
            return self.restart_cordoned(call, seat_id, now);
        }
        let Some(replica) = member.replica() else { return };
        seat.uncordon(incarnation, call);
        member.uncordon(now, &mut self.actions);
        self.change_ring(Change::Occupy(replica), OnRingReply::Occupied(incarnation));
    }

    fn find_cordoned(&self, name: &Name) -> Result<(SeatId, Incarnation), CommandError> {
        let (id, seat, incarnation, phase) = self.find_replica(name)?;
        let wanted = "wait until it is draining";
        match phase {
            _ if seat.cordoned() != Some(incarnation) => Err(CommandError::NotCordoned(name.clone())),
            Phase::Draining | Phase::Dead => Ok((id, incarnation)),
            _ => Err(CommandError::NotNow { name: name.clone(), phase, wanted }),
        }
    }

    /// A cordoned replica has ended or refuses connections. If its successor is starting, that goes on as after any
    /// death.
    pub(super) fn mark_cordoned_dead(&mut self, incarnation: Incarnation, why: &dyn fmt::Display) {
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        member.die(why, &mut self.actions);
        if let Some(seat) = self.seats.get_mut(&member.launch.seat)
            && seat.is_awaited()
        {
            seat.vacate();
        }
    }

    /// Ends the cordon of a replica that leaves for good, and returns the replica; `None`: it was not cordoned, or has
    /// died.
    pub(super) fn end_cordon(&mut self, incarnation: Incarnation, why: &'static str) -> Option<Incarnation> {
        let member = self.members.get_mut(&incarnation).filter(|member| member.is_cordoned())?;
        member.leave(Then::Stop, why, &mut self.actions);
        Some(incarnation)
    }
}
