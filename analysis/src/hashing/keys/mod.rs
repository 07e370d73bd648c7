//! The user's own traffic: keys from a file or an access log, counted in bounded memory.
//!
//! `field` finds the key of a line, `log` reads lines, `tally` counts.

mod columns;
mod field;
mod log;
mod tally;

pub use field::Field;
pub use log::{Error, Log, read};
pub use tally::{Bounds, Counted, Tally};
