//! The walk: the distinct seats from a slot onward, as far as somebody asks.

use super::Slot;

/// Indices of seats in the order of a walk, each once. Found lazily: the first eight of 1,000 seats cost a look
/// at some sixty slots.
pub(super) struct Walk<'a> {
    owners: &'a [u32],
    owned: &'a [u32],
    slot: usize,
    met: Vec<bool>,
    /// Seats that own slots and were not met yet.
    ahead: usize,
    /// The first index that may still be that of a seat without a slot.
    slotless: usize,
}

impl<'a> Walk<'a> {
    /// From per slot the index of its owner, and per seat the number of its slots.
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
    fn own_slot_first_then_clockwise_then_who_owns_none() {
        let (owners, owned) = ([4, 4, 2, 0, 2, 4], [1, 0, 2, 0, 3]);
        assert_eq!(walk(&owners, &owned, 0), [4, 2, 0, 1, 3]);
        assert_eq!(walk(&owners, &owned, 2), [2, 0, 4, 1, 3]);
        assert_eq!(walk(&owners, &owned, 5), [4, 2, 0, 1, 3]);
    }

    #[test]
    fn no_seat_no_walk() {
        assert!(walk(&[u32::MAX; 4], &[], 2).is_empty());
    }

    #[test]
    fn a_walk_looks_no_further_than_asked() {
        let owners: Vec<u32> = (0..1000).collect();
        let mut walk = Walk::new(&owners, &[1; 1000], Slot(998));
        assert!(walk.by_ref().take(4).eq([998, 999, 0, 1]));
        assert_eq!(walk.slot, 1002);
    }
}
