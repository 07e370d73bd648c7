//! Errors of an attempt, with the information how far the attempt had come.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use actix_http::error::PayloadError;

use crate::http1::malformed::Malformed;

/// The error of an attempt.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct Error {
    /// The cause of the failure.
    pub kind: Kind,
    /// Whether the kernel accepted any byte of the request.
    pub sent: bool,
    /// Whether any byte of a reply was received, interim replies (1xx) included.
    pub received: bool,
}

/// The cause of a failed attempt.
#[derive(Debug, thiserror::Error)]
pub enum Kind {
    /// No replica is admitted at the address: it was retired after the caller had looked it up.
    #[error("no replica is admitted at {0}")]
    Unknown(SocketAddr),
    /// The connection could not be established; `ErrorKind::ConnectionRefused` if the port is closed.
    #[error("connection failed: {0}")]
    Connect(#[source] io::Error),
    /// The connection ended before the reply was complete.
    #[error("connection broke: {0}")]
    Broke(#[source] io::Error),
    /// The received bytes are not an HTTP/1.x reply with unambiguous framing.
    #[error("malformed reply: {0}")]
    Malformed(#[from] Malformed),
    /// No byte was transferred within the timeout of the phase.
    #[error("timed out: {0}")]
    TimedOut(Phase),
    /// The replica was declared dead while the attempt waited for a connection or a reply head.
    #[error("the replica is gone")]
    Aborted,
    /// The client's body failed or did not have the announced length; not a failure of the replica.
    #[error("request body failed: {0}")]
    Client(String),
    /// The request cannot be written as valid HTTP.
    #[error("request is not valid HTTP: {0}")]
    Request(&'static str),
}

/// The phase of an attempt that timed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for the connection (`connect_timeout`).
    Connect,
    /// Waiting for the replica to accept the request and to send the reply head (`head_timeout`, counted from the last
    /// request byte that was written).
    Head,
    /// Waiting for more of the client's body (`idle_timeout`); not a failure of the replica.
    Upload,
    /// Waiting for more of the reply body (`idle_timeout`).
    Body,
}

impl Error {
    /// Whether the request may have crashed the replica: it was sent, and without a byte of a reply the connection
    /// broke, a new connection failed, or the replica was declared dead.
    pub fn is_loss(&self) -> bool {
        let broke = matches!(self.kind, Kind::Broke(_) | Kind::Aborted | Kind::Connect(_) | Kind::Unknown(_));
        broke && self.sent && !self.received
    }

    /// The error of a request that cannot be sent; see [`Kind::Request`].
    pub fn request(why: &'static str) -> Self {
        Self::untouched(Kind::Request(why))
    }

    /// The error of this layer inside an error of a reply body; `None` for other errors.
    pub fn of_body(error: &PayloadError) -> Option<&Self> {
        match error {
            PayloadError::Incomplete(Some(error)) => error.get_ref()?.downcast_ref(),
            _ => None,
        }
    }

    /// The error of an attempt that transferred no byte.
    pub(crate) fn untouched(kind: Kind) -> Self {
        Self { kind, sent: false, received: false }
    }
}

impl From<Error> for PayloadError {
    fn from(error: Error) -> Self {
        Self::Incomplete(Some(io::Error::other(error)))
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "no connection",
            Self::Head => "no reply head",
            Self::Upload => "no more of the request body",
            Self::Body => "no more of the reply body",
        })
    }
}
