//! HTTP towards clients: the traffic listener and the admin listener.
//!
//! - [`front`]: the traffic listener: its own four paths, everything else to a replica
//! - [`control`]: /rep, /add and /rm
//! - [`admin`]: the admin listener
//! - `reply`: a replica's reply as the client gets it · `debug_headers`: what a reply tells of its request's way
//! - `headers`: what must not be passed on; `forwarded`: what is said of the client
//! - `credentials`: the admin token, and the cookie of a login, as a request shows them · `origin`: whether a page of
//!   another site asks
//! - `json`: a body, read into the type that describes it · `success`: what was done
//! - `error`: what went wrong, as a status code: the only place that knows these

pub mod admin;
mod body;
pub mod control;
mod credentials;
mod dashboard;
mod debug_headers;
mod error;
pub mod forwarded;
pub mod front;
pub(crate) mod headers;
mod json;
mod origin;
mod reply;
mod reserved;
mod success;
