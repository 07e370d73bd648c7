//! Errors of layouts, of their values, and of changes of the seats.

use super::layout::{Layout, is_prime};
use super::{HashPair, SeatId};

/// Reasons why a layout, a value of it, or a change of the ring is rejected. A rejected change has no effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// There is no hash pair of this name.
    #[error("unknown hash pair '{0}': use {list}", list = HashPair::ALL.map(HashPair::name).join(", "))]
    Hash(String),
    /// There is no probing of this name.
    #[error("unknown probing '{0}': use linear or quadratic")]
    Probing(String),
    /// The text is neither `off` nor a decimal from 1 to 1000 with at most three places.
    #[error("slot cap '{0}' is not a number from 1.00 to 1000 with at most three decimal places, nor 'off'")]
    SlotCap(String),
    /// The number of slots is out of range.
    #[error("{0} slots: a layout has 1 to 1048576")]
    Slots(u32),
    /// Quadratic probing does not reach every slot of this number of slots.
    #[error("{0} slots: quadratic probing reaches every slot only if their number is a power of two")]
    Unreachable(u32),
    /// The size of a maglev table is not prime.
    #[error("{0} slots: maglev needs a prime number of them, such as {near}", near = primes_near(*.0))]
    NotPrime(u32),
    /// A seat would have no virtual node, or more than there are slots.
    #[error("{virtual_nodes} virtual nodes a seat: with {slots} slots it can be 1 to {slots}")]
    VirtualNodes {
        /// The rejected number of virtual nodes (K).
        virtual_nodes: u32,
        /// Number of slots (M).
        slots: u32,
    },
    /// The seats have more virtual nodes together than there are slots.
    #[error("{seats} seats with {virtual_nodes} virtual nodes together do not fit {slots} slots")]
    Full {
        /// Number of seats.
        seats: usize,
        /// Number of their virtual nodes, weights included.
        virtual_nodes: u64,
        /// Number of slots (M).
        slots: u32,
    },
    /// There are more seats than slots, in a scheme without virtual nodes.
    #[error("{seats} seats do not fit {slots} slots")]
    TooManySeats {
        /// Number of seats.
        seats: usize,
        /// Number of slots (M).
        slots: u32,
    },
    /// The seat is on the ring already, or named twice in one join.
    #[error("seat {0} already exists")]
    SeatExists(SeatId),
    /// The seat is not on the ring.
    #[error("seat {0} does not exist")]
    NoSuchSeat(SeatId),
    /// Another replica occupies the seat.
    #[error("seat {0} is occupied")]
    Occupied(SeatId),
    /// The replica belongs to another seat.
    #[error("a replica of seat {replica} cannot occupy seat {seat}")]
    WrongSeat {
        /// The seat that the replica was to occupy.
        seat: SeatId,
        /// The seat of the replica.
        replica: SeatId,
    },
}

/// The nearest primes below and above, within the limits of a layout, as text.
fn primes_near(slots: u32) -> String {
    let below = (1..slots).rev().find(|n| is_prime(*n));
    let above = (slots..=Layout::MAX_SLOTS).find(|n| is_prime(*n));
    below.into_iter().chain(above).map(|prime| prime.to_string()).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggested_primes_are_the_nearest_valid_ones() {
        let near = [(1, "2"), (9, "7 or 11"), (65_536, "65521 or 65537"), (1 << 20, "1048573")];
        for (slots, primes) in near {
            let text = RingError::NotPrime(slots).to_string();
            assert_eq!(text, format!("{slots} slots: maglev needs a prime number of them, such as {primes}"));
        }
    }
}
