//! The handlers of the admin API, a file for each group of paths.

pub mod change;
pub mod clock;
pub mod events;
pub mod explain;
pub mod fleet;
pub mod history;
pub mod hot_keys;
pub mod logs;
pub mod query;
pub mod reload;
pub mod ring;
mod seat;
pub mod state;
pub mod traffic;
pub mod upstreams;
