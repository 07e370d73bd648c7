//! Balance and disruption of `rendezvous` and `maglev`: what makes them the choices for production.

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

/// Peak-to-average over five sets of `n` seats.
fn peaks(layout: Layout, n: u32) -> Vec<f64> {
    let set = |start: u32| seats((1..=n).map(|seat| 1000 * start + seat));
    (0..5).map(|start| peak_to_average(&layout.slot_map(&set(start)).unwrap())).collect()
}

/// The greatest excess in per cent of the slots when the first, a middle, or the last of seats 1..=`n` leaves.
fn worst_excess(layout: Layout, n: u32) -> f64 {
    let before = layout.slot_map(&seats(1..=n)).unwrap();
    let without = |leaver| layout.slot_map(&seats((1..=n).filter(|seat| *seat != leaver))).unwrap();
    let moved = [1, n / 2 + 1, n].map(|leaver| excess(&before, &without(leaver)));
    100.0 * moved.into_iter().max().unwrap_or_default() as f64 / f64::from(layout.slots())
}

fn uncapped_rendezvous(slots: u32) -> Layout {
    Layout::new(Scheme::Rendezvous { slot_cap: SlotCap::OFF }, slots, HashPair::Xxh3).unwrap()
}

#[test]
fn maglev_is_even_and_moves_little() {
    for (n, _) in EXPECTED_MAXIMA {
        for peak in peaks(Layout::maglev(), n) {
            assert!(peak <= 1.001, "{n} seats: {peak}");
        }
        let excess = worst_excess(Layout::maglev(), n);
        assert!(excess <= 0.6, "{n} seats: {excess} %");
    }
}

#[test]
fn rendezvous_is_as_even_as_chance() {
    for (n, maximum) in EXPECTED_MAXIMA {
        let layout = uncapped_rendezvous(65_537);
        let expected = 1.0 + maximum * (f64::from(n) / f64::from(layout.slots())).sqrt();
        let peaks = peaks(layout, n);
        let mean = peaks.iter().sum::<f64>() / peaks.len() as f64;
        assert!((mean - expected).abs() <= 0.01 * expected, "{n} seats: {mean}, expected {expected}");
    }
}

#[test]
fn the_cap_of_rendezvous_holds_and_moves_next_to_nothing() {
    for (n, _) in EXPECTED_MAXIMA {
        let layout = Layout::rendezvous();
        for peak in peaks(layout, n) {
            // The cap is rounded up to a whole slot.
            assert!(peak <= 1.10 + f64::from(n) / f64::from(layout.slots()), "{n} seats: {peak}");
        }
        let excess = worst_excess(layout, n);
        assert!(excess <= 0.01, "{n} seats: {excess} %");
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
