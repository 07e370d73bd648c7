//! Measures of a slot map under given traffic: its balance, and what moves when the seats change.

use std::collections::BTreeMap;

use lb::ring::{SeatId, SlotMap, Weight};

/// Shares (0–1) of all requests that move to another seat in a change.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moved {
    /// All moved requests.
    pub all: f64,
    /// Requests that move between two seats that exist before and after the change, which no change requires.
    pub needless: f64,
}

/// Seats of these numbers, with the default weight.
pub fn seats(numbers: impl IntoIterator<Item = u32>) -> BTreeMap<SeatId, Weight> {
    numbers.into_iter().filter_map(SeatId::new).map(|seat| (seat, Weight::DEFAULT)).collect()
}

/// The requests of each seat, in seat order; `requests` are counts per slot.
pub fn shares(map: &SlotMap, requests: &[u64]) -> Vec<(SeatId, u64)> {
    let mut shares: Vec<_> = map.seats().map(|(seat, _)| (seat, 0)).collect();
    for (slot, owner) in map.owners() {
        if let Ok(at) = shares.binary_search_by_key(&owner, |(seat, _)| *seat) {
            shares[at].1 += requests[slot.index()];
        }
    }
    shares
}

/// The largest share divided by the mean; 0 if there is no request.
pub fn peak_to_average(shares: impl IntoIterator<Item = u64>) -> f64 {
    let (peak, sum, count) =
        shares.into_iter().fold((0, 0, 0_u32), |(peak, sum, n), share| (share.max(peak), sum + share, n + 1));
    if sum == 0 { 0.0 } else { peak as f64 * f64::from(count) / sum as f64 }
}

/// Peak-to-average of the requests that each seat gets; `requests` are counts per slot.
pub fn peak(map: &SlotMap, requests: &[u64]) -> f64 {
    peak_to_average(shares(map, requests).into_iter().map(|(_, share)| share))
}

/// Peak-to-average of the slots that each seat owns.
pub fn slot_peak(map: &SlotMap) -> f64 {
    peak_to_average(map.seats().map(|(_, owned)| owned.into()))
}

/// Length of the longest run of slots of one seat; a run may continue from the last slot to the first.
pub fn longest_run(map: &SlotMap) -> usize {
    let owners: Vec<_> = map.owners().map(|(_, owner)| owner).collect();
    let twice = [&owners[..], &owners[..]].concat();
    twice.chunk_by(|a, b| a == b).map(<[_]>::len).max().unwrap_or(0).min(owners.len())
}

/// The shares of requests that move between two slot maps; `requests` are counts per slot.
pub fn moved(before: &SlotMap, after: &SlotMap, requests: &[u64]) -> Moved {
    let seats = |map: &SlotMap| map.seats().map(|(seat, _)| seat).collect::<Vec<_>>();
    let (old, new) = (seats(before), seats(after));
    let (mut all, mut needless) = (0, 0);
    for ((slot, from), (_, to)) in
        before.owners().zip(after.owners()).filter(|((_, from), (_, to))| from != to)
    {
        let count = requests[slot.index()];
        all += count;
        if new.binary_search(&from).is_ok() && old.binary_search(&to).is_ok() {
            needless += count;
        }
    }
    let total = requests.iter().sum::<u64>().max(1) as f64;
    Moved { all: all as f64 / total, needless: needless as f64 / total }
}

#[cfg(test)]
mod tests {
    use lb::ring::{HashPair, Layout, Probing, SlotCap};
    use proptest::prelude::*;

    use super::super::candidate::{all, ring};
    use super::super::traffic::Traffic;
    use super::*;

    /// For N = 1…6, how many of 512 successive keys each of the seats 1..=N gets, with the assignment's functions and
    /// K = 9. Two independent programs computed these numbers.
    const LINEAR: [&[u64]; 6] = [
        &[512],
        &[488, 24],
        &[428, 24, 60],
        &[412, 24, 56, 20],
        &[392, 24, 48, 20, 28],
        &[372, 24, 48, 20, 28, 20],
    ];
    const QUADRATIC: [&[u64]; 6] = [
        &[512],
        &[488, 24],
        &[428, 24, 60],
        &[412, 16, 56, 28],
        &[392, 16, 48, 28, 28],
        &[372, 16, 48, 28, 28, 20],
    ];

    fn counts(layout: &Layout, n: u32, keys: std::ops::Range<u32>) -> Vec<u64> {
        let mut traffic = Traffic::for_layouts([layout]);
        keys.for_each(|key| traffic.add(key.to_string().as_bytes(), 1));
        let map = layout.slot_map(&seats(1..=n)).unwrap();
        shares(&map, traffic.per_slot(layout)).into_iter().map(|(_, requests)| requests).collect()
    }

    #[test]
    fn polynomial_shares_match_independent_programs() {
        for (probing, golden) in [(Probing::Linear, LINEAR), (Probing::Quadratic, QUADRATIC)] {
            let layout = ring(HashPair::Polynomial, probing, SlotCap::OFF, 512, 9).unwrap();
            for (n, expected) in (1..).zip(golden) {
                assert_eq!(counts(&layout, n, 0..512), expected, "{probing}, {n} seats");
            }
        }
    }

    #[test]
    fn the_published_counts_of_a_1_are_the_expected_values_over_all_ids() {
        let counts = counts(&Layout::assignment(), 3, 100_000..1_000_000);
        assert_eq!(counts, [752_342, 42_187, 105_471]);
        let of_10_000: Vec<_> = counts.iter().map(|count| (*count as f64 / 90.0).round() as u32).collect();
        assert_eq!(of_10_000, [8359, 469, 1172]);
    }

    #[test]
    fn peak_to_average_of_known_shares() {
        assert_eq!(peak_to_average([428, 24, 60]), 428.0 * 3.0 / 512.0);
        assert_eq!(peak_to_average([5, 5]), 1.0);
        assert_eq!(peak_to_average([0, 0]), 0.0);
        assert_eq!(peak_to_average([]), 0.0);
    }

    #[test]
    fn a_run_continues_across_the_last_slot() {
        let map = |n| Layout::assignment().slot_map(&seats(1..=n)).unwrap();
        // The last virtual node of seats 1..=3 is on slot 133, the first, seat 1's, on 29.
        assert_eq!(longest_run(&map(3)), 512 - 133 + 29);
        assert_eq!(longest_run(&map(1)), 512);
        assert_eq!(longest_run(&map(0)), 0);
    }

    #[test]
    fn moves_between_seats_that_stay_are_needless() {
        let map = |numbers: &[u32]| Layout::assignment().slot_map(&seats(numbers.iter().copied())).unwrap();
        assert_eq!(moved(&map(&[1, 2]), &map(&[1, 2]), &[1; 512]), Moved::default());
        assert_eq!(moved(&map(&[1, 2]), &map(&[3]), &[1; 512]), Moved { all: 1.0, needless: 0.0 });
        // Slot 37, of seat 2, pushed a virtual node of 3 to 38; when 2 leaves it moves back, and 38 goes from 3 to 1.
        let mut only_38 = [0; 512];
        only_38[38] = 7;
        let needless = Moved { all: 1.0, needless: 1.0 };
        assert_eq!(moved(&map(&[1, 2, 3]), &map(&[1, 3]), &only_38), needless);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn shares_add_up_and_a_join_moves_the_share_of_the_new_seat_and_the_needless(
            numbers in proptest::collection::btree_set(1..64_u32, 2..9),
            requests in proptest::collection::vec(0..50_u64, 512),
        ) {
            let joining = *numbers.first().unwrap();
            for candidate in all().unwrap().iter().filter(|candidate| candidate.layout.slots() == 512) {
                let after = candidate.layout.slot_map(&seats(numbers.iter().copied())).unwrap();
                let before = candidate.layout.slot_map(&seats(numbers.iter().copied().skip(1))).unwrap();
                let (total, shares) = (requests.iter().sum::<u64>(), shares(&after, &requests));
                prop_assert_eq!(shares.iter().map(|(_, requests)| requests).sum::<u64>(), total);
                let gets = shares.iter().find(|(seat, _)| seat.get() == joining).unwrap().1 as f64 / total as f64;
                let Moved { all, needless } = moved(&before, &after, &requests);
                prop_assert!((all - needless - gets).abs() < 1e-9, "{}", candidate.name);
            }
        }
    }
}
