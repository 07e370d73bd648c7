//! Balancing by what the traffic shows: pure rules, without tasks, sockets or a clock. Each router applies them alone.
//!
//! # Layout
//! - [`Health`]: which replica is passed over, and when it gets another chance; [`may_eject_one_more`]: how many may be
//! - [`Budget`]: how many attempts beyond the first
//! - [`Bound`]: how much of what is in flight one replica may have
//! - [`Policy`]: which replica is the first choice; [`Latency`]: how long its reply heads take
//! - [`SpaceSaving`]: the most frequent of many

mod bound;
mod budget;
mod health;
mod latency;
mod policy;
mod space_saving;

pub use bound::Bound;
pub use budget::Budget;
pub use health::{Failure, Health, may_eject_one_more, probe_hedge_delay};
pub use latency::Latency;
pub use policy::{Candidate, Policy};
pub use space_saving::{Counter, SpaceSaving, merge};
