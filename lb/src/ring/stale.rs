//! The slots whose leases a change of the ring makes stale.

use std::ops::Range;

#[cfg(test)]
use super::Slot;

/// Number of replicas that a look-up returns at once, and that a lease holds: the first choice and its successors on the
/// walk.
pub const PAGE: usize = 8;

/// A set of slots, in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotSet(Vec<Range<u32>>);

impl SlotSet {
    /// The first `slots` slots.
    pub fn all(slots: u32) -> Self {
        Self(std::iter::once(0..slots).collect())
    }

    /// The slots for which `contains` is set.
    fn collect(contains: &[bool]) -> Self {
        let runs = contains.chunk_by(|one, next| one == next);
        let ranges = runs.scan(0, |start, run| {
            let range = *start..*start + run.len() as u32;
            *start = range.end;
            Some((run[0], range))
        });
        Self(ranges.filter_map(|(contained, range)| contained.then_some(range)).collect())
    }

    /// The slots as ranges of indices.
    pub fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.0.iter().map(|range| range.start as usize..range.end as usize)
    }

    /// Whether the slot is in the set.
    #[cfg(test)]
    pub(super) fn contains(&self, slot: Slot) -> bool {
        self.0.iter().any(|range| range.contains(&slot.0))
    }
}

/// The slots whose walk may meet a slot of `changed` before it has met [`PAGE`] occupied seats. `owners` has the owner of
/// each slot after the change.
///
/// If at least [`PAGE`] occupied seats own slots before and after the change, the first [`PAGE`] replicas on the walk of
/// every other slot are the same as before.
pub(super) fn stale(
    owners: &[u32],
    changed: impl Fn(usize) -> bool,
    is_occupied: impl Fn(u32) -> bool,
) -> SlotSet {
    let mut stale = vec![false; owners.len()];
    for start in (0..owners.len()).filter(|slot| changed(*slot)) {
        stale[start] = true;
        let (mut met, mut count) = ([0; PAGE], 0);
        // Backward from each changed slot to the one before it: together at most one step for each slot.
        let backward = (0..start).rev().chain((start..owners.len()).rev());
        for slot in backward.take_while(|slot| !changed(*slot)) {
            let owner = owners[slot];
            if is_occupied(owner) && !met[..count].contains(&owner) {
                if count + 1 == PAGE {
                    break;
                }
                met[count] = owner;
                count += 1;
            }
            stale[slot] = true;
        }
    }
    SlotSet::collect(&stale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_stored_as_ranges() {
        let set = SlotSet::collect(&[true, true, false, false, true, false]);
        assert!(set.ranges().eq([0..2, 4..5]));
        assert_eq!([0, 1, 2, 4, 5].map(|slot| set.contains(Slot(slot))), [true, true, false, true, false]);
        assert!(SlotSet::all(3).ranges().eq(std::iter::once(0..3)));
    }

    #[test]
    fn a_slot_is_stale_if_the_changed_one_is_within_a_page_of_occupied_seats() {
        let owners: Vec<u32> = (0..20).collect();
        let stale = |occupied: fn(u32) -> bool| stale(&owners, |slot| slot == 5, occupied);
        // Seven seats may be met before slot 5: slots 18, 19, 0, 1, 2, 3, 4.
        assert!(stale(|_| true).ranges().eq([0..6, 18..20]));
        // Vacant seats do not count.
        assert!(stale(|owner| owner != 4).ranges().eq([0..6, 17..20]));
        assert_eq!(stale(|_| false), SlotSet::all(20));
    }
}
