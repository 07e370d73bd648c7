//! The integration tests.
#![allow(clippy::unwrap_used, reason = "a test may panic; clippy sees only #[test] functions as tests")]

mod balancer;
mod changes;
mod contract;
mod corpus;
mod docker;
mod embedded;
mod forwarding;
mod healing;
mod helper;
mod layouts;
mod limits;
mod load;
mod mutate;
mod mutations;
mod origin;
mod process;
mod replies;
mod retries;
mod shutdown;
mod start;
mod storm;
mod streams;
mod upstreams;
mod wire;
