//! Everything that can be wrong with a layout, or with a change of the seats.

use super::layout::{Layout, is_prime};
use super::{HashPair, SeatId};

/// Why a layout, a value of it, or a change of the ring was refused. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// No hash pair of that name.
    #[error("unknown hash pair '{0}': use {list}", list = HashPair::ALL.map(HashPair::name).join(", "))]
    Hash(String),
    /// No probing of that name.
    #[error("unknown probing '{0}': use linear or quadratic")]
    Probing(String),
    /// Not a decimal from 1 with at most three places, nor `off`.
    #[error("slot cap '{0}' is not a number from 1.00 to 1000 with at most three decimal places, nor 'off'")]
    SlotCap(String),
    /// The number of slots is out of range.
    #[error("{0} slots: a layout has 1 to 1048576")]
    Slots(u32),
    /// Quadratic probing over a number of slots that its steps do not reach.
    #[error("{0} slots: quadratic probing reaches every slot only if their number is a power of two")]
    Unreachable(u32),
    /// A table for maglev that is not of prime size.
    #[error("{0} slots: maglev needs a prime number of them, such as {near}", near = primes_near(*.0))]
    NotPrime(u32),
    /// Not even one seat would fit, or it would have no virtual node.
    #[error("{virtual_nodes} virtual nodes a seat: with {slots} slots it can be 1 to {slots}")]
    VirtualNodes {
        /// K, as given.
        virtual_nodes: u32,
        /// M.
        slots: u32,
    },
    /// The seats have more virtual nodes than there are slots.
    #[error("{seats} seats with {virtual_nodes} virtual nodes together do not fit {slots} slots")]
    Full {
        /// How many seats there would be.
        seats: usize,
        /// Their virtual nodes, weights included.
        virtual_nodes: u64,
        /// M.
        slots: u32,
    },
    /// More seats than slots, in a scheme without virtual nodes.
    #[error("{seats} seats do not fit {slots} slots")]
    TooManySeats {
        /// How many seats there would be.
        seats: usize,
        /// M.
        slots: u32,
    },
    /// The seat is on the ring, or named twice in one join.
    #[error("seat {0} already exists")]
    SeatExists(SeatId),
    /// The seat is not on the ring.
    #[error("seat {0} does not exist")]
    NoSuchSeat(SeatId),
    /// Another replica occupies the seat.
    #[error("seat {0} is occupied")]
    Occupied(SeatId),
    /// A replica was to occupy a seat that is not its own.
    #[error("a replica of seat {replica} cannot occupy seat {seat}")]
    WrongSeat {
        /// The seat to occupy.
        seat: SeatId,
        /// The seat that the replica was started for.
        replica: SeatId,
    },
}

/// The nearest primes below and above that a layout can have.
fn primes_near(slots: u32) -> String {
    let below = (1..slots).rev().find(|n| is_prime(*n));
    let above = (slots..=Layout::MAX_SLOTS).find(|n| is_prime(*n));
    below.into_iter().chain(above).map(|prime| prime.to_string()).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_primes_are_those_that_a_layout_can_have() {
        let near = [(1, "2"), (9, "7 or 11"), (65_536, "65521 or 65537"), (1 << 20, "1048573")];
        for (slots, primes) in near {
            let text = RingError::NotPrime(slots).to_string();
            assert_eq!(text, format!("{slots} slots: maglev needs a prime number of them, such as {primes}"));
        }
    }
}
