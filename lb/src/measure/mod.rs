//! What is measured of the traffic, pure: counts and durations, and what the latest of them say.
//!
//! - [`histogram`]: durations, in fixed memory
//! - [`tally`]: requests by method and status, and what each replica has done
//! - [`window`]: the last minute, second by second · [`traffic`]: what it says, for people

pub mod histogram;
pub mod tally;
pub mod traffic;
pub mod window;
