//! Changes of the ring: one enum for all that changes its seats or their occupants, and one function that applies it.

use std::sync::Arc;

use super::stale::stale;
use super::{Incarnation, Replica, Ring, RingError, SeatId, Slot, SlotMap, SlotSet, Weight};

/// A change of the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds seats to the slot map, all in one epoch; `None` leaves a seat vacant.
    Join(Vec<(SeatId, Weight, Option<Arc<Replica>>)>),
    /// Puts a replica into its seat, which must be vacant.
    Occupy(Arc<Replica>),
    /// Puts a replica into its seat in place of the present occupant, if there is one. The former occupant gets no new
    /// request and may finish its requests in flight.
    Handover(Arc<Replica>),
    /// Vacates a seat because its replica is dead; the seat stays in the map. Requests that wait for a reply head of the
    /// replica are aborted.
    Vacate(SeatId),
    /// Vacates a seat whose replica is alive; the seat stays in the map. The replica gets no new request and may finish
    /// its requests in flight. [`Change::Occupy`] puts it back.
    Cordon(SeatId),
    /// Changes the weights of seats, all in one epoch.
    Weigh(Vec<(SeatId, Weight)>),
    /// Removes seats from the map, all in one epoch. Their replicas may finish their requests in flight.
    Leave(Vec<SeatId>),
}

/// A change that the ring has made, as the routers apply it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The replicas that have left the ring.
    pub gone: Vec<Incarnation>,
    /// These replicas are dead: requests that wait for a reply head of them are aborted.
    pub abort: bool,
    /// The slots whose first [`PAGE`](super::PAGE) replicas may have changed.
    pub slots: SlotSet,
}

/// The part of the slot map that a change concerns.
enum Scope {
    /// The slots of one seat, whose occupant changes.
    Seat(SeatId),
    /// The slots whose owner differs from the one in the map before the change.
    Owners(SlotMap),
}

impl Ring {
    /// Makes a change.
    ///
    /// # Errors
    /// The errors of [`Ring::join`], [`Ring::occupy`] and [`Ring::weigh`]; the ring is then unchanged.
    pub fn apply(&mut self, change: Change) -> Result<Applied, RingError> {
        let abort = matches!(change, Change::Vacate(_));
        let (scope, full) = (self.scope(&change), self.has_full_pages());
        let mut gone = Vec::new();
        match change {
            Change::Join(seats) => self.join(&seats)?,
            Change::Occupy(replica) => self.occupy(replica.seat, replica)?,
            Change::Handover(replica) => {
                gone.extend(self.vacate(replica.seat));
                self.occupy(replica.seat, replica)?;
            }
            Change::Vacate(seat) | Change::Cordon(seat) => gone.extend(self.vacate(seat)),
            Change::Weigh(weights) => self.weigh(&weights)?,
            Change::Leave(seats) => gone = self.leave(&seats),
        }
        let gone = gone.iter().map(|replica| replica.incarnation).collect();
        let slots = match full && self.has_full_pages() {
            true => self.stale(&scope),
            false => SlotSet::all(self.layout().slots()),
        };
        Ok(Applied { gone, abort, slots })
    }

    fn scope(&self, change: &Change) -> Scope {
        match change {
            Change::Occupy(replica) | Change::Handover(replica) => Scope::Seat(replica.seat),
            Change::Vacate(seat) | Change::Cordon(seat) => Scope::Seat(*seat),
            Change::Join(_) | Change::Weigh(_) | Change::Leave(_) => Scope::Owners(self.slot_map().clone()),
        }
    }

    /// The slots whose first replicas may have changed, if all pages were and are full.
    fn stale(&self, scope: &Scope) -> SlotSet {
        let (map, is_occupied) = (self.slot_map(), |owner| self.is_occupied(owner));
        match scope {
            Scope::Seat(seat) => {
                let owner = map.index(*seat).map(|index| index as u32);
                stale(&map.owners, |slot| Some(map.owners[slot]) == owner, is_occupied)
            }
            Scope::Owners(before) => {
                let owner = |map: &SlotMap, slot| map.owner(Slot(slot as u32));
                stale(&map.owners, |slot| owner(before, slot) != owner(map, slot), is_occupied)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Layout;
    use super::super::tests::{replica, seat, weight};
    use super::*;

    #[test]
    fn a_change_names_the_replicas_that_leave_and_only_a_death_aborts() {
        let mut ring = Ring::new(Layout::default());
        let mut apply = |change| ring.apply(change).map(|applied| (applied.gone, applied.abort));
        let join = |n| (seat(n), Weight::DEFAULT, Some(replica(n, n.into())));
        let none = || Ok((Vec::new(), false));
        assert_eq!(apply(Change::Join(vec![join(1), join(2), join(3)])), none());
        assert_eq!(apply(Change::Handover(replica(2, 9))), Ok((vec![Incarnation(2)], false)));
        assert_eq!(apply(Change::Cordon(seat(2))), Ok((vec![Incarnation(9)], false)));
        assert_eq!(apply(Change::Occupy(replica(2, 9))), none());
        assert_eq!(apply(Change::Occupy(replica(2, 10))), Err(RingError::Occupied(seat(2))));
        assert_eq!(apply(Change::Handover(replica(4, 4))), Err(RingError::NoSuchSeat(seat(4))));
        assert_eq!(apply(Change::Vacate(seat(2))), Ok((vec![Incarnation(9)], true)));
        assert_eq!(apply(Change::Handover(replica(2, 11))), none());
        assert_eq!(apply(Change::Weigh(vec![(seat(1), weight(200))])), none());
        let leave = Change::Leave(vec![seat(1), seat(3)]);
        assert_eq!(apply(leave), Ok((vec![Incarnation(1), Incarnation(3)], false)));
        assert_eq!(
            ring.occupied().iter().map(|seated| seated.replica.incarnation.0).collect::<Vec<_>>(),
            [11]
        );
    }
}
