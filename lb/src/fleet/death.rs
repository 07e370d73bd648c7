//! Unrequested end of a replica: it exited, refuses connections, hangs, or did not become ready. Its seat is
//! vacated and filled again.

use std::fmt;
use std::time::{Duration, Instant};

use crate::fleet::runtime::{Exit, Launch};
use crate::name::Name;
use crate::ring::{Change, Incarnation, SeatId};

use super::external::Loss;
use super::member::Member;
use super::on_ring_reply::OnRingReply;
use super::restart::STABLE;
use super::{CommandError, Fleet, Ownership, Phase, Seat};

/// Delay before a replica is replaced that got a SIGTERM from outside: its sender may be about to stop the balancer
/// too (`docker compose down`).
const TERMINATED: Duration = Duration::from_secs(1);

impl Fleet {
    /// The process of a replica has ended, but not by [`Action::Stop`](super::Action::Stop)
    /// ([`RuntimeEvent::Exited`](super::RuntimeEvent::Exited)). Nothing follows if the replica is already dead or on its
    /// way out.
    pub(super) fn exited(&mut self, incarnation: Incarnation, exit: Exit, now: Instant) {
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        member.end_process();
        match (member.phase(), exit) {
            (_, exit) if member.is_cordoned() => self.mark_dead(incarnation, &exit, now),
            (Phase::Starting, Exit::PortTaken) => self.move_port(incarnation, now),
            (Phase::Starting | Phase::Ready | Phase::Suspect, exit) => {
                self.mark_dead(incarnation, &exit, now)
            }
            (Phase::Dead | Phase::Leaving | Phase::Draining | Phase::Stopping, _) => {}
        }
    }

    /// A replica got a SIGTERM that the balancer did not send
    /// ([`RuntimeEvent::Terminated`](super::RuntimeEvent::Terminated)). It has not ended yet.
    pub(super) fn terminated(&mut self, incarnation: Incarnation) {
        if let Some(member) = self.members.get_mut(&incarnation) {
            log::warn!(name:% = member.launch.name, by = "somebody_else"; "replica termination requested");
            member.set_terminated();
        }
    }

    /// A replica has ended, refuses connections, hangs or did not get ready: its seat is vacated at once, and a
    /// successor planned.
    pub(super) fn mark_dead(&mut self, incarnation: Incarnation, why: &dyn fmt::Display, now: Instant) {
        let member = self.members.get(&incarnation);
        let stable = member.is_some_and(|member| member.stable(STABLE, now));
        let least = if member.is_some_and(Member::is_terminated) { TERMINATED } else { Duration::ZERO };
        let served = member.is_some_and(Member::is_routed);
        let unavailable = member.is_some_and(Member::is_unavailable);
        let address = member.and_then(Member::address);
        if member.is_some_and(Member::is_cordoned) {
            return self.mark_cordoned_dead(incarnation, why);
        }
        let external = self.settings.ownership == Ownership::External;
        let why: &dyn fmt::Display = match address {
            Some(address) if external => &format!("{address}: {why}"),
            _ => why,
        };
        let Some((seat_id, name)) = self.detach_dead(incarnation, why) else { return };
        if external {
            let loss = Loss { served, address, why: why.to_string() };
            return self.external_lost(seat_id, &name, &loss, now);
        }
        let Some(seat) = self.seats.get_mut(&seat_id) else { return };
        let (failed, has_other) = (!served && seat.joined(), seat.holder().is_some());
        let outdated = seat.occupant().and_then(|of| self.members.get(&of)).is_some_and(Member::is_outdated);
        let error = CommandError::NotReady { name, reason: why.to_string() };
        if let Some(call) = seat.reserved_by() {
            return self.roll_back_add(call, error);
        }
        if seat.candidate().is_some() {
            return; // its successor is already starting
        }
        if failed {
            if let Some(call) = seat.take_call() {
                self.reply(call, Err(error.clone()));
            }
            self.abort_manual_rollout(&error);
            if has_other && !outdated {
                return; // the replica that was to be replaced keeps its seat
            }
        }
        let Some(seat) = self.seats.get_mut(&seat_id) else { return };
        seat.set_next_name(None);
        if unavailable {
            seat.restart.retry_uncounted(now);
            return;
        }
        let delay = seat.restart.failed(stable, least, now);
        if !delay.is_zero() {
            log::warn!(seat:% = seat_id, delay_s:% = delay.as_secs(); "seat backs off");
        }
    }

    /// Another process took the port: the same replica is launched on another port. This does not count as a crash.
    pub(super) fn move_port(&mut self, incarnation: Incarnation, now: Instant) {
        let Some((seat_id, name)) = self.detach_dead(incarnation, &Exit::PortTaken) else { return };
        let Some(seat) = self.seats.get_mut(&seat_id) else { return };
        let delay = seat.plan(Duration::ZERO, now);
        match seat.reserved_by() {
            Some(call) if !delay.is_zero() => {
                let reason = "its port is taken again and again".to_owned();
                self.roll_back_add(call, CommandError::NotReady { name, reason });
            }
            _ => seat.set_next_name(Some(name)),
        }
    }

    /// Removes a dead replica from its seat. If requests are routed to it, the ring vacates the seat.
    pub(super) fn detach_dead(
        &mut self,
        incarnation: Incarnation,
        why: &dyn fmt::Display,
    ) -> Option<(SeatId, Name)> {
        let member = self.members.get_mut(&incarnation)?;
        let Launch { seat: seat_id, name, .. } = member.launch.clone();
        let seat = self.seats.get_mut(&seat_id)?;
        if member.is_routed() {
            member.die(why, &mut self.actions);
            seat.vacate();
            seat.record_failure(&why.to_string());
            self.change_ring(Change::Vacate(seat_id), OnRingReply::Vacated(incarnation));
        } else {
            seat.take_candidate();
            if seat.occupant().is_none() {
                seat.record_failure(&why.to_string());
            }
            match self.settings.ownership {
                Ownership::Managed => member.die(why, &mut self.actions),
                Ownership::External => {
                    self.members.remove(&incarnation);
                }
            }
        }
        Some((seat_id, name))
    }

    /// Removes dead replicas that no request can reach, once their container is not needed to store the seat: the seat
    /// is gone, another replica occupies it, or a younger replica was created for it.
    pub(super) fn remove_dead(&mut self) {
        let younger = |dead: &Launch| {
            let created = self.members.values().filter(|member| member.instance().is_some());
            created.map(|m| &m.launch).any(|l| l.seat == dead.seat && l.incarnation > dead.incarnation)
        };
        let another = |seat: &Seat, of| seat.holder().is_some_and(|has| has != of);
        // The configuration stores the seat of an external server.
        let external = |seat: &Seat, of| seat.external.is_some() && seat.cordoned() != Some(of);
        let unneeded = |of: &Launch| {
            let seat = self.seats.get(&of.seat);
            seat.is_none_or(|seat| another(seat, of.incarnation) || external(seat, of.incarnation))
                || younger(of)
        };
        let dead =
            self.members.values().filter(|member| member.phase() == Phase::Dead && !member.is_routed());
        let dead: Vec<Incarnation> =
            dead.map(|m| &m.launch).filter(|of| unneeded(of)).map(|of| of.incarnation).collect();
        for incarnation in dead {
            self.stop(incarnation, Duration::ZERO);
        }
    }
}
