//! Launch: seats whose launch is due get a replica, and the runtime answers with its address or an error.

use std::time::{Duration, Instant};

use crate::fleet::runtime::{Instance, Launch, RuntimeError};
use crate::name::Name;
use crate::ring::{Incarnation, SeatId};

use super::action::Action;
use super::member::Member;
use super::{CommandError, Fleet, Ownership, Phase, Seat};

impl Fleet {
    /// Starts a replica for a seat, under the given name or a random one.
    pub(super) fn launch(&mut self, seat_id: SeatId, name: Option<Name>, now: Instant) {
        let name = name.unwrap_or_else(|| self.random_name());
        let Some(seat) = self.seats.get_mut(&seat_id) else { return };
        self.last_incarnation += 1;
        let incarnation = Incarnation(self.last_incarnation);
        let launch = Launch { seat: seat_id, name, incarnation };
        let member = match self.settings.ownership {
            Ownership::External => Member::external(launch.clone(), now),
            Ownership::Managed => {
                self.counters.start(seat);
                let repeated = seat.restart.is_uncounted();
                let member = Member::launch(launch.clone(), self.settings.start_timeout, repeated, now);
                if !repeated {
                    self.actions.push(member.publish_launch());
                }
                member
            }
        };
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

    /// The runtime has answered a launch ([`Event::Launched`](super::Event::Launched)).
    pub(super) fn launched(
        &mut self,
        incarnation: Incarnation,
        result: Result<Instance, RuntimeError>,
        now: Instant,
    ) {
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        if member.launched(&result, now) {
            self.actions.push(member.publish_launch());
        }
        match result {
            Ok(_) => {
                if member.phase() == Phase::Stopping {
                    self.actions.push(Action::Stop { incarnation, grace: Duration::ZERO });
                }
            }
            Err(error) => {
                let reserved_by = self.seats.get(&member.launch.seat).and_then(Seat::reserved_by);
                match (member.phase(), reserved_by, &error) {
                    (Phase::Starting, Some(call), RuntimeError::NameTaken(name)) => {
                        self.detach_dead(incarnation, &error);
                        self.roll_back_add(call, CommandError::Exists(name.clone()));
                    }
                    (Phase::Starting, ..) => self.mark_dead(incarnation, &error, now),
                    _ => {}
                }
                let failed = self.members.remove(&incarnation).map(|member| member.launch.seat);
                if let (Some(seat), RuntimeError::NoAddress(_)) = (failed, &error) {
                    self.kill_dead(seat);
                }
            }
        }
    }
}
