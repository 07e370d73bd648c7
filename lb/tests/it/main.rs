//! The integration tests.
#![allow(clippy::unwrap_used, reason = "a test may panic; clippy sees only #[test] functions as tests")]

mod balancer;
mod changes;
mod choices;
mod contract;
mod corpus;
mod corpus_replies;
mod corpus_requests;
mod docker;
mod ejections;
mod embedded;
mod events;
mod fields;
mod forwarding;
mod healing;
mod helper;
mod inbound;
mod judged;
mod layouts;
mod limits;
mod load;
mod mutate;
mod mutations;
mod origin;
mod plan;
mod process;
mod replies;
mod retries;
mod shutdown;
mod start;
mod storm;
mod streams;
mod strict;
mod tunnel;
mod upstreams;
mod wire;
