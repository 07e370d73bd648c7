//! The user's traffic: keys from a file or an access log, counted in bounded memory.
//!
//! `field` finds the key of a line, `log` reads lines, `counter` counts keys.

mod columns;
mod counter;
mod field;
mod log;

pub use counter::{Bounds, Counted, KeyCounter};
pub use field::Field;
pub use log::{Error, LogSummary, read};
