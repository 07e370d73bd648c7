//! The data plane, in the order in which a request passes through it.
//!
//! - [`guard`]: accepts client connections, checks and bounds what they send
//! - [`service`]: one request: control API or forwarding
//! - [`control_api`]: /rep, /add, /rm · `json`, `success`: their bodies · `credentials`, `cross_site`: who may call them
//! - [`key`]: the request key · [`forwarded`], `hop_by_hop`: fields that are added and removed
//! - [`router`]: RouterActor: leases, choice of the replica, attempts, ejection
//! - [`client`]: the connection layer under awc
//! - `reply`, `body`, `debug_headers`: the answer to the client · `error`: status codes

pub mod body;
pub mod client;
pub mod control_api;
pub mod credentials;
pub mod cross_site;
pub mod debug_headers;
pub mod error;
pub mod forwarded;
pub mod guard;
pub mod hop_by_hop;
pub mod json;
pub mod key;
pub mod reply;
pub mod reserved_fields;
pub mod router;
pub mod service;
pub mod socket;
pub mod success;
