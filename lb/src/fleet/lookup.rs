//! Replicas by their names: the replica that a call names, and the names that are taken.

use crate::name::Name;
use crate::ring::{Incarnation, SeatId};

use super::member::Member;
use super::{CommandError, Fleet, Phase, Seat};

impl Fleet {
    /// Finds the seat and the replica of a call that names one; an error while a successor of the replica is starting.
    pub(super) fn find_replica(
        &self,
        name: &Name,
    ) -> Result<(SeatId, &Seat, Incarnation, Phase), CommandError> {
        self.check_active()?;
        let mut joined = self.seats.iter().filter(|(_, seat)| seat.joined());
        let found = joined.find_map(|(id, seat)| Some((*id, seat, self.find_member(seat, name)?)));
        let (id, seat, member) = found.ok_or_else(|| CommandError::NoSuchReplica(name.clone()))?;
        let successor = seat.candidate().is_some_and(|candidate| candidate != member.launch.incarnation);
        if successor || seat.is_awaited() {
            return Err(CommandError::Replacing(name.clone()));
        }
        Ok((id, seat, member.launch.incarnation, member.phase()))
    }

    /// The seat's replica (occupant, cordoned one or candidate) with this name.
    pub(super) fn find_member(&self, seat: &Seat, name: &Name) -> Option<&Member> {
        let members = [seat.holder(), seat.candidate()].into_iter().flatten();
        members.filter_map(|of| self.members.get(&of)).find(|member| member.launch.name == *name)
    }

    /// A name is free again when /rm is answered, although its replica may still be draining. The name of a dead
    /// replica is taken while its container keeps the seat, the name of a cordoned one until it leaves.
    pub(super) fn is_taken(&self, name: &Name) -> bool {
        let holds = |phase| !matches!(phase, Phase::Draining | Phase::Stopping);
        let waiting = self.seats.values().filter_map(Seat::next_name);
        let existing =
            self.members.values().filter(|m| m.is_cordoned() || holds(m.phase())).map(|m| &m.launch.name);
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
}
