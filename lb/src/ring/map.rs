//! The slot map: the owner of each slot.

use std::fmt;

use super::SeatId;
use super::walk::Walk;

/// Marks a slot without a seat, in place of a seat's index.
pub(super) const NONE: u32 = u32::MAX;

/// One of the M positions of a slot map, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = u32, maximum = 1_048_575, example = 42)]
pub struct Slot(pub(super) u32);

/// The owner of each slot; created by [`Layout::slot_map`](super::Layout::slot_map).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotMap {
    seats: Box<[SeatId]>,
    /// Per slot, the index of its owner in `seats`; every index is in range unless there are no seats.
    pub(super) owners: Box<[u32]>,
    /// Per slot, the slot at which the next run of slots with one owner begins; after the last run, slot 0.
    pub(super) next_run: Box<[u32]>,
    /// Per seat, the number of its slots.
    pub(super) owned: Box<[u32]>,
    /// Number of seats that own slots.
    pub(super) owning: usize,
}

impl Slot {
    /// Number of the slot.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Number of the slot as an index into a table of all slots.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl SlotMap {
    /// Creates a map from the seats in ascending order, and the index of the owner of each slot.
    pub(super) fn new(seats: Box<[SeatId]>, owners: Vec<u32>) -> Self {
        let mut owned = vec![0; seats.len()].into_boxed_slice();
        for owner in &owners {
            if let Some(owned) = owned.get_mut(*owner as usize) {
                *owned += 1;
            }
        }
        let mut next_run = vec![0; owners.len()].into_boxed_slice();
        for slot in (1..owners.len()).rev() {
            let is_same = owners[slot - 1] == owners[slot];
            next_run[slot - 1] = if is_same { next_run[slot] } else { slot as u32 };
        }
        let owning = owned.iter().filter(|owned| **owned > 0).count();
        Self { seats, owners: owners.into(), next_run, owned, owning }
    }

    /// The owner of a slot; `None` if there are no seats.
    pub fn owner(&self, slot: Slot) -> Option<SeatId> {
        let owner = *self.owners.get(slot.0 as usize)?;
        self.seats.get(owner as usize).copied()
    }

    /// Every slot with its owner, in order; empty if there are no seats.
    pub fn owners(&self) -> impl Iterator<Item = (Slot, SeatId)> {
        (0..)
            .map(Slot)
            .zip(&self.owners)
            .filter_map(|(slot, owner)| Some((slot, *self.seats.get(*owner as usize)?)))
    }

    /// The owners from slot 0 on, run-length encoded: owner and number of successive slots. Without seats it is one run
    /// of all slots with the owner `None`.
    pub fn runs(&self) -> Vec<(Option<SeatId>, u32)> {
        let runs = self.owners.chunk_by(|one, next| one == next);
        runs.map(|run| (self.seats.get(run[0] as usize).copied(), run.len() as u32)).collect()
    }

    /// The seats in ascending order, each with its number of slots.
    pub fn seats(&self) -> impl ExactSizeIterator<Item = (SeatId, u32)> {
        self.seats.iter().copied().zip(self.owned.iter().copied())
    }

    /// The walk from `slot`: every seat once, in the order in which it is met clockwise, the owner of `slot` first;
    /// seats without a slot follow in ascending order.
    pub fn walk(&self, slot: Slot) -> impl Iterator<Item = SeatId> {
        self.walk_indices(slot).map(|index| self.seat(index))
    }

    /// The walk as indices into [`seats`](Self::seats).
    pub(super) fn walk_indices(&self, slot: Slot) -> Walk<'_> {
        Walk::new(self, slot)
    }

    /// The seat of an index of [`walk_indices`](Self::walk_indices).
    pub(super) fn seat(&self, index: usize) -> SeatId {
        self.seats[index]
    }

    /// The index of a seat in [`seats`](Self::seats).
    pub(super) fn index(&self, seat: SeatId) -> Option<usize> {
        self.seats.binary_search(&seat).ok()
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::seat;
    use super::*;

    #[test]
    fn runs_encode_the_owners_in_order() {
        let map = |seats: &[u32], owners: &[u32]| {
            SlotMap::new(seats.iter().map(|n| seat(*n)).collect(), owners.to_vec())
        };
        let owned = map(&[3, 7], &[0, 0, 1, 0, 1, 1]).runs();
        assert_eq!(owned, [(Some(seat(3)), 2), (Some(seat(7)), 1), (Some(seat(3)), 1), (Some(seat(7)), 2)]);
        assert_eq!(map(&[], &[NONE; 4]).runs(), [(None, 4)]);
    }
}
