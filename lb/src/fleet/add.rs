//! /add: the new seats are reserved at once, and join the ring together or are rolled back together.

use std::time::Instant;

use crate::name::Name;
use crate::ring::{Change, Incarnation, SeatId, Weight};

use super::member::Member;
use super::on_ring_reply::OnRingReply;
use super::{CallId, CommandError, Fleet, Ownership, Seat};

impl Fleet {
    /// Reserves names and seats at once and launches the replicas; answered when all are ready and get requests.
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

    /// Checks that /add and /rm are possible now, and that no name occurs twice.
    pub(super) fn check_managed(&self, names: &[Name]) -> Result<(), CommandError> {
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

    /// Called after the first good heartbeat of a replica of an /add; when the last one is good, all join in one
    /// epoch.
    pub(super) fn join_when_all_good(&mut self, call: CallId) {
        let good = |of: &Incarnation| self.members.get(of).is_some_and(Member::is_waiting);
        let candidate = |seat: &Seat| seat.candidate().filter(good);
        let mine = self.seats.values().filter(|seat| seat.reserved_by() == Some(call));
        let Some(ready) = mine.map(candidate).collect::<Option<Vec<Incarnation>>>() else { return };
        let mut join = Vec::new();
        for incarnation in &ready {
            let Some(member) = self.members.get_mut(incarnation) else { continue };
            let Some(seat) = self.seats.get_mut(&member.launch.seat) else { continue };
            member.join();
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
}
