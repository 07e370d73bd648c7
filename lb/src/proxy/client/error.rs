//! What can go wrong with an attempt, and exactly how far the attempt had come.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use actix_http::error::PayloadError;
use awc::error::SendRequestError;

/// Why an attempt at a replica failed. Travels through awc; [`Error::of`] gets it back.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct Error {
    /// What happened.
    pub kind: Kind,
    /// Whether the kernel took any byte of the request.
    pub sent: bool,
    /// Whether any byte of a reply came, interim replies (1xx) included.
    pub received: bool,
}

/// What happened to an attempt.
#[derive(Debug, thiserror::Error)]
pub enum Kind {
    /// No replica is admitted at the address: it was retired since the caller looked it up.
    #[error("no replica is admitted at {0}")]
    Unknown(SocketAddr),
    /// No connection came about; `ErrorKind::ConnectionRefused` when nobody listens.
    #[error("connection failed: {0}")]
    Connect(#[source] io::Error),
    /// The connection ended before the reply did.
    #[error("connection broke: {0}")]
    Broke(#[source] io::Error),
    /// What came is not an HTTP/1.x reply with unambiguous framing.
    #[error("malformed reply: {0}")]
    Malformed(#[from] Malformed),
    /// Nothing moved for as long as the phase allows.
    #[error("timed out: {0}")]
    TimedOut(Phase),
    /// The replica was called dead while the attempt waited for a reply head.
    #[error("the replica is gone")]
    Aborted,
    /// The client's body failed or was not as long as announced: the client's fault, no replica's.
    #[error("request body failed: {0}")]
    Client(String),
    /// The request cannot be written without breaking HTTP's grammar.
    #[error("request is not valid HTTP: {0}")]
    Request(&'static str),
}

/// What an attempt waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A connection (`connect_timeout`).
    Connect,
    /// The replica, to take the request and to answer it (`head_timeout`, from the last request byte that moved).
    Head,
    /// The client, to send more of its body (`idle_timeout`): the client's fault, no replica's.
    Upload,
    /// More of the reply's body (`idle_timeout`).
    Body,
}

/// Why bytes from a replica are no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The status line or a field breaks the grammar.
    #[error("{0}")]
    Grammar(#[from] httparse::Error),
    /// It does not start with `HTTP/1.`.
    #[error("not HTTP/1")]
    Protocol,
    /// A line ends without a carriage return.
    #[error("bare line feed")]
    BareLineFeed,
    /// A head, a trailer section or a chunk's first line is longer than allowed.
    #[error("head too large")]
    TooLarge,
    /// `Content-Length` is no number, or several.
    #[error("invalid content-length")]
    ContentLength,
    /// `Transfer-Encoding` is not exactly `chunked`, or stands where it must not (RFC 9112 §6.1).
    #[error("invalid transfer-encoding")]
    TransferEncoding,
    /// A chunk breaks the grammar (RFC 9112 §7.1).
    #[error("invalid chunk")]
    Chunk,
    /// 101 although no upgrade was asked for, or interim replies without an end.
    #[error("unexpected interim reply")]
    Interim,
    /// 101 without a protocol, or with one that was not offered (RFC 9110 §7.8).
    #[error("switched to a protocol that was not offered")]
    Upgrade,
}

impl Error {
    /// The layer's own error inside awc's, or `None` if awc refused the request itself (an invalid URL).
    pub fn of(error: &SendRequestError) -> Option<&Self> {
        match error {
            SendRequestError::Custom(error, _) => error.downcast_ref(),
            _ => None,
        }
    }

    /// Whether the replica may have died of the request: it was sent, and the replica broke the connection, refuses a
    /// new one, or is gone, without a byte of a reply.
    pub fn is_loss(&self) -> bool {
        let broke = matches!(self.kind, Kind::Broke(_) | Kind::Aborted | Kind::Connect(_) | Kind::Unknown(_));
        broke && self.sent && !self.received
    }

    /// A request that cannot be written.
    pub fn request(why: &'static str) -> Self {
        Self::untouched(Kind::Request(why))
    }

    /// The layer's own error inside awc's; whatever else awc says means that it refused the request itself.
    pub fn from_awc(error: SendRequestError) -> Self {
        match error {
            SendRequestError::Custom(error, _) => match error.downcast() {
                Ok(error) => *error,
                Err(_) => Self::request("refused by the client"),
            },
            _ => Self::request("refused by the client"),
        }
    }

    /// The layer's own error in a reply's body.
    pub fn of_body(error: &PayloadError) -> Option<&Self> {
        match error {
            PayloadError::Incomplete(Some(error)) => error.get_ref()?.downcast_ref(),
            _ => None,
        }
    }

    /// An error of an attempt that moved no byte.
    pub(crate) fn untouched(kind: Kind) -> Self {
        Self { kind, sent: false, received: false }
    }
}

impl From<Error> for SendRequestError {
    fn from(error: Error) -> Self {
        Self::Custom(Box::new(error), Box::new("upstream"))
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
