//! /add and /rm: atomic changes of the target.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use crate::name::Name;
use crate::ring::{Incarnation, SeatId, Weight};

use super::event::{Action, After, CallId, Change, Loads};
use super::{Fleet, Ownership, Phase, Refusal, Seat};

impl Fleet {
    /// Reserves names and seats at once, launches, and answers when all are ready and routed to.
    pub(super) fn add(&mut self, call: CallId, n: usize, names: Vec<Name>, now: Instant) {
        let seats = match self.choose_free(n, &names) {
            Ok(seats) => seats,
            Err(refusal) => return self.reply(call, Err(refusal)),
        };
        let mut names = names.into_iter();
        for (id, weight) in seats {
            self.seats.insert(id, Seat::new(weight, Some(call)));
            self.launch(id, names.next(), now);
        }
    }

    /// The seats that an /add would get now: the smallest free numbers.
    pub fn choose_free(&self, n: usize, names: &[Name]) -> Result<Vec<(SeatId, Weight)>, Refusal> {
        self.may_change(names)?;
        if let Some(name) = names.iter().find(|name| self.taken(name)) {
            return Err(Refusal::Exists((*name).clone()));
        }
        let max = self.settings.max_replicas;
        let free = max.saturating_sub(self.seats.len());
        if n > free {
            return Err(Refusal::TooMany { n, free, max });
        }
        let numbers = (1..).filter_map(SeatId::new).filter(|id| !self.seats.contains_key(id));
        Ok(numbers.take(n).map(|id| (id, Weight::DEFAULT)).collect())
    }

    fn may_change(&self, names: &[Name]) -> Result<(), Refusal> {
        if self.settings.ownership == Ownership::Foreign {
            return Err(Refusal::Foreign);
        }
        if let Some(refusal) = &self.frozen {
            return Err(refusal.clone());
        }
        let twice = |(at, name): (usize, &Name)| names[..at].iter().any(|other| other.clashes(name));
        match names.iter().enumerate().find(|named| twice(*named)) {
            Some((_, name)) => Err(Refusal::Duplicate(name.clone())),
            None => Ok(()),
        }
    }

    /// One replica of an /add had its first good heartbeat; with the last one all join, in one epoch.
    pub(super) fn added_one(&mut self, call: CallId) {
        let good = |of: &Incarnation| self.members.get(of).is_some_and(|member| member.beats.good);
        let candidate = |seat: &Seat| seat.candidate.filter(good);
        let mine = self.seats.values().filter(|seat| seat.reserved_by == Some(call));
        let Some(ready) = mine.map(candidate).collect::<Option<Vec<Incarnation>>>() else { return };
        let mut join = Vec::new();
        for incarnation in &ready {
            let Some(member) = self.members.get_mut(incarnation) else { continue };
            let Some(seat) = self.seats.get_mut(&member.launch.seat) else { continue };
            member.routed = true;
            seat.occupant = seat.candidate.take();
            seat.reserved_by = None;
            join.push((member.launch.seat, member.weight, member.replica()));
        }
        self.change_ring(Change::Join(join), After::Added(call, ready));
    }

    /// Takes everything of an /add back that has not joined.
    pub(super) fn add_failed(&mut self, call: CallId, refusal: Refusal) {
        let mine = self.seats.values().filter(|seat| seat.reserved_by == Some(call));
        let candidates: Vec<Incarnation> = mine.filter_map(|seat| seat.candidate).collect();
        self.seats.retain(|_, seat| seat.reserved_by != Some(call));
        for incarnation in candidates {
            self.stop(incarnation, self.settings.stop_timeout);
        }
        self.reply(call, Err(refusal));
    }

    /// Takes seats out of the ring; answered when they have left it.
    pub(super) fn remove(&mut self, call: CallId, n: usize, names: &[Name], loads: &Loads) {
        let seats = match self.choose(n, names, loads) {
            Ok(seats) => seats,
            Err(refusal) => return self.reply(call, Err(refusal)),
        };
        let mut leaving = Vec::new();
        for id in &seats {
            let Some(seat) = self.seats.remove(id) else { continue };
            if let Some(candidate) = seat.candidate {
                self.stop(candidate, Duration::ZERO);
            }
            if let Some(member) = seat.occupant.and_then(|occupant| self.members.get_mut(&occupant)) {
                member.enter(Phase::Leaving, &"rm", &mut self.actions);
                leaving.push(member.launch.incarnation);
            }
        }
        self.change_ring(Change::Leave { seats, occupants: leaving.clone() }, After::Left(call, leaving));
    }

    /// The seats that an /rm would take now: the named ones; then vacant ones, those with the fewest requests in
    /// flight, the fewest slots, the youngest.
    pub fn choose(&self, n: usize, names: &[Name], loads: &Loads) -> Result<Vec<SeatId>, Refusal> {
        self.may_change(names)?;
        let mut seats: Vec<(SeatId, &Seat)> =
            self.seats.iter().filter(|(_, seat)| seat.joined()).map(|(id, seat)| (*id, seat)).collect();
        if n > seats.len() && self.settings.strict_rm {
            return Err(Refusal::TooFew);
        }
        let mut chosen = Vec::new();
        for name in names {
            let at = seats.iter().position(|(_, seat)| self.holds(seat, name));
            let (id, _) = seats.swap_remove(at.ok_or_else(|| Refusal::Unknown(name.clone()))?);
            chosen.push(id);
        }
        seats.sort_by_key(|(id, seat)| {
            let (in_flight, slots) = loads.get(id).copied().unwrap_or_default();
            (self.serving(seat).is_some(), in_flight, slots, Reverse(*id))
        });
        chosen.extend(seats.into_iter().map(|(id, _)| id).take(n.saturating_sub(chosen.len())));
        Ok(chosen)
    }

    /// Whether a seat's replica, or the one that is starting for it, has this name.
    fn holds(&self, seat: &Seat, name: &Name) -> bool {
        let members = seat.occupant.iter().chain(&seat.candidate);
        members.filter_map(|of| self.members.get(of)).any(|member| member.launch.name == *name)
    }

    /// A name is free again when /rm is answered, although its replica may still be draining. That of a dead one is
    /// taken for as long as its remains keep the seat.
    fn taken(&self, name: &Name) -> bool {
        let holds = |phase| !matches!(phase, Phase::Draining | Phase::Stopping);
        let waiting = self.seats.values().filter_map(|seat| seat.name.as_ref());
        let existing = self.members.values().filter(|m| holds(m.phase)).map(|m| &m.launch.name);
        waiting.chain(existing).any(|other| other.clashes(name))
    }

    pub(super) fn random_name(&mut self) -> Name {
        loop {
            let name = Name::random(&mut self.rng);
            if !self.taken(&name) {
                return name;
            }
        }
    }

    pub(super) fn reply_list(&mut self, call: CallId) {
        let names = self.names();
        self.reply(call, Ok(names));
    }

    fn reply(&mut self, call: CallId, result: Result<Vec<Name>, Refusal>) {
        self.actions.push(Action::Reply { call, result });
    }
}
