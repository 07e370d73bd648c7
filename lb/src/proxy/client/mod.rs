//! The HTTP client of a worker: a connection layer under awc with its own pool, reply parser and deadlines.
//!
//! awc provides the client API; [`Pool::client`] installs this layer with `ClientBuilder::wrap`. The layer determines
//! exactly what retries depend on: where a reply ends (RFC 9112 §6.3), which connection may be reused, and how far a
//! failed attempt had come ([`Error`], [`may_retry`]).
//!
//! # Sending a request
//! `client.request(method, uri).address(replica).no_decompress()`. Without the address the request is refused; without
//! `no_decompress` awc adds an `accept-encoding`. The header fields must be complete, `host` included, and free of
//! hop-by-hop fields; `content-length` and `transfer-encoding` are written according to the size of the body. The body
//! is `body::None::new()` or a [`ReplayBody`]. A request with an `upgrade` field offers an upgrade: after a 101 bytes
//! are passed in both directions unchanged, and the stream of the request body continues with the bytes that the client
//! sends after it ([`ReplayBody::offer`]).
//!
//! # The size of a reply
//! `Payload::None` means that no body follows, although the header fields may announce one (HEAD, 304). Otherwise a
//! `content-length`, of which there is at most one, is the exact size; without it the reply is a stream.
//! `transfer-encoding` and trailers are removed. A truncated reply is an error in the payload stream, never a clean
//! end.
//!
//! # Layout
//! - `connector`: the middleware of awc; `exchange`: one request and its reply; `reply`: the reply's body
//! - `pool`, `connect`, `connection`: connections and their sockets · `settings`: their timeouts and limits
//! - `progress`: signs that a replica works
//! - `upload`, `replay`: the request body; `retry`, `error`: whether a failed attempt may be repeated
//! - `tunnel`: the bytes after a 101

mod connect;
mod connection;
mod connector;
pub mod error;
mod exchange;
mod pool;
mod progress;
mod replay;
mod reply;
mod retry;
mod settings;
#[cfg(test)]
mod tests;
mod tunnel;
mod upload;

pub use crate::http1::malformed::Malformed;
pub use error::{Error, Kind, Phase};
pub use pool::Pool;
pub use replay::{Attempt, ReplayBody};
pub use retry::may_retry;
pub use settings::Settings;
