//! awc's connection layer: one pool, one reply reader and one set of deadlines for each HTTP worker.
//!
//! awc stays the client; [`Pool::client`] puts this layer under it through `ClientBuilder::wrap`. Whatever
//! decides about safety is therefore exact: where a reply ends (RFC 9112 §6.3), which connection may be used
//! again, and how far a failed attempt had come ([`Error`], [`may_retry`]).
//!
//! How a caller sends: `client.request(method, uri).address(replica).no_decompress()` (without the address the
//! request is refused; without `no_decompress` awc adds an `accept-encoding`), headers complete and free of
//! hop-by-hop fields, `host` among them; `content-length` and `transfer-encoding` are written from the body's
//! size. No body is `body::None::new()`, any other a [`ReplayBody`]. A request with an `upgrade` field is an offer: what
//! follows a 101 goes both ways byte for byte; its body goes on with the client's side ([`ReplayBody::offer`]).
//!
//! How a caller reads the size of a reply: `Payload::None` means that no body follows (the headers may still
//! announce one: HEAD, 304); else a `content-length`, of which at most one is left, is the exact size; else it
//! is a stream. `transfer-encoding` and trailers are gone. A reply that is cut short is an error in the payload
//! stream, never a clean end.
//!
//! # Layout
//! - `connector`: the layer as awc sees it; `exchange`: one request and its reply; `reply`: the reply's body
//! - `pool`, `connection`, `sweep`: connections, the sockets under them, deadlines
//! - `progress`: what shows that a replica works
//! - `head`, `framing`: pure readers and writers of bytes; `reason`: reason phrases
//! - `upload`, `replay`: the request's body; `retry`, `error`: what a failure allows
//! - `tunnel`: what follows a 101; `probe`: heartbeats

mod connection;
mod connector;
pub mod error;
mod exchange;
mod pool;
mod progress;
mod replay;
mod reply;
mod retry;
#[cfg(test)]
mod tests;
mod tunnel;
mod upload;

pub use crate::runtime::heartbeat::{ProbeRequest, probe};
pub use error::{Error, Kind, Malformed, Phase};
pub use pool::{Pool, Settings};
pub use replay::{Attempt, ReplayBody};
pub use retry::may_retry;
