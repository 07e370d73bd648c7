//! Balancing by observed traffic: pure rules, without tasks, sockets or a clock. Each router applies them on its own.
//!
//! # Layout
//! - [`Health`]: ejection and stalls of a replica; [`may_eject_one_more`]: how many replicas may be unavailable
//! - [`Budget`]: limit of attempts beyond the first
//! - [`Bound`]: limit of the requests in flight of one replica
//! - [`Policy`]: the first choice; [`Latency`]: the latency of reply heads
//! - [`SpaceSaving`]: the most frequent ids of a stream

mod bound;
mod budget;
mod latency;
mod passive_health;
mod policy;
mod space_saving;

pub use bound::Bound;
pub use budget::Budget;
pub use latency::Latency;
pub use passive_health::{Failure, Health, max_normal_silence, may_eject_one_more};
pub use policy::{Candidate, Policy};
pub use space_saving::{Counter, SpaceSaving, merge};
