//! Why the polynomials fail, and what cures it: exact figures over all ids and the seats 1..=3.

use lb::ring::{HashPair, Layout, Probing, RingError, SeatId, SlotCap};

use super::candidate::ring;
use super::measure::{longest_run, peak_to_average, seats, shares};
use super::traffic::Traffic;

/// The seats of the assignment.
pub const SEATS: u32 = 3;

/// Every id that a random key can be (the assignment's six digits).
pub const IDS: std::ops::Range<u32> = 100_000..1_000_000;

/// A cure, or none: which functions place keys and virtual nodes, and what comes of it.
#[derive(Debug)]
pub struct Cure {
    /// What is different from the row above or the first.
    pub name: &'static str,
    /// How many slots get keys.
    pub reached: usize,
    /// The most slots in a row that belong to one seat.
    pub longest_run: usize,
    /// M.
    pub slots: u32,
    /// The share of ids of each seat, 0…1.
    pub shares: Vec<f64>,
    /// Of these.
    pub peak: f64,
}

/// Each id once.
pub fn all_ids<'a>(layouts: impl IntoIterator<Item = &'a Layout>) -> Traffic {
    let mut traffic = Traffic::over(layouts);
    IDS.for_each(|id| traffic.add(id.to_string().as_bytes(), 1));
    traffic
}

/// What people try first, and what does not help.
///
/// # Errors
/// None: there can be such a ring.
pub fn polynomial_with_more_slots() -> Result<Layout, RingError> {
    ring(HashPair::Polynomial, Probing::Linear, SlotCap::OFF, 65_536, 9)
}

/// The assignment's ring, with one thing changed and another.
///
/// # Errors
/// None: there can be such layouts, and three seats fit them.
pub fn cures(ids: &Traffic) -> Result<Vec<Cure>, RingError> {
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
    .map(|(name, nodes, keys)| cure(name, &nodes, ids.on(&keys)))
    .collect()
}

fn cure(name: &'static str, layout: &Layout, keys: &[u64]) -> Result<Cure, RingError> {
    let map = layout.slot_map(&seats(1..=SEATS))?;
    let counts: Vec<_> = shares(&map, keys).into_iter().map(|(_, count)| count).collect();
    let all = counts.iter().sum::<u64>() as f64;
    Ok(Cure {
        name,
        reached: keys.iter().filter(|keys| **keys > 0).count(),
        longest_run: longest_run(&map),
        slots: layout.slots(),
        peak: peak_to_average(counts.iter().copied()),
        shares: counts.into_iter().map(|count| count as f64 / all).collect(),
    })
}

/// Where Φ puts the virtual nodes of the seats 1..=3 of a layout of 512 × 9, before probing: slot and seat.
pub fn homes(layout: &Layout) -> Vec<(usize, SeatId)> {
    let slots = u128::from(layout.slots());
    let nodes = (1..=SEATS).filter_map(SeatId::new).flat_map(|seat| (1..=9).map(move |j| (seat, j)));
    nodes.map(|(seat, j)| ((layout.hash().virtual_node(seat, j) % slots) as usize, seat)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_polynomials_fail_twice_and_only_a_real_hash_cures_both() {
        let layouts = [
            Layout::assignment(),
            Layout::default(),
            Layout::maglev(),
            polynomial_with_more_slots().unwrap(),
            ring(HashPair::Xxh3, Probing::Linear, SlotCap::OFF, 65_536, 100).unwrap(),
        ];
        let cures = cures(&all_ids(&layouts)).unwrap();
        let given = &cures[0];
        // H reaches 87 of 512 slots; the last virtual node is on slot 133 and the first, seat 1's, on 29.
        assert_eq!((given.reached, given.longest_run), (87, 512 - 133 + 29));
        let percent: Vec<_> = given.shares.iter().map(|share| (share * 1000.0).round() / 10.0).collect();
        assert_eq!(percent, [83.6, 4.7, 11.7]);
        let find = |name: &str| cures.iter().find(|cure| cure.name == name).unwrap();
        assert!(find("H is xxh3").peak > 2.4, "half a cure does not help");
        assert!(find("as given, 65,536 slots").peak > 2.9, "nor do more slots");
        assert_eq!(find("both are xxh3").reached, 512);
        assert!(find("both xxh3, cap 1.10").peak < 1.12);
        assert!(find("maglev").peak < 1.01);
    }

    #[test]
    fn homes_are_those_of_the_assignment() {
        let homes = homes(&Layout::assignment());
        assert_eq!(homes.len(), 27);
        let of_seat_1: Vec<_> = homes[..9].iter().map(|(slot, _)| *slot).collect();
        assert_eq!(of_seat_1, [29, 34, 41, 50, 61, 74, 89, 106, 125]);
    }
}
