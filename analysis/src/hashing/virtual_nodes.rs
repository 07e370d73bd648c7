//! Varies the number of virtual nodes: more of them even out the slots, until 512 slots are too few for them.

use lb::ring::{HashPair, Probing, RingError, SlotCap};

use super::candidate::ring;
use super::measure::{moved, seats, slot_peak};
use super::summary::{Quantiles, mean};
use super::sweep::Change;

/// Values of K, the virtual nodes of a seat.
pub const COUNTS: [u32; 14] = [1, 2, 3, 4, 6, 9, 12, 16, 20, 24, 32, 40, 48, 56];

/// Fleet sizes: at most nine seats of 56 virtual nodes fit 512 slots.
pub const FLEET_SIZES: std::ops::RangeInclusive<u32> = 2..=9;

/// Results for one K, on rings of 512 slots with xxh3.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Virtual nodes per seat (K).
    pub virtual_nodes: u32,
    /// Peak-to-average of the slots that each seat owns.
    pub peak: Quantiles,
    /// Mean share (0–1) of the slots that move between seats that stay, when one seat leaves.
    pub needless: f64,
}

/// One row for each of [`COUNTS`], over `trials` sets of seats.
///
/// # Errors
/// Never with these values: all sets fit 512 slots.
pub fn rows(slot_cap: SlotCap, trials: u32, seed: u64) -> Result<Vec<Row>, RingError> {
    COUNTS.into_iter().map(|virtual_nodes| row(virtual_nodes, slot_cap, trials, seed)).collect()
}

fn row(virtual_nodes: u32, slot_cap: SlotCap, trials: u32, seed: u64) -> Result<Row, RingError> {
    let layout = ring(HashPair::Xxh3, Probing::Linear, slot_cap, 512, virtual_nodes)?;
    let mut rng = fastrand::Rng::with_seed(seed);
    let measured = (0..trials).map(|_| {
        let change = Change::random(FLEET_SIZES, &mut rng);
        let before = layout.slot_map(&seats(change.seats.iter().copied()))?;
        let after = layout.slot_map(&seats(change.remaining()))?;
        Ok((slot_peak(&before), moved(&before, &after, &[1; 512]).needless))
    });
    let measured = measured.collect::<Result<Vec<_>, RingError>>()?;
    Ok(Row {
        virtual_nodes,
        peak: Quantiles::of(measured.iter().map(|(peak, _)| *peak)),
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
