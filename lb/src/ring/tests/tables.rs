//! Balance and disruption of `rendezvous` and `maglev`: the reasons to use them in production.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::excess::excess;
use super::{seat, seats, weight};
use crate::ring::{HashPair, Layout, Scheme, SeatId, SlotCap, SlotMap, Weight};

/// Expected maximum of N standard normals (Harter 1961).
const EXPECTED_MAXIMA: [(u32, f64); 4] = [(3, 0.8463), (10, 1.5388), (30, 2.0428), (100, 2.5076)];

fn peak_to_average(map: &SlotMap) -> f64 {
    let owned = map.seats().map(|(_, owned)| owned);
    let (seats, most) = (owned.len(), owned.max().unwrap_or_default());
    f64::from(most) * seats as f64 / map.owners().count() as f64
}

/// Peak-to-average of each of `sets` different sets of `n` seats.
fn peaks(layout: Layout, n: u32, sets: u32) -> impl Iterator<Item = f64> {
    let set = move |start: u32| seats((1..=n).map(|seat| 1000 * start + seat));
    (0..sets).map(move |start| peak_to_average(&layout.slot_map(&set(start)).unwrap()))
}

/// The excess, in percent of the slots, when a seat leaves.
fn excess_without(leaving: u32, layout: Layout, mut seats: BTreeMap<SeatId, Weight>) -> f64 {
    let before = layout.slot_map(&seats).unwrap();
    seats.remove(&seat(leaving)).unwrap();
    100.0 * excess(&before, &layout.slot_map(&seats).unwrap()) as f64 / f64::from(layout.slots())
}

fn uncapped_rendezvous(slots: u32) -> Layout {
    Layout::new(Scheme::Rendezvous { slot_cap: SlotCap::OFF }, slots, HashPair::Xxh3).unwrap()
}

#[test]
fn maglev_is_even_and_moves_little() {
    for n in 3..=100 {
        for peak in peaks(Layout::maglev(), n, 1) {
            assert!(peak <= 1.002, "{n} seats: {peak}");
        }
        // Measured over 1,351 leaving seats: 0.47 % on average, 0.66 % at worst; 0.75 % over random weights.
        let excess = excess_without(n / 2 + 1, Layout::maglev(), seats(1..=n));
        assert!(excess <= 0.7, "{n} seats: {excess} %");
    }
    for n in [3, 10, 30, 100] {
        let weighted = (1..=n).zip([100, 50, 300, 1000, 7].into_iter().cycle());
        let weighted = weighted.map(|(n, w)| (seat(n), weight(w))).collect();
        let excess = excess_without(n / 2, Layout::maglev(), weighted);
        assert!(excess <= 0.8, "{n} weighted seats: {excess} %");
    }
}

#[test]
fn rendezvous_is_as_even_as_chance() {
    for (n, maximum) in EXPECTED_MAXIMA {
        let layout = uncapped_rendezvous(65_537);
        let expected = 1.0 + maximum * (f64::from(n) / f64::from(layout.slots())).sqrt();
        // The peak of a single set varies (100 seats: standard deviation 1.6 %), so the mean of twelve is compared.
        let mean = peaks(layout, n, 12).sum::<f64>() / 12.0;
        assert!((mean - expected).abs() <= 0.01 * expected, "{n} seats: {mean}, expected {expected}");
    }
}

#[test]
fn the_cap_of_rendezvous_holds_and_moves_almost_nothing() {
    for (n, _) in EXPECTED_MAXIMA {
        let layout = Layout::rendezvous();
        for peak in peaks(layout, n, 3) {
            // The cap is rounded up to a whole slot.
            assert!(peak <= 1.10 + f64::from(n) / f64::from(layout.slots()), "{n} seats: {peak}");
        }
        for leaving in [1, n / 2 + 1, n] {
            let excess = excess_without(leaving, layout, seats(1..=n));
            assert!(excess <= 0.02, "{n} seats: {excess} %");
        }
    }
}

#[test]
fn rendezvous_follows_the_weights() {
    let weights = [100, 200, 300, 400, 1];
    let seats = (1..).zip(weights).map(|(n, w)| (seat(n), weight(w))).collect();
    let map = uncapped_rendezvous(65_537).slot_map(&seats).unwrap();
    for ((seat, owned), w) in map.seats().zip(weights) {
        let expected = 65_537.0 * f64::from(w) / 1001.0;
        // Three standard deviations of a binomial.
        assert!(
            (f64::from(owned) - expected).abs() <= 3.0 * expected.sqrt(),
            "seat {seat}: {owned}, not {expected}"
        );
    }
}

proptest! {
    #[test]
    fn maglev_gives_no_seat_two_slots_more_than_its_share(
        weights in proptest::collection::vec(1..=1000u32, 1..60),
    ) {
        let layout = Layout::new(Scheme::Maglev, 1021, HashPair::Xxh3).unwrap();
        let seats = (1..).zip(&weights).map(|(n, w)| (seat(n), weight(*w))).collect();
        let all: u32 = weights.iter().sum();
        for ((seat, owned), w) in layout.slot_map(&seats).unwrap().seats().zip(&weights) {
            prop_assert!(owned * all < 1021 * w + 2 * all, "seat {} of weight {w} in {all}: {owned}", seat);
        }
    }

    #[test]
    fn rendezvous_moves_no_slot_needlessly(
        weights in proptest::collection::btree_map(1..100u32, 1..=1000u32, 1..12), newcomer in 100..200u32, w in 1..=1000u32,
    ) {
        let layout = uncapped_rendezvous(1021);
        let mut seats: BTreeMap<SeatId, Weight> = weights.into_iter().map(|(n, w)| (seat(n), weight(w))).collect();
        let before = layout.slot_map(&seats).unwrap();
        seats.insert(seat(newcomer), weight(w));
        let after = layout.slot_map(&seats).unwrap();
        for ((slot, from), (_, to)) in before.owners().zip(after.owners()) {
            prop_assert!(from == to || to == seat(newcomer), "{slot}: {from} to {to}");
        }
    }
}
