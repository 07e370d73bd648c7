//! State of the ring: seats, their occupants, the slot map, and the epoch.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::stale::PAGE;
use super::{Layout, Position, Replica, RingError, SeatId, Slot, SlotMap, Weight};

/// The seats and their occupants. Joining and leaving seats change the slot map; occupants never do.
#[derive(Clone, Debug)]
pub struct Ring {
    layout: Layout,
    weights: BTreeMap<SeatId, Weight>,
    map: SlotMap,
    /// Occupants by the index of their seat in `map`.
    occupants: Vec<Option<Arc<Replica>>>,
    epoch: u64,
}

/// Current state of one seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeatState<'a> {
    /// Number of the seat.
    pub seat: SeatId,
    /// Weight of the seat.
    pub weight: Weight,
    /// Number of slots that it owns.
    pub slots: u32,
    /// The replica that occupies it; `None` if it is vacant.
    pub occupant: Option<&'a Arc<Replica>>,
}

/// An occupied seat, with the data that routers need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seated {
    /// The replica in the seat.
    pub replica: Arc<Replica>,
    /// Weight of the seat.
    pub weight: Weight,
}

impl Ring {
    /// A ring without seats, at epoch 0.
    pub fn new(layout: Layout) -> Self {
        let weights = BTreeMap::new();
        Self { layout, map: layout.place(&weights), weights, occupants: Vec::new(), epoch: 0 }
    }

    /// Adds seats, vacant or occupied, to the slot map, all in one epoch.
    ///
    /// Returns an error and changes nothing if a seat exists or is named twice, if a replica belongs to another seat,
    /// or if the layout has no room for the seats.
    pub fn join(&mut self, seats: &[(SeatId, Weight, Option<Arc<Replica>>)]) -> Result<(), RingError> {
        let mut weights = self.weights.clone();
        for (seat, weight, replica) in seats {
            if let Some(replica) = replica {
                check_seat(*seat, replica)?;
            }
            if weights.insert(*seat, *weight).is_some() {
                return Err(RingError::SeatExists(*seat));
            }
        }
        self.layout.check_room(&weights)?;
        if seats.is_empty() {
            return Ok(());
        }
        self.rebuild(weights);
        for (seat, _, replica) in seats {
            if let Some(index) = self.map.index(*seat) {
                self.occupants[index].clone_from(replica);
            }
        }
        Ok(())
    }

    /// Puts a replica in a vacant seat.
    ///
    /// Returns an error and changes nothing if the seat does not exist, is occupied, or is not the seat of the replica.
    pub fn occupy(&mut self, seat: SeatId, replica: Arc<Replica>) -> Result<(), RingError> {
        check_seat(seat, &replica)?;
        let index = self.map.index(seat).ok_or(RingError::NoSuchSeat(seat))?;
        let occupant = &mut self.occupants[index];
        if occupant.is_some() {
            return Err(RingError::Occupied(seat));
        }
        *occupant = Some(replica);
        self.epoch += 1;
        Ok(())
    }

    /// Removes the replica of a seat and keeps the seat. Returns the replica; `None`, and nothing changes, if the seat
    /// is vacant or does not exist.
    pub fn vacate(&mut self, seat: SeatId) -> Option<Arc<Replica>> {
        let replica = self.occupants[self.map.index(seat)?].take()?;
        self.epoch += 1;
        Some(replica)
    }

    /// Changes weights of seats, all in one epoch; occupants stay.
    ///
    /// Returns an error and changes nothing if a seat does not exist, or if the layout has no room for the new weights.
    pub fn weigh(&mut self, changes: &[(SeatId, Weight)]) -> Result<(), RingError> {
        let mut weights = self.weights.clone();
        for (seat, weight) in changes {
            *weights.get_mut(seat).ok_or(RingError::NoSuchSeat(*seat))? = *weight;
        }
        self.layout.check_room(&weights)?;
        if weights != self.weights {
            self.rebuild(weights);
        }
        Ok(())
    }

    /// Removes seats from the slot map, all in one epoch, and returns their occupants. Unknown seats are ignored.
    pub fn leave(&mut self, seats: &[SeatId]) -> Vec<Arc<Replica>> {
        let mut weights = self.weights.clone();
        weights.retain(|seat, _| !seats.contains(seat));
        if weights.len() == self.weights.len() {
            return Vec::new();
        }
        self.rebuild(weights)
    }

    /// Number of this state; it grows with every change of seats or occupants.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// SHA-256 of layout, seats and weights (the first 16 bytes, as hex). It is equal wherever these, and therefore the
    /// slot maps, are equal. Occupants do not influence it.
    pub fn digest(&self) -> String {
        let mut text = format!("{}\n", self.layout);
        for (seat, weight) in &self.weights {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{seat}*{weight}");
        }
        Sha256::digest(text)[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The layout that determines the slot map.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The current slot map.
    pub const fn slot_map(&self) -> &SlotMap {
        &self.map
    }

    /// The seats in ascending order.
    pub fn seats(&self) -> impl ExactSizeIterator<Item = SeatState<'_>> {
        let seats = self.map.seats().zip(self.weights.values()).zip(&self.occupants);
        seats.map(|(((seat, slots), weight), occupant)| SeatState {
            seat,
            weight: *weight,
            slots,
            occupant: occupant.as_ref(),
        })
    }

    /// The occupied seats in ascending order.
    pub fn occupied(&self) -> Arc<[Seated]> {
        let seated = |state: SeatState<'_>| {
            state.occupant.map(|replica| Seated { replica: replica.clone(), weight: state.weight })
        };
        self.seats().filter_map(seated).collect()
    }

    /// The number and the slot of a key.
    pub fn position(&self, key: &[u8]) -> Position {
        self.layout.position(key)
    }

    /// Every seat once in the order of the walk from `slot`, with its occupant.
    pub fn walk(&self, slot: Slot) -> impl Iterator<Item = (SeatId, Option<&Arc<Replica>>)> {
        self.map.walk_indices(slot).map(|index| (self.map.seat(index), self.occupants[index].as_ref()))
    }

    /// The replicas of the occupied seats on the walk from `slot`: at most `limit`, after skipping `offset`.
    pub fn lookup(&self, slot: Slot, offset: usize, limit: usize) -> Vec<Arc<Replica>> {
        self.walk(slot).filter_map(|(_, occupant)| occupant).skip(offset).take(limit).cloned().collect()
    }

    /// Whether a seat, by its index in the slot map, has a replica.
    pub(super) fn is_occupied(&self, index: u32) -> bool {
        self.occupants.get(index as usize).is_some_and(Option::is_some)
    }

    /// Whether the occupied seats that own slots fill a page of every walk.
    pub(super) fn has_full_pages(&self) -> bool {
        let owning = self.seats().filter(|state| state.slots > 0 && state.occupant.is_some());
        owning.take(PAGE).count() == PAGE
    }

    /// Rebuilds the map for seats that fit; occupants keep their seats. Returns the occupants whose seat is gone.
    fn rebuild(&mut self, weights: BTreeMap<SeatId, Weight>) -> Vec<Arc<Replica>> {
        let map = self.layout.place(&weights);
        let mut occupants = vec![None; weights.len()];
        let mut left = Vec::new();
        for replica in self.occupants.drain(..).flatten() {
            match map.index(replica.seat) {
                Some(index) => occupants[index] = Some(replica),
                None => left.push(replica),
            }
        }
        (self.weights, self.map, self.occupants) = (weights, map, occupants);
        self.epoch += 1;
        left
    }
}

fn check_seat(seat: SeatId, replica: &Replica) -> Result<(), RingError> {
    if replica.seat == seat { Ok(()) } else { Err(RingError::WrongSeat { seat, replica: replica.seat }) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{replica, seat, weight};
    use super::*;

    /// Seats 1 and 2 occupied, 3 vacant; epoch 1.
    fn ring() -> Ring {
        let mut ring = Ring::new(Layout::default());
        let seats = [(1, Some(replica(1, 1))), (2, Some(replica(2, 2))), (3, None)];
        ring.join(&seats.map(|(n, replica)| (seat(n), Weight::DEFAULT, replica))).unwrap();
        ring
    }

    #[test]
    fn a_rejected_change_has_no_effect() {
        let mut ring = ring();
        let before = (ring.epoch(), ring.digest(), ring.slot_map().clone(), ring.lookup(Slot(0), 0, 9));
        let w = Weight::DEFAULT;
        assert_eq!(ring.join(&[(seat(4), w, None), (seat(3), w, None)]), Err(RingError::SeatExists(seat(3))));
        assert_eq!(ring.join(&[(seat(4), w, None), (seat(4), w, None)]), Err(RingError::SeatExists(seat(4))));
        let full = RingError::Full { seats: 9, virtual_nodes: 27 + 6 * 90, slots: 512 };
        assert_eq!(ring.join(&[4, 5, 6, 7, 8, 9].map(|n| (seat(n), weight(1000), None))), Err(full));
        let wrong = RingError::WrongSeat { seat: seat(4), replica: seat(5) };
        assert_eq!(ring.join(&[(seat(4), w, Some(replica(5, 5)))]), Err(wrong));
        let wrong = RingError::WrongSeat { seat: seat(3), replica: seat(4) };
        assert_eq!(ring.occupy(seat(3), replica(4, 4)), Err(wrong));
        assert_eq!(ring.occupy(seat(1), replica(1, 4)), Err(RingError::Occupied(seat(1))));
        assert_eq!(ring.occupy(seat(4), replica(4, 4)), Err(RingError::NoSuchSeat(seat(4))));
        assert_eq!(ring.vacate(seat(3)), None);
        assert_eq!(ring.vacate(seat(4)), None);
        assert_eq!(ring.leave(&[seat(4)]), []);
        assert_eq!(ring.join(&[]), Ok(()));
        let unknown = RingError::NoSuchSeat(seat(4));
        assert_eq!(ring.weigh(&[(seat(1), weight(7)), (seat(4), weight(7))]), Err(unknown));
        assert_eq!(ring.weigh(&[]), Ok(()));
        assert_eq!(ring.weigh(&[(seat(1), Weight::DEFAULT)]), Ok(()));
        assert_eq!(
            (ring.epoch(), ring.digest(), ring.slot_map().clone(), ring.lookup(Slot(0), 0, 9)),
            before
        );
    }

    #[test]
    fn every_change_is_one_epoch() {
        let mut ring = ring();
        assert_eq!(ring.epoch(), 1);
        ring.occupy(seat(3), replica(3, 3)).unwrap();
        assert_eq!(ring.vacate(seat(1)), Some(replica(1, 1)));
        assert_eq!(ring.epoch(), 3);
        ring.join(&[(seat(9), weight(50), None), (seat(4), weight(200), Some(replica(4, 4)))]).unwrap();
        assert_eq!(ring.epoch(), 4);
        assert_eq!(ring.leave(&[seat(4), seat(1), seat(2), seat(7)]), [replica(2, 2), replica(4, 4)]);
        assert_eq!(ring.epoch(), 5);
        let states: Vec<_> =
            ring.seats().map(|state| (state.seat, state.weight, state.occupant.cloned())).collect();
        assert_eq!(states, [(seat(3), weight(100), Some(replica(3, 3))), (seat(9), weight(50), None)]);
        assert_eq!(ring.seats().map(|state| state.slots).sum::<u32>(), 512);
    }

    #[test]
    fn a_weight_changes_the_map_and_no_occupant() {
        let mut ring = ring();
        let before = ring.digest();
        let owned = |ring: &Ring| ring.seats().map(|state| state.slots).collect::<Vec<_>>();
        let old = owned(&ring);
        ring.weigh(&[(seat(2), weight(300)), (seat(3), weight(50))]).unwrap();
        assert_eq!(ring.epoch(), 2);
        let new = owned(&ring);
        assert!(new[1] > old[1] && new[2] < old[2], "{old:?} {new:?}");
        let occupants: Vec<_> = ring.seats().map(|state| state.occupant.cloned()).collect();
        assert_eq!(occupants, [Some(replica(1, 1)), Some(replica(2, 2)), None]);
        assert_eq!(ring.occupied().iter().map(|seated| seated.weight.get()).collect::<Vec<_>>(), [100, 300]);
        ring.weigh(&[(seat(2), weight(100)), (seat(3), weight(100))]).unwrap();
        assert_eq!((ring.digest(), owned(&ring)), (before, old));
    }

    #[test]
    fn a_lookup_skips_vacant_seats() {
        let mut ring = ring();
        for slot in (0..512).map(Slot) {
            let walk: Vec<_> = ring.walk(slot).collect();
            assert_eq!(walk.len(), 3);
            assert_eq!(Some(walk[0].0), ring.slot_map().owner(slot));
            assert!(walk.contains(&(seat(3), None)));
            let occupied: Vec<_> = walk.iter().filter_map(|(_, occupant)| occupant.cloned()).collect();
            assert_eq!(ring.lookup(slot, 0, 8), occupied);
            assert_eq!(ring.lookup(slot, 1, 8), occupied[1..]);
            assert_eq!(ring.lookup(slot, 0, 1), occupied[..1]);
        }
        ring.vacate(seat(1));
        ring.vacate(seat(2));
        assert_eq!(ring.lookup(Slot(0), 0, 8), []);
        assert_eq!(Ring::new(Layout::default()).lookup(Slot(0), 0, 8), []);
    }
}
