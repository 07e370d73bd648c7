//! What the tests share. Nothing here is a test, except the replica that this executable runs ([`test_replica`]).
//!
//! - the balancer: [`balancer`] (a running `lb`), [`process`] (commands and signals), [`admin`] (calls of its API)
//! - clients: [`client`] (one request on one connection), [`wire`] (every byte), [`keyed`], [`load`], [`browser`]
//! - replicas: [`origin`] (scripted per connection), [`validating_replica`] (validates requests), [`test_replica`] (as a command)
//! - the engine: [`docker`]
//! - [`wait`]: waiting for a state · [`port`]: free ports · [`tool`]: installed programs · [`strict`]: a second parser
//!   of replies

pub mod admin;
pub mod balancer;
pub mod browser;
pub mod client;
pub mod docker;
pub mod keyed;
pub mod load;
pub mod origin;
pub mod port;
pub mod process;
pub mod strict;
pub mod test_replica;
pub mod tool;
pub mod validating_replica;
pub mod wait;
pub mod wire;

pub use balancer::Balancer;
pub use client::{Answer, answer, call, raw};
pub use process::{Ended, Killed, children, lb, runs, signal_pid};
pub use wait::{STATE_TIMEOUT, until};
