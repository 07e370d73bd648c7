//! The ring: pure functions that place keys on seats, without tasks, sockets or a clock.
//!
//! # Layout
//! - [`seat`](SeatId): seats, weights, replicas
//! - [`hash`](HashPair), [`Probing`], [`SlotCap`], [`Layout`]: the function from seats and weights to a slot map
//! - [`SlotMap`]: the owner of each slot, and the walk from a slot: first, second, third choice of a key
//! - [`Ring`]: the seats, their occupants and the epoch, as the ring actor holds them · [`Change`]: all that changes them
//! - [`Plan`]: the effect of a change of the seats on the keys

mod cap;
mod change;
mod error;
mod hash;
mod layout;
mod maglev;
mod map;
mod plan;
mod probing;
mod rendezvous;
mod seat;
mod state;
#[cfg(test)]
mod tests;
mod virtual_nodes;
mod walk;

pub use cap::SlotCap;
pub use change::{Applied, Change};
pub use error::RingError;
pub use hash::HashPair;
pub use layout::{Layout, Position, Scheme};
pub use map::{Slot, SlotMap};
pub use plan::{Balance, Fate, Move, Plan, Proposal, Share};
pub use probing::Probing;
pub use seat::{Incarnation, Replica, SeatId, Weight};
pub use state::{Ring, SeatState, Seated};
