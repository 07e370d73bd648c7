//! The walk: the distinct seats met from a slot onward, computed lazily.

use super::Slot;

/// Iterator over the indices of the seats in the order of a walk, each once. It is lazy: the first eight of 1,000 seats
/// take about sixty steps.
pub(super) struct Walk<'a> {
    owners: &'a [u32],
    owned: &'a [u32],
    slot: usize,
    met: Vec<bool>,
    /// Number of seats that own slots and have not been met yet.
    ahead: usize,
    /// Lowest index that may be the next seat without a slot.
    slotless: usize,
}

impl<'a> Walk<'a> {
    /// Starts at `slot`; `owners` has the index of the owner per slot, `owned` the number of slots per seat.
    pub(super) fn new(owners: &'a [u32], owned: &'a [u32], slot: Slot) -> Self {
        let ahead = owned.iter().filter(|owned| **owned > 0).count();
        Self { owners, owned, slot: slot.0 as usize, met: vec![false; owned.len()], ahead, slotless: 0 }
    }
}

impl Iterator for Walk<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.ahead > 0 {
            let seat = self.owners[self.slot % self.owners.len()] as usize;
            self.slot += 1;
            if !std::mem::replace(&mut self.met[seat], true) {
                self.ahead -= 1;
                return Some(seat);
            }
        }
        let seat = (self.slotless..self.owned.len()).find(|seat| self.owned[*seat] == 0)?;
        self.slotless = seat + 1;
        Some(seat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(owners: &[u32], owned: &[u32], slot: u32) -> Vec<usize> {
        Walk::new(owners, owned, Slot(slot)).collect()
    }

    #[test]
    fn the_owner_comes_first_then_clockwise_then_seats_without_slots() {
        let (owners, owned) = ([4, 4, 2, 0, 2, 4], [1, 0, 2, 0, 3]);
        assert_eq!(walk(&owners, &owned, 0), [4, 2, 0, 1, 3]);
        assert_eq!(walk(&owners, &owned, 2), [2, 0, 4, 1, 3]);
        assert_eq!(walk(&owners, &owned, 5), [4, 2, 0, 1, 3]);
    }

    #[test]
    fn a_map_without_seats_has_an_empty_walk() {
        assert!(walk(&[u32::MAX; 4], &[], 2).is_empty());
    }

    #[test]
    fn a_walk_is_lazy() {
        let owners: Vec<u32> = (0..1000).collect();
        let mut walk = Walk::new(&owners, &[1; 1000], Slot(998));
        assert!(walk.by_ref().take(4).eq([998, 999, 0, 1]));
        assert_eq!(walk.slot, 1002);
    }
}
