//! A load balancer that runs its own replicas and routes to them by consistent hashing.
//!
//! # Layout
//! - [`ring`], [`fleet`]: the pure cores: where a key goes, what should run
//! - [`balance`]: pure too: which replica a request may go to, and how often it may be retried
//! - [`measure`]: pure too: what the traffic was like
//! - [`runtime`]: the seam to whoever starts replicas; [`child`]: those that we start ourselves
//! - [`upstream`]: the connection layer under awc
//! - [`actors`]: the shells around them, and all that is mutable
//! - [`inbound`]: the guard under the traffic listener
//! - [`http`]: the two listeners; `socket`: what every connection is given
//! - [`access_log`]: a line for every request
//! - [`config`], [`key`], [`name`], [`statuses`], [`token`], [`url`]: what people say; [`log_key`]: what is shown to them
//!   of a key
//! - [`logging`]: the log of the process on standard error
//! - [`cli`], [`healthcheck`]: what a running balancer is asked from a terminal
//! - `shortage`: what the balancer itself runs out of
//! - [`app`]: the whole

pub mod admin;
pub mod app;
pub mod auth;
pub mod balance;
pub mod child;
pub mod cli;
pub mod config;
pub mod control;
pub mod fleet;
#[cfg(test)]
mod fuzz;
pub mod http1;
pub mod logging;
pub mod name;
pub mod observe;
pub mod proxy;
pub mod ring;
pub mod runtime;
mod shortage;
pub mod stats;
pub mod statuses;
pub mod url;
