//! Measurements of the traffic, as pure data: counts and durations, and summaries of the last minute.
//!
//! - [`histogram`]: durations, in bounded memory
//! - [`counters`]: requests by method and status, routing decisions, attempts per replica
//! - [`window`]: the last minute in slices of a second · [`traffic`]: rates and latencies for people

pub mod counters;
pub mod histogram;
pub mod traffic;
pub mod window;
