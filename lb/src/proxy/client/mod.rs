//! The HTTP client of a worker: a connection layer under awc with its own pool, reply parser and deadlines.
//!
//! awc provides the client API; [`Client`] installs this layer with `ClientBuilder::wrap`. The layer determines
//! exactly what retries depend on: where a reply ends (RFC 9112 §6.3), which connection may be reused, and how far a
//! failed attempt had come ([`Error`], [`may_retry`]).
//!
//! # The size of a reply
//! `Payload::None` means that no body follows, although the fields may announce one (HEAD, 304). Otherwise a
//! `Content-Length`, of which there is at most one, is the exact size; without it the reply is a stream.
//! `Transfer-Encoding` and trailers are removed. A truncated reply is an error in the payload stream, never a clean
//! end.
//!
//! # Layout
//! - `call`: sends a request with awc · `outgoing`: the request
//! - `exchange`: one request and its reply; `reply`: the reply's body
//! - `pool`, `connect`, `connection`: connections and their sockets · `settings`: their timeouts and limits
//! - `progress`: signs that a replica works
//! - `upload`, `replay`: the request body; `retry`, `error`: whether a failed attempt may be repeated
//! - `tunnel`: the bytes after a 101

mod call;
mod connect;
mod connection;
pub mod error;
mod exchange;
mod outgoing;
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
pub use call::{Call, Client};
pub use error::{Error, Kind, Phase};
pub use outgoing::{EarlyHints, Outgoing, Waiting};
pub use pool::Pool;
pub use replay::{Attempt, ReplayBody};
pub use reply::Reply;
pub use retry::may_retry;
pub use settings::Settings;
