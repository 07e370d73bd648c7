//! The ring: pure functions that place keys on seats, without tasks, sockets or a clock.
//!
//! # Layout
//! - [`seat`](SeatId): seats, weights, replicas
//! - [`hash`](HashPair), [`Probing`], [`SlotCap`], [`Layout`]: the function from seats and weights to a slot map
//! - [`SlotMap`]: the owner of each slot, and the walk from a slot: first, second, third choice of a key
//! - [`Ring`]: the seats, their occupants and the epoch, as the ring actor holds them · [`Change`]: all that changes them
//! - [`SlotSet`]: the slots whose leases a change recalls
//! - [`Plan`]: the effect of a change of the seats on the keys
//!
//! # Examples
//! Which seat has a key, and what happens to the keys when a fourth seat joins:
//! ```
//! use std::collections::BTreeMap;
//!
//! use lb::ring::{Layout, SeatId, Weight};
//!
//! let seats = |n| -> BTreeMap<_, _> {
//!     (1..=n).filter_map(SeatId::new).map(|seat| (seat, Weight::DEFAULT)).collect()
//! };
//! let layout = Layout::maglev();
//! let three = layout.slot_map(&seats(3))?;
//! let four = layout.slot_map(&seats(4))?;
//!
//! // The walk of a key: its seat first, then the seats that serve its retries.
//! let slot = layout.position(b"alice").slot;
//! let walk: Vec<SeatId> = three.walk(slot).collect();
//! assert_eq!(three.owner(slot), Some(walk[0]));
//! assert_eq!(walk.len(), 3);
//!
//! // The new seat gets a quarter of the slots, and hardly a slot moves between the old ones.
//! let moved = three.owners().zip(four.owners()).filter(|((_, before), (_, after))| before != after);
//! let (to_new, needless): (Vec<_>, Vec<_>) = moved.partition(|(_, (_, after))| after.get() == 4);
//! assert_eq!(to_new.len() as u32, layout.slots() / 4);
//! assert!(needless.len() < layout.slots() as usize / 100);
//! # Ok::<(), lb::ring::RingError>(())
//! ```

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
mod stale;
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
pub use plan::{Balance, Move, OwnerChange, Plan, Proposal, Share};
pub use probing::Probing;
pub use seat::{Incarnation, Replica, SeatId, Weight};
pub use stale::{PAGE, SlotSet};
pub use state::{Ring, SeatState, Seated};
