//! Long random runs.

mod storm;
