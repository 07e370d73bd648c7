//! What clients send, before and beside actix: every request judged, bounded and timed.
//!
//! actix-http keeps what it does well: it drives the connection's task and writes replies. It never sees a client's
//! bytes, so no request can be read in another way than here.
//!
//! # Layout
//! - `door`: where connections enter · `stream`: the guarded stream under actix · `service`: what is above it
//! - `silent`: connections that are closed in favour of new ones beyond the limit
//! - `connection`: what these share · `body`: a request's body
//! - `head`, `line`, `fields`: the pure judge of heads · `refusal`: its verdicts, and all others
//! - `upgrade`: the offers of other protocols that are passed on

mod acceptor;
mod body;
mod connection;
mod service;
mod silent;
mod stream;
#[cfg(test)]
mod tests;
mod upgrade;

pub use crate::http1::rejection::Rejection;
pub use acceptor::{Acceptor, Connections, Settings};
pub use connection::Connection;
pub use service::{Answer, answer, what_follows};
pub use stream::GuardedStream;
pub use upgrade::UpgradeAllow;
