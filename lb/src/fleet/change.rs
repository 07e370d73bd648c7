//! /add and /rm: atomic changes of the target.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use crate::name::Name;
use crate::ring::{Change, Incarnation, SeatId, Weight};

use super::action::Action;
use super::member::Member;
use super::on_ring_reply::OnRingReply;
use super::rollout::manual::ManualRollout;
use super::{Answer, CallId, CommandError, Fleet, Loads, Ownership, Phase, Removal, Seat};

impl Fleet {
    /// Reserves names and seats at once, launches the replicas, and answers when all are ready and routed to.
    pub(super) fn add(&mut self, call: CallId, n: usize, names: Vec<Name>, now: Instant) {
        let seats = match self.choose_free(n, &names) {
            Ok(seats) => seats,
            Err(error) => return self.reply(call, Err(error)),
        };
        let mut names = names.into_iter();
        for (id, weight) in seats {
            self.seats.insert(id, Seat::reserved(weight, call));
            self.launch(id, names.next(), now);
        }
    }

    /// The seats that an /add would get now: the smallest free numbers.
    ///
    /// # Errors
    /// A name is taken or given twice, the limit of replicas is reached, the layout has no room, or the fleet accepts
    /// no change.
    pub fn choose_free(&self, n: usize, names: &[Name]) -> Result<Vec<(SeatId, Weight)>, CommandError> {
        self.check_managed(names)?;
        if let Some(name) = names.iter().find(|name| self.is_taken(name)) {
            return Err(CommandError::Exists((*name).clone()));
        }
        let max = self.settings.max_replicas;
        let free = max.saturating_sub(self.seats.len());
        if n > free {
            return Err(CommandError::TooMany { n, free, max });
        }
        let numbers = (1..).filter_map(SeatId::new).filter(|id| !self.seats.contains_key(id));
        let seats: Vec<_> =
            numbers.take(n).map(|id| (id, self.weight_of(id).unwrap_or(Weight::DEFAULT))).collect();
        self.check_room(&seats)?;
        Ok(seats)
    }

    fn check_managed(&self, names: &[Name]) -> Result<(), CommandError> {
        if self.settings.ownership == Ownership::External {
            return Err(CommandError::NotManaged);
        }
        self.check_active()?;
        let twice = |(at, name): (usize, &Name)| names[..at].iter().any(|other| other.clashes(name));
        match names.iter().enumerate().find(|named| twice(*named)) {
            Some((_, name)) => Err(CommandError::Duplicate(name.clone())),
            None => Ok(()),
        }
    }

    /// Checks that the fleet accepts changes: it is neither stopping nor in conflict with another balancer.
    pub(super) fn check_active(&self) -> Result<(), CommandError> {
        self.frozen.clone().map_or(Ok(()), Err)
    }

    /// Called after the first good heartbeat of a replica of an /add; when the last one is good, all join in one
    /// epoch.
    pub(super) fn join_when_all_good(&mut self, call: CallId) {
        let good = |of: &Incarnation| self.members.get(of).is_some_and(|member| member.heartbeats.good);
        let candidate = |seat: &Seat| seat.candidate().filter(good);
        let mine = self.seats.values().filter(|seat| seat.reserved_by() == Some(call));
        let Some(ready) = mine.map(candidate).collect::<Option<Vec<Incarnation>>>() else { return };
        let mut join = Vec::new();
        for incarnation in &ready {
            let Some(member) = self.members.get_mut(incarnation) else { continue };
            let Some(seat) = self.seats.get_mut(&member.launch.seat) else { continue };
            member.routed = true;
            seat.occupy(*incarnation);
            join.push((member.launch.seat, seat.weight(), member.replica()));
        }
        self.finish_scaling(call);
        self.change_ring(Change::Join(join), OnRingReply::Added(call, ready));
    }

    /// Rolls an /add back: removes its seats and stops its replicas.
    pub(super) fn roll_back_add(&mut self, call: CallId, error: CommandError) {
        let mine = self.seats.values().filter(|seat| seat.reserved_by() == Some(call));
        let candidates: Vec<Incarnation> = mine.filter_map(Seat::candidate).collect();
        self.seats.retain(|_, seat| seat.reserved_by() != Some(call));
        for incarnation in candidates {
            self.stop(incarnation, self.settings.stop_timeout);
        }
        self.reply(call, Err(error));
    }

    /// Removes seats from the ring; answered when they have left it.
    pub(super) fn remove(&mut self, call: CallId, removal: &Removal, loads: &Loads) {
        match self.choose(removal, loads) {
            Ok(seats) => self.remove_seats(Some(call), seats),
            Err(error) => self.reply(call, Err(error)),
        }
    }

    /// Removes these seats from the ring; `call`, if there is one, is answered when they have left it.
    pub(super) fn remove_seats(&mut self, call: Option<CallId>, seats: Vec<SeatId>) {
        let mut leaving = Vec::new();
        for id in &seats {
            let Some(mut seat) = self.seats.remove(id) else { continue };
            if let Some(external) = &seat.external {
                log::info!("upstream removed name={} seat={id}", external.upstream.name);
                self.actions.push(Action::Assign { seat: *id, upstream: None });
            }
            if let Some(candidate) = seat.candidate() {
                self.stop(candidate, Duration::ZERO);
            }
            if let Some(member) = seat.occupant().and_then(|occupant| self.members.get_mut(&occupant)) {
                member.unanswered += 1;
                member.enter(Phase::Leaving, &"rm", &mut self.actions);
                leaving.push(member.launch.incarnation);
            }
            leaving.extend(seat.cordoned().and_then(|drained| self.end_cordon(drained, "rm")));
            if let Some(call) = seat.take_call() {
                self.reply(call, Err(CommandError::NoSeat(*id)));
            }
        }
        call.into_iter().for_each(|call| self.finish_scaling(call));
        self.change_ring(Change::Leave(seats), OnRingReply::Left(call, leaving));
    }

    /// The seats that an /rm would remove now: the named ones first, then vacant ones, then those with the fewest
    /// requests in flight, the fewest slots, the highest number.
    ///
    /// # Errors
    /// A name or seat does not exist or is given twice, or the fleet accepts no change; with `--strict-rm` also if `n`
    /// exceeds the number of seats.
    pub fn choose(&self, removal: &Removal, loads: &Loads) -> Result<Vec<SeatId>, CommandError> {
        let Removal { n, names, seats: wanted } = removal;
        self.check_managed(names)?;
        let mut seats: Vec<(SeatId, &Seat)> =
            self.seats.iter().filter(|(_, seat)| seat.joined()).map(|(id, seat)| (*id, seat)).collect();
        if *n > seats.len() && self.settings.strict_rm {
            return Err(CommandError::TooFew);
        }
        let mut chosen = Vec::new();
        for name in names {
            let at = seats.iter().position(|(_, seat)| self.holds(seat, name));
            let (id, _) = seats.swap_remove(at.ok_or_else(|| CommandError::Unknown(name.clone()))?);
            chosen.push(id);
        }
        for wanted in wanted {
            let at = seats.iter().position(|(id, _)| id == wanted);
            let (id, _) = seats.swap_remove(at.ok_or(CommandError::NoSeat(*wanted))?);
            chosen.push(id);
        }
        seats.sort_by_key(|(id, seat)| {
            let (in_flight, slots) = loads.get(id).copied().unwrap_or_default();
            (self.serving(seat).is_some(), in_flight, slots, Reverse(*id))
        });
        chosen.extend(seats.into_iter().map(|(id, _)| id).take(n.saturating_sub(chosen.len())));
        Ok(chosen)
    }

    /// Whether this name belongs to the seat's replica, cordoned or not, or to the one that is starting for it.
    fn holds(&self, seat: &Seat, name: &Name) -> bool {
        self.find_member(seat, name).is_some()
    }

    /// The seat's replica (occupant, cordoned one or candidate) with this name.
    pub(super) fn find_member(&self, seat: &Seat, name: &Name) -> Option<&Member> {
        let members = [seat.holder(), seat.candidate()].into_iter().flatten();
        members.filter_map(|of| self.members.get(&of)).find(|member| member.launch.name == *name)
    }

    /// A name is free again when /rm is answered, although its replica may still be draining. The name of a dead
    /// replica is taken while its container keeps the seat, the name of a cordoned one until it leaves.
    fn is_taken(&self, name: &Name) -> bool {
        let holds = |phase| !matches!(phase, Phase::Draining | Phase::Stopping);
        let waiting = self.seats.values().filter_map(Seat::next_name);
        let existing = self.members.values().filter(|m| m.cordoned || holds(m.phase)).map(|m| &m.launch.name);
        waiting.chain(existing).any(|other| other.clashes(name))
    }

    pub(super) fn random_name(&mut self) -> Name {
        loop {
            let name = Name::random(&mut self.rng);
            if !self.is_taken(&name) {
                return name;
            }
        }
    }

    pub(super) fn reply_list(&mut self, call: CallId) {
        self.reply_about(call, None);
    }

    pub(super) fn reply_about(&mut self, call: CallId, about: Option<(SeatId, Name)>) {
        let rolling = self.manual_rollout.as_ref().map(ManualRollout::progress);
        self.reply(call, Ok(Answer { replicas: self.names(), about, vacancy: None, rolling }));
    }

    pub(super) fn reply(&mut self, call: CallId, result: Result<Answer, CommandError>) {
        match result {
            Ok(answer) => self.reply_when_recorded(call, answer),
            Err(_) => self.actions.push(Action::Reply { call, result }),
        }
    }
}
