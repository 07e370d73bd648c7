//! The control plane: the actors that own the ring and the fleet. All mutation goes through their mailboxes.
//!
//! - [`ring`]: RingActor (one, main thread): the slot map, and the leases that routers hold of it
//! - [`supervisor`]: SupervisorActor (one, main thread): the lifecycle of the replicas
//! - [`journal`]: JournalActor (one): keeps the latest transitions for the subscribers of /api/events
//! - [`router_link`]: the link to a router: the messages that ring and supervisor send to it
//! - [`panic_guard`]: a panic in an actor ends the process
//!
//! The other actors: RouterActor ([`crate::proxy::router`], one for each HTTP worker) forwards requests, AuthActor
//! ([`crate::auth`]) compares tokens, MetricsActor ([`crate::admin::metrics`]) adds up the counters of the routers,
//! ReloadActor ([`crate::app`]) owns the configuration in force, and a ConfigFollower in each part applies it.
//!
//! Code outside an actor's module calls the methods of its handle ([`ring::RingHandle`],
//! [`supervisor::SupervisorHandle`], [`journal::JournalHandle`]); its messages are private.
//!
//! The sender of a recall, an ejection notice or an idle notice never awaits a reply, so no cycle of waiting actors can
//! form.

pub mod journal;
pub mod panic_guard;
pub mod ring;
pub mod router_link;
pub mod supervisor;
