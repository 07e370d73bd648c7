//! The report section of A-4.

pub mod charts;
pub mod tables;
pub mod text;
