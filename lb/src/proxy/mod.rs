//! The data plane, in the order in which a request passes through it.
//!
//! - [`dispatcher`]: serves client connections by HTTP/1.1; validates and bounds what they send (accepted in
//!   `app/traffic_listener.rs`)
//! - [`service`]: dispatches a request to the control API or to the router
//! - [`control_api`]: /rep, /add, /rm · `json`, `success`: their bodies · `credentials`, `cross_site`: their access
//!   checks
//! - [`key`]: the request key · [`redaction`]: its form in logs · [`forwarded`], `hop_by_hop`, `reserved_fields`: fields that are added and removed
//! - [`router`]: RouterActor: leases, choice of the replica, attempts, ejection
//! - [`client`]: the connection layer under awc
//! - `reply`, `body`, `debug_headers`: the response to the client · `socket`: TCP options
//! - [`error`]: errors and their status codes · [`error_body`]: their form · `proxy_status`: their `Proxy-Status`

pub mod body;
pub mod client;
pub mod control_api;
pub mod credentials;
pub mod cross_site;
pub mod debug_headers;
pub mod dispatcher;
pub mod error;
pub mod error_body;
pub mod forwarded;
pub mod hop_by_hop;
pub mod json;
pub mod key;
mod proxy_status;
pub mod redaction;
pub mod reply;
pub mod reserved_fields;
pub mod router;
pub mod service;
pub mod socket;
pub mod success;
