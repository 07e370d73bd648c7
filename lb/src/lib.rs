//! A load balancer that runs its own replicas and routes to them by consistent hashing.
//!
//! # Layout
//! Three planes over pure cores; a module uses those below it only.
//!
//! - [`app`]: starts and stops everything in the order of dependencies · [`cli`]: the command line · [`config`]: flags,
//!   environment and file
//! - [`admin`]: the *management plane*: API, metrics, dashboard
//! - [`observe`]: the access log, an observer of the data plane
//! - [`proxy`]: the *data plane*, in the order in which a request passes it; RouterActor is in [`proxy::router`]
//! - [`control`]: the *control plane*: RingActor in [`control::ring`], SupervisorActor in [`control::supervisor`], the
//!   journal of events · [`auth`]: the admin token
//! - [`logging`]: the log on standard error
//! - [`runtime`]: starts and stops replicas; [`child`]: the roles of this executable as a child process
//! - [`http1`]: HTTP/1.1 as bytes
//! - [`fleet`], [`ring`], [`balance`], [`stats`]: the pure cores: which replicas should run; where a key goes; which
//!   replica a request may go to; counters
//! - [`name`], [`statuses`], `number`, `shortage`, `text`: small types and functions that several of these use
//!
//! # Actors
//! - RouterActor ([`proxy::router`], one for each HTTP worker) handles requests: slot, lease, replica, attempts
//! - RingActor ([`control::ring`]) owns the slot map, and grants and recalls the leases of the routers
//! - SupervisorActor ([`control::supervisor`]) carries out what the [`fleet`] decides: launches, heartbeats, replacements
//! - JournalActor ([`control::journal`]) keeps the events, AuthActor ([`auth`]) counts wrong tokens, MetricsActor
//!   ([`admin::metrics`]) adds up the routers' counters, ReloadActor ([`app`]) owns the configuration in force and
//!   hands it to a ConfigFollower in each part: state that several threads use lives in one mailbox, because there are no
//!   locks
//!
//! `lb/docs/architecture.md` has the map of the code with its invariants.

pub mod admin;
pub mod app;
pub mod auth;
pub mod balance;
pub mod child;
pub mod cli;
pub mod config;
pub mod control;
pub mod fleet;
pub mod http1;
pub mod logging;
pub mod name;
mod number;
pub mod observe;
pub mod proxy;
pub mod ring;
pub mod runtime;
mod shortage;
pub mod stats;
pub mod statuses;
#[cfg(test)]
mod testing;
mod text;
