//! Reads requests from client connections, below actix: each is validated, bounded in size and in time.
//!
//! actix-http drives the task of a connection and writes the responses. It never sees the bytes of a client, so that
//! there is no second parser that could read a request differently.
//!
//! # Layout
//! - `admission`: counts and wraps new connections · `stream`: the stream below actix · `service`: the layer above actix
//! - `silent`: connections without a byte, which are closed in favour of new ones beyond the limit
//! - `connection`: what these share of one connection, `state`: its state · `body`: the request body
//! - `upgrade`: offers of other protocols that are forwarded · `rejection_text`: the reason of a rejection for the client
//!
//! Request heads are parsed by `http1::request_head`.

mod admission;
mod body;
mod connection;
mod rejection_text;
mod service;
mod silent;
mod state;
mod stream;
#[cfg(test)]
mod tests;
mod upgrade;

pub use crate::http1::rejection::Rejection;
pub use admission::{Admission, ConnectionLimit, Settings};
pub use connection::Connection;
pub(crate) use rejection_text::rejection_text;
pub use service::{ResponseBody, after_body, answer};
pub use stream::GuardedStream;
pub use stream::Reset;
pub use upgrade::UpgradeAllow;
