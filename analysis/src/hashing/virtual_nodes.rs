//! How many virtual nodes: more of them are more even, until 512 slots are too few for them.

use lb::ring::{HashPair, Probing, RingError, SlotCap};

use super::candidate::ring;
use super::measure::{moved, seats, slot_peak};
use super::summary::{Middle, mean};
use super::sweep::Change;

/// K, the virtual nodes of a seat.
pub const COUNTS: [u32; 14] = [1, 2, 3, 4, 6, 9, 12, 16, 20, 24, 32, 40, 48, 56];

/// Nine seats with 56 virtual nodes each are what fits 512 slots.
pub const FLEETS: std::ops::RangeInclusive<u32> = 2..=9;

/// Rings of 512 slots with xxh3 and so many virtual nodes a seat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// K.
    pub virtual_nodes: u32,
    /// Of the slots that each seat owns.
    pub peak: Middle,
    /// The mean share of slots, 0…1, that moves between seats that stay when one leaves.
    pub needless: f64,
}

/// A row for each of [`COUNTS`], over so many sets of seats.
///
/// # Errors
/// None: all of them fit.
pub fn rows(slot_cap: SlotCap, trials: u32, seed: u64) -> Result<Vec<Row>, RingError> {
    COUNTS.into_iter().map(|virtual_nodes| row(virtual_nodes, slot_cap, trials, seed)).collect()
}

fn row(virtual_nodes: u32, slot_cap: SlotCap, trials: u32, seed: u64) -> Result<Row, RingError> {
    let layout = ring(HashPair::Xxh3, Probing::Linear, slot_cap, 512, virtual_nodes)?;
    let mut rng = fastrand::Rng::with_seed(seed);
    let measured = (0..trials).map(|_| {
        let change = Change::draw(FLEETS, &mut rng);
        let before = layout.slot_map(&seats(change.seats.iter().copied()))?;
        let after = layout.slot_map(&seats(change.rest()))?;
        Ok((slot_peak(&before), moved(&before, &after, &[1; 512]).needless))
    });
    let measured = measured.collect::<Result<Vec<_>, RingError>>()?;
    Ok(Row {
        virtual_nodes,
        peak: Middle::of(measured.iter().map(|(peak, _)| *peak)),
        needless: mean(measured.iter().map(|(_, needless)| *needless)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_virtual_nodes_are_more_even_and_move_more() {
        let rows = rows(SlotCap::OFF, 40, 1).unwrap();
        let (few, many) = (rows[0], rows[COUNTS.len() - 1]);
        assert!(few.peak.median > 1.5 && many.peak.median < 1.3, "{few:?} {many:?}");
        assert!(few.needless < 0.001 && many.needless > 0.01, "{few:?} {many:?}");
    }
}
