//! The admin token: its form, its comparison, and the limit on wrong ones.

pub mod actor;
pub mod failures;
pub mod token;
