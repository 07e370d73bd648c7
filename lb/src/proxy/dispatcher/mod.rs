//! Serves client connections by HTTP/1.1: each request is validated, bounded in size and in time, and handed to a service.
//!
//! Requests are read once and responses are written once, on the task of the connection. There is no second parser that could
//! read a request differently.
//!
//! # Layout
//! - `admission`: counts new connections and starts their tasks · `worker`: what the connections of a worker share
//! - `silent`: connections without a byte, which are closed in favour of new ones beyond the limit
//! - `dispatch`: the task of a connection · `input`: reads heads and bodies · `answer`: the request for the service
//! - `response`: writes the response
//! - `connection`: the connection as its task and its requests share it, `state`: its state · `body`: the request body
//! - `upgrade`: offers of other protocols that are forwarded · `rejection_text`: the reason of a rejection for the client
//!
//! Heads and bodies are parsed and encoded by `http1`.

mod admission;
mod answer;
mod body;
mod connection;
mod dispatch;
mod input;
mod rejection_text;
mod response;
mod silent;
mod state;
#[cfg(test)]
mod tests;
mod upgrade;
mod worker;

pub use crate::http1::fields::Fields;
pub use crate::http1::rejection::Rejection;
pub use admission::{Admission, ConnectionLimit, Settings};
pub use answer::Incoming;
pub use connection::Connection;
pub use dispatch::{Dispatcher, Reset};
pub(crate) use rejection_text::rejection_text;
pub use response::Response;
pub use upgrade::UpgradeAllow;
