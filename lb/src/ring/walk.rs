//! The walk: the distinct seats met from a slot onward, computed lazily.

use super::{Slot, SlotMap};

/// Iterator over the indices of the seats in the order of a walk, each once. It is lazy, and steps from run to run of
/// slots with the same owner: the first eight of 1,000 seats take about nine steps.
pub(super) struct Walk<'a> {
    map: &'a SlotMap,
    slot: usize,
    /// One bit for each seat that has been met.
    met: Vec<u64>,
    /// Number of seats that own slots and have not been met yet.
    ahead: usize,
    /// Lowest index that may be the next seat without a slot.
    slotless: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(map: &'a SlotMap, slot: Slot) -> Self {
        let met = vec![0; map.owned.len().div_ceil(64)];
        Self { map, slot: slot.0 as usize, met, ahead: map.owning, slotless: 0 }
    }

    /// Marks a seat as met; returns whether it was not.
    fn meet(&mut self, seat: usize) -> bool {
        let (word, bit) = (&mut self.met[seat / 64], 1 << (seat % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}

impl Iterator for Walk<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.ahead > 0 {
            let seat = self.map.owners[self.slot] as usize;
            self.slot = self.map.next_run[self.slot] as usize;
            if self.meet(seat) {
                self.ahead -= 1;
                return Some(seat);
            }
        }
        let owned = &self.map.owned;
        let seat = (self.slotless..owned.len()).find(|seat| owned[*seat] == 0)?;
        self.slotless = seat + 1;
        Some(seat)
    }
}

#[cfg(test)]
mod tests {
    use super::super::map::NONE;
    use super::super::tests::seat;
    use super::*;

    fn map(owners: &[u32], seats: u32) -> SlotMap {
        SlotMap::new((1..=seats).map(seat).collect(), owners.to_vec())
    }

    fn walk(map: &SlotMap, slot: u32) -> Vec<usize> {
        Walk::new(map, Slot(slot)).collect()
    }

    #[test]
    fn the_owner_comes_first_then_clockwise_then_seats_without_slots() {
        let map = map(&[4, 4, 2, 0, 2, 4], 5);
        assert_eq!(walk(&map, 0), [4, 2, 0, 1, 3]);
        assert_eq!(walk(&map, 2), [2, 0, 4, 1, 3]);
        assert_eq!(walk(&map, 5), [4, 2, 0, 1, 3]);
        assert_eq!(walk(&self::map(&[0; 4], 1), 3), [0]);
    }

    #[test]
    fn a_map_without_seats_has_an_empty_walk() {
        assert!(walk(&map(&[NONE; 4], 0), 2).is_empty());
    }

    #[test]
    fn a_walk_is_lazy_and_skips_runs() {
        let owners: Vec<u32> = (0..1000).flat_map(|seat| [seat; 10]).collect();
        let map = map(&owners, 1000);
        let mut walk = Walk::new(&map, Slot(9985));
        assert!(walk.by_ref().take(4).eq([998, 999, 0, 1]));
        assert_eq!(walk.slot, 20);
    }
}
