//! The integration tests, by area; see `lb/docs/testing.md`.
#![allow(clippy::unwrap_used, reason = "a test may panic; clippy sees only #[test] functions as tests")]

mod admin;
mod app;
mod cli;
mod config;
mod control;
mod observe;
mod proxy;
mod repository;
mod runtime;
mod soak;
mod support;
/// Shared with the unit tests of `lb`: the same files, compiled into both test executables and into nothing else.
#[path = "../../src/testing"]
mod testing {
    pub mod corpus;
    pub mod mutate;
    pub mod variable;
}
