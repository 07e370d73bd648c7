//! Life of a replica: launch, first good heartbeat, death, and the launch of its successor.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::fleet::runtime::{Exit, Instance, Launch, RuntimeError};
use crate::name::Name;
use crate::ring::{Change, Incarnation, SeatId};

use super::action::Action;
use super::member::{FIRST_PROBE, Member};
use super::on_ring_reply::OnRingReply;
use super::seat::Occupancy;
use super::shortage::is_outside_replica;
use super::{Busy, ChangeId, CommandError, Fleet, Ownership, Phase, RouterId, Seat};

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
        seat.launched(incarnation, now);
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
            let name = self.seats.get_mut(&id).and_then(Seat::take_next_name);
            self.launch(id, name, now);
        }
    }

    pub(super) fn launched(
        &mut self,
        incarnation: Incarnation,
        result: Result<Instance, RuntimeError>,
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
                let reserved_by = self.seats.get(&member.launch.seat).and_then(Seat::reserved_by);
                match (member.phase, reserved_by, &error) {
                    (Phase::Starting, Some(call), RuntimeError::NameTaken(name)) => {
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
                if let (Some(seat), RuntimeError::NoAddress(_)) = (failed, &error) {
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
        if let Some(call) = seat.reserved_by() {
            return self.join_when_all_good(call);
        }
        let Some(replica) = member.replica() else { return };
        member.routed = true;
        match seat.occupy(incarnation) {
            Occupancy::Occupied(served) => self.hand_over(served, replica, now),
            Occupancy::Cordoned(cordoned) => self.hand_over_cordoned(cordoned, replica),
            Occupancy::Vacant | Occupancy::Reserved(_) => {
                self.change_ring(Change::Occupy(replica), OnRingReply::Occupied(incarnation));
            }
        }
    }

    pub(super) fn ring_answered(&mut self, id: ChangeId, busy: Busy, now: Instant) {
        match self.pending_changes.remove(&id) {
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
}

/// The routers that still have requests in flight to a replica.
fn routers(busy: &Busy, of: Incarnation) -> BTreeSet<RouterId> {
    busy.iter().filter(|(_, incarnation)| *incarnation == of).map(|(router, _)| *router).collect()
}
