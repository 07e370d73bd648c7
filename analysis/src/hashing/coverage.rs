//! Slot coverage: why the polynomials fail, and which variants do better. Exact values over all ids and seats 1..=3.

use lb::ring::{HashPair, Layout, Probing, RingError, SeatId, SlotCap};

use super::candidate::ring;
use super::measure::{longest_run, peak_to_average, seats, shares};
use super::traffic::Traffic;

/// Number of seats: servers 1 to 3 of the assignment.
pub const SEATS: u32 = 3;

/// Every id that a random key can have (the assignment's six digits).
pub const IDS: std::ops::Range<u32> = 100_000..1_000_000;

/// Result of one combination of the functions that place keys and virtual nodes.
#[derive(Debug)]
pub struct Variant {
    /// What differs from the assignment's ring, which is the first variant.
    pub name: &'static str,
    /// Number of slots that get keys.
    pub reached: usize,
    /// Length of the longest run of slots of one seat.
    pub longest_run: usize,
    /// Number of slots (M).
    pub slots: u32,
    /// Share (0–1) of the ids that each seat gets.
    pub shares: Vec<f64>,
    /// Peak-to-average of `shares`.
    pub peak: f64,
}

/// Traffic with each id once.
pub fn all_ids<'a>(layouts: impl IntoIterator<Item = &'a Layout>) -> Traffic {
    let mut traffic = Traffic::for_layouts(layouts);
    IDS.for_each(|id| traffic.add(id.to_string().as_bytes(), 1));
    traffic
}

/// The assignment's ring with 65,536 slots: an obvious change that does not help.
///
/// # Errors
/// Never with these values.
pub fn polynomial_with_more_slots() -> Result<Layout, RingError> {
    ring(HashPair::Polynomial, Probing::Linear, SlotCap::OFF, 65_536, 9)
}

/// The assignment's ring, followed by variants of it.
///
/// # Errors
/// Never with these values: all layouts are valid and have room for three seats.
pub fn variants(ids: &Traffic) -> Result<Vec<Variant>, RingError> {
    let linear = |hash, cap, slots, nodes| ring(hash, Probing::Linear, cap, slots, nodes);
    let (polynomial, hashed) = (Layout::assignment(), linear(HashPair::Xxh3, SlotCap::OFF, 512, 9)?);
    let capped = linear(HashPair::Polynomial, SlotCap::DEFAULT, 512, 9)?;
    let fine = linear(HashPair::Xxh3, SlotCap::OFF, 65_536, 100)?;
    [
        ("as given", polynomial, polynomial),
        ("H is xxh3", polynomial, hashed),
        ("Φ is xxh3", hashed, polynomial),
        ("both are xxh3", hashed, hashed),
        ("as given, cap 1.10", capped, capped),
        ("as given, 65,536 slots", polynomial_with_more_slots()?, polynomial_with_more_slots()?),
        ("both xxh3, cap 1.10", Layout::default(), Layout::default()),
        ("both xxh3, 65,536 × 100", fine, fine),
        ("maglev", Layout::maglev(), Layout::maglev()),
    ]
    .into_iter()
    .map(|(name, nodes, keys)| variant(name, &nodes, ids.per_slot(&keys)))
    .collect()
}

fn variant(name: &'static str, layout: &Layout, keys: &[u64]) -> Result<Variant, RingError> {
    let map = layout.slot_map(&seats(1..=SEATS))?;
    let counts: Vec<_> = shares(&map, keys).into_iter().map(|(_, count)| count).collect();
    let all = counts.iter().sum::<u64>() as f64;
    Ok(Variant {
        name,
        reached: keys.iter().filter(|keys| **keys > 0).count(),
        longest_run: longest_run(&map),
        slots: layout.slots(),
        peak: peak_to_average(counts.iter().copied()),
        shares: counts.into_iter().map(|count| count as f64 / all).collect(),
    })
}

/// The slots (before probing) of the virtual nodes of the seats 1..=3, with 9 nodes per seat: slot and seat.
pub fn home_slots(layout: &Layout) -> Vec<(usize, SeatId)> {
    let slots = u128::from(layout.slots());
    let nodes = (1..=SEATS).filter_map(SeatId::new).flat_map(|seat| (1..=9).map(move |j| (seat, j)));
    nodes.map(|(seat, j)| ((layout.hash().virtual_node(seat, j) % slots) as usize, seat)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_polynomials_fail_twice_and_only_a_real_hash_for_both_helps() {
        let layouts = [
            Layout::assignment(),
            Layout::default(),
            Layout::maglev(),
            polynomial_with_more_slots().unwrap(),
            ring(HashPair::Xxh3, Probing::Linear, SlotCap::OFF, 65_536, 100).unwrap(),
        ];
        let variants = variants(&all_ids(&layouts)).unwrap();
        let given = &variants[0];
        // H reaches 87 of 512 slots; the last virtual node is on slot 133 and the first, seat 1's, on 29.
        assert_eq!((given.reached, given.longest_run), (87, 512 - 133 + 29));
        let percent: Vec<_> = given.shares.iter().map(|share| (share * 1000.0).round() / 10.0).collect();
        assert_eq!(percent, [83.6, 4.7, 11.7]);
        let find = |name: &str| variants.iter().find(|variant| variant.name == name).unwrap();
        assert!(find("H is xxh3").peak > 2.4, "replacing only H does not help");
        assert!(find("as given, 65,536 slots").peak > 2.9, "more slots do not help");
        assert_eq!(find("both are xxh3").reached, 512);
        assert!(find("both xxh3, cap 1.10").peak < 1.12);
        assert!(find("maglev").peak < 1.01);
    }

    #[test]
    fn home_slots_follow_the_assignment() {
        let homes = home_slots(&Layout::assignment());
        assert_eq!(homes.len(), 27);
        let of_seat_1: Vec<_> = homes[..9].iter().map(|(slot, _)| *slot).collect();
        assert_eq!(of_seat_1, [29, 34, 41, 50, 61, 74, 89, 106, 125]);
    }
}
