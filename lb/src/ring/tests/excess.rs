//! Excess moves (slots that move between seats that stay), compared with the docs of `virtual_nodes::owners`.

use std::collections::BTreeSet;

use super::{seat, seats};
use crate::ring::{HashPair, Layout, Probing, Scheme, Slot, SlotCap, SlotMap};

/// Number of slots whose owner changes from one to another of the seats in both maps.
pub(super) fn excess(before: &SlotMap, after: &SlotMap) -> usize {
    let seats = |map: &SlotMap| map.seats().map(|(seat, _)| seat).collect::<BTreeSet<_>>();
    let (old, new) = (seats(before), seats(after));
    let owners = before.owners().zip(after.owners()).map(|((_, from), (_, to))| (from, to));
    owners.filter(|(from, to)| from != to && new.contains(from) && old.contains(to)).count()
}

/// Mean and worst excess, in percent of the slots, when each of the seats 1..=N leaves, for every N of a range. (A join
/// moves the same slots back.)
fn measure(slot_cap: SlotCap, sizes: std::ops::RangeInclusive<u32>) -> (f64, f64) {
    let scheme = Scheme::Ring { virtual_nodes: 9, probing: Probing::Linear, slot_cap };
    let layout = Layout::new(scheme, 512, HashPair::Xxh3).unwrap();
    let moved: Vec<_> = sizes
        .flat_map(|n| {
            let before = layout.slot_map(&seats(1..=n)).unwrap();
            (1..=n).map(move |leaving| {
                let rest = seats((1..=n).filter(|n| *n != leaving));
                excess(&before, &layout.slot_map(&rest).unwrap())
            })
        })
        .collect();
    let percent = |slots: f64| 100.0 * slots / 512.0;
    let worst = moved.iter().max().copied().unwrap_or_default();
    (percent(moved.iter().sum::<usize>() as f64 / moved.len() as f64), percent(worst as f64))
}

#[test]
fn the_excess_matches_the_docs() {
    let documented = [
        (SlotCap::OFF, 2..=10, 0.15, 0.6),
        (SlotCap::DEFAULT, 2..=10, 4.05, 7.85),
        (SlotCap::OFF, 11..=40, 1.3, 5.3),
        (SlotCap::DEFAULT, 11..=40, 3.75, 7.45),
        (SlotCap::OFF, 41..=56, 6.1, 16.05),
        (SlotCap::DEFAULT, 41..=56, 6.95, 16.05),
    ];
    for (cap, sizes, max_mean, max_worst) in documented {
        let (mean, worst) = measure(cap, sizes.clone());
        assert!(mean <= max_mean && worst <= max_worst, "cap {cap}, {sizes:?}: {mean:.2} %, {worst:.2} %");
    }
}

#[test]
fn the_excess_counts_moves_between_seats_that_stay_only() {
    let layout = Layout::assignment();
    let map = |numbers: &[u32]| layout.slot_map(&seats(numbers.iter().copied())).unwrap();
    assert_eq!(excess(&map(&[1, 2]), &map(&[1, 2])), 0);
    assert_eq!(excess(&map(&[1, 2]), &map(&[3, 4])), 0);
    assert_eq!(excess(&map(&[1, 2]), &map(&[2])), 0);
    // Slot 37, of seat 2, pushed a virtual node of 3 to 38; when 2 leaves it moves back, and 38 goes from 3 to 1.
    assert_eq!(map(&[1, 2, 3]).owner(Slot(38)), Some(seat(3)));
    assert_eq!(map(&[1, 3]).owner(Slot(38)), Some(seat(1)));
    assert!(excess(&map(&[1, 2, 3]), &map(&[1, 3])) > 0);
}
