//! Life of a replica: launch, first good heartbeat, death, and the launch of its successor.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use crate::name::Name;
use crate::ring::{Incarnation, SeatId};
use crate::runtime::{Error, Exit, Instance, Launch};

use super::action::{Action, Change};
use super::event::{Busy, ChangeId, RouterId};
use super::external::Loss;
use super::member::{FIRST_PROBE, Member};
use super::on_ring_reply::OnRingReply;
use super::restart::STABLE;
use super::shortage::is_outside_replica;
use super::{CommandError, Fleet, Ownership, Phase, Seat, Vacancy};

/// Delay before a replica is replaced that got a SIGTERM from outside: its sender may be about to stop the balancer
/// too (`docker compose down`).
const TERMINATED: Duration = Duration::from_secs(1);

impl Fleet {
    /// Starts a replica for a seat, under the given name or a random one.
    pub(super) fn launch(&mut self, seat_id: SeatId, name: Option<Name>, now: Instant) {
        let name = name.unwrap_or_else(|| self.random_name());
        let Some(seat) = self.seats.get_mut(&seat_id) else { return };
        self.last_incarnation += 1;
        let incarnation = Incarnation(self.last_incarnation);
        let launch = Launch { seat: seat_id, name, incarnation };
        let mut member = Member::new(launch.clone(), now);
        if self.settings.ownership == Ownership::Managed {
            member.launched_at = Some(now);
            self.tally.start(seat);
            member.start_deadline = Some(now + self.settings.start_timeout);
            member.repeated = seat.restart.is_uncounted();
            if !member.repeated {
                self.actions.push(member.publish_launch());
            }
        }
        seat.candidate = Some(incarnation);
        seat.restart.launched(now);
        self.members.insert(incarnation, member);
        self.actions.push(Action::Launch(launch));
    }

    /// Launches replicas for the seats whose launch is due.
    pub(super) fn refill(&mut self, now: Instant) {
        let due: Vec<SeatId> = self
            .seats
            .iter_mut()
            .filter_map(|(id, seat)| seat.restart.take_due(now).then_some(*id))
            .collect();
        for id in due {
            let name = self.seats.get_mut(&id).and_then(Seat::next_name);
            self.launch(id, name, now);
        }
    }

    pub(super) fn launched(
        &mut self,
        incarnation: Incarnation,
        result: Result<Instance, Error>,
        now: Instant,
    ) {
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        member.launching = false;
        if member.repeated && !result.as_ref().is_err_and(is_outside_replica) {
            member.repeated = false;
            self.actions.push(member.publish_launch());
        }
        match result {
            Ok(instance) => {
                member.instance = Some(instance);
                member.heartbeats.next = Some(now + FIRST_PROBE);
                if member.phase == Phase::Stopping {
                    self.actions.push(Action::Stop { incarnation, grace: Duration::ZERO });
                }
            }
            Err(error) => {
                let reserved_by = self.seats.get(&member.launch.seat).and_then(|seat| seat.reserved_by);
                match (member.phase, reserved_by, &error) {
                    (Phase::Starting, Some(call), Error::NameTaken(name)) => {
                        self.detach_dead(incarnation, &error);
                        self.roll_back_add(call, CommandError::Exists(name.clone()));
                    }
                    (Phase::Starting, ..) => {
                        member.unavailable = is_outside_replica(&error);
                        self.mark_dead(incarnation, &error, now);
                    }
                    _ => {}
                }
                let failed = self.members.remove(&incarnation).map(|member| member.launch.seat);
                if let (Some(seat), Error::NoAddress(_)) = (failed, &error) {
                    self.kill_dead(seat);
                }
            }
        }
    }

    pub(super) fn exited(&mut self, incarnation: Incarnation, exit: Exit, now: Instant) {
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        member.running = false;
        match (member.phase, exit) {
            (_, exit) if member.cordoned => self.mark_dead(incarnation, &exit, now),
            (Phase::Starting, Exit::PortTaken) => self.move_port(incarnation, now),
            (Phase::Starting | Phase::Ready | Phase::Suspect, exit) => {
                self.mark_dead(incarnation, &exit, now)
            }
            (Phase::Dead | Phase::Leaving | Phase::Draining | Phase::Stopping, _) => {}
        }
    }

    pub(super) fn terminated(&mut self, incarnation: Incarnation) {
        if let Some(member) = self.members.get_mut(&incarnation) {
            log::warn!("replica told to end name={} by=somebody_else", member.launch.name);
            member.terminated = true;
        }
    }

    /// The first good heartbeat: the replica joins the ring alone, with all replicas of its /add, or in the place of
    /// an outdated one.
    pub(super) fn first_good_heartbeat(&mut self, incarnation: Incarnation, now: Instant) {
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        member.start_deadline = None;
        let took = member.launched_at.map(|launched| now.saturating_duration_since(launched));
        self.start_time = took.or(self.start_time);
        took.into_iter().for_each(|took| self.tally.ready(took));
        let Some(seat) = self.seats.get_mut(&member.launch.seat) else { return };
        if let Some(call) = seat.reserved_by {
            return self.join_when_all_good(call);
        }
        let Some(replica) = member.replica() else { return };
        member.routed = true;
        seat.candidate = None;
        let before = (seat.occupant.replace(incarnation), seat.cordoned.take());
        match before {
            (None, None) => self.change_ring(Change::Occupy(replica), OnRingReply::Occupied(incarnation)),
            (Some(served), _) => self.hand_over(served, replica, now),
            (None, Some(drained)) => self.hand_over_cordoned(drained, replica),
        }
    }

    pub(super) fn ring_answered(&mut self, ticket: ChangeId, busy: Busy, now: Instant) {
        match self.pending_changes.remove(&ticket) {
            None | Some(OnRingReply::Seated) => {}
            Some(OnRingReply::Occupied(incarnation)) => {
                self.ready(incarnation, now);
                self.answer_replacing(incarnation);
            }
            Some(OnRingReply::Added(call, incarnations)) => {
                for incarnation in incarnations {
                    self.ready(incarnation, now);
                }
                self.reply_list(call);
            }
            Some(OnRingReply::HandedOver { from, to }) => {
                self.drain(from, routers(&busy, from), now);
                self.ready(to, now);
                self.answer_replacing(to);
            }
            Some(OnRingReply::Cordoned(call, incarnation)) => {
                self.on_cordoned(call, incarnation, routers(&busy, incarnation), now);
            }
            Some(OnRingReply::Vacated(incarnation)) => {
                if let Some(member) = self.members.get_mut(&incarnation) {
                    member.routed = false;
                }
            }
            Some(OnRingReply::Weighed(call)) => self.reply_list(call),
            Some(OnRingReply::Left(call, incarnations)) => {
                for incarnation in incarnations {
                    self.drain(incarnation, routers(&busy, incarnation), now);
                }
                if let Some(call) = call {
                    self.reply_list(call);
                }
            }
        }
    }

    pub(super) fn ready(&mut self, incarnation: Incarnation, now: Instant) {
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        if member.phase != Phase::Starting {
            return;
        }
        member.ready_since = Some(now);
        (member.busy, member.idle) = (BTreeSet::new(), BTreeSet::new()); // left over from a drain that was undone
        member.enter(Phase::Ready, &"heartbeat", &mut self.actions);
        if let Some(seat) = self.seats.get_mut(&member.launch.seat) {
            seat.clear_failures();
        }
    }

    /// A replica has ended, refuses connections, hangs or did not get ready: its seat is vacated at once, and a
    /// successor planned.
    pub(super) fn mark_dead(&mut self, incarnation: Incarnation, why: &dyn fmt::Display, now: Instant) {
        let member = self.members.get(&incarnation);
        let stable = member.is_some_and(|member| member.stable(STABLE, now));
        let least = if member.is_some_and(|m| m.terminated) { TERMINATED } else { Duration::ZERO };
        let served = member.is_some_and(|member| member.routed);
        let unavailable = member.is_some_and(|member| member.unavailable);
        let address = member.and_then(|member| Some(member.instance.as_ref()?.address));
        if member.is_some_and(|member| member.cordoned) {
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
        let (failed, has_other) = (!served && seat.joined(), seat.occupant.or(seat.cordoned).is_some());
        let outdated =
            seat.occupant.and_then(|of| self.members.get(&of)).is_some_and(|served| served.outdated);
        let error = CommandError::NotReady { name, reason: why.to_string() };
        if let Some(call) = seat.reserved_by {
            return self.roll_back_add(call, error);
        }
        if seat.candidate.is_some() {
            return; // its successor is already starting
        }
        if failed {
            if let Some(call) = seat.replacing.take() {
                self.reply(call, Err(error.clone()));
            }
            self.abort_manual_rollout(&error);
            if has_other && !outdated {
                return; // the replica that was to be replaced keeps its seat
            }
        }
        let Some(seat) = self.seats.get_mut(&seat_id) else { return };
        seat.name = None;
        if unavailable {
            seat.restart.retry_uncounted(now);
            return;
        }
        let delay = seat.restart.failed(stable, least, now);
        if !delay.is_zero() {
            log::warn!("seat backs off seat={seat_id} delay_s={}", delay.as_secs());
        }
    }

    /// Another process took the port: the same replica is launched on another port. This does not count as a crash.
    fn move_port(&mut self, incarnation: Incarnation, now: Instant) {
        let Some((seat_id, name)) = self.detach_dead(incarnation, &Exit::PortTaken) else { return };
        let Some(seat) = self.seats.get_mut(&seat_id) else { return };
        let delay = seat.restart.plan(Duration::ZERO, now);
        match seat.reserved_by {
            Some(call) if !delay.is_zero() => {
                let reason = "its port is taken again and again".to_owned();
                self.roll_back_add(call, CommandError::NotReady { name, reason });
            }
            _ => seat.name = Some(name),
        }
    }

    /// Removes a dead replica from its seat, and the seat from the ring's routes.
    fn detach_dead(&mut self, incarnation: Incarnation, why: &dyn fmt::Display) -> Option<(SeatId, Name)> {
        let member = self.members.get_mut(&incarnation)?;
        let Launch { seat: seat_id, name, .. } = member.launch.clone();
        let seat = self.seats.get_mut(&seat_id)?;
        if member.routed {
            member.enter(Phase::Dead, why, &mut self.actions);
            seat.occupant = None;
            Vacancy::record(&mut seat.vacancy, &why.to_string());
            self.change_ring(Change::Vacate(seat_id), OnRingReply::Vacated(incarnation));
        } else {
            seat.candidate = None;
            if seat.occupant.is_none() {
                Vacancy::record(&mut seat.vacancy, &why.to_string());
            }
            match self.settings.ownership {
                Ownership::Managed => member.enter(Phase::Dead, why, &mut self.actions),
                Ownership::External => {
                    self.members.remove(&incarnation);
                }
            }
        }
        Some((seat_id, name))
    }

    /// A replica did not get ready in time. Its last output line is fetched first, because the error of the waiting
    /// call contains it.
    pub(super) fn expire_starts(&mut self, now: Instant) {
        for member in self.members.values_mut() {
            if member.start_deadline.take_if(|at| *at <= now).is_some() {
                self.actions.push(Action::Inquire(member.launch.incarnation));
            }
        }
    }

    pub(super) fn last_log_line(&mut self, incarnation: Incarnation, line: Option<String>, now: Instant) {
        let Some(member) = self.members.get(&incarnation) else { return };
        if member.phase != Phase::Starting || member.heartbeats.good {
            return;
        }
        let mut why = format!("not ready within {:?}: {}", self.settings.start_timeout, member.last_failure);
        if let Some(line) = line {
            why += &format!("; its last line: {line}");
        }
        self.mark_dead(incarnation, &why, now);
    }
}

/// The routers that still have requests in flight to a replica.
fn routers(busy: &Busy, of: Incarnation) -> BTreeSet<RouterId> {
    busy.iter().filter(|(_, incarnation)| *incarnation == of).map(|(router, _)| *router).collect()
}
