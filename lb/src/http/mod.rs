//! HTTP towards clients: the traffic listener and the admin listener.
//!
//! - [`front`]: the traffic listener: its own four paths, everything else to a replica
//! - [`control`]: /rep, /add and /rm
//! - [`admin`]: the admin listener; `change`: what it changes, and plans; `events`: what happens
//! - `headers`: what must not be passed on; `forwarded`: what is said of the client
//! - `error`: what went wrong, as a status code: the only place that knows these

pub mod admin;
mod body;
mod change;
pub mod control;
mod error;
mod events;
pub mod forwarded;
pub mod front;
pub(crate) mod headers;
