//! Why a client's bytes are no request that we serve.

use std::time::Duration;

/// Told to the client as the reply to the bytes, after which the connection is closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It breaks the grammar of RFC 9110 and 9112, or can be read in two ways.
    #[error("The request is malformed: {0}")]
    Malformed(&'static str),
    /// CONNECT: this is no forward proxy.
    #[error("CONNECT is not allowed")]
    Connect,
    /// Neither HTTP/1.0 nor HTTP/1.1.
    #[error("Only HTTP/1.0 and HTTP/1.1 are spoken here")]
    Version,
    /// An `Expect` other than `100-continue`.
    #[error("Only '100-continue' can be expected")]
    Expectation,
    /// `--max-target`.
    #[error("The target is longer than {0} bytes (--max-target)")]
    TargetTooLong(usize),
    /// `--max-header-size`.
    #[error("The header fields are larger than {0} bytes (--max-header-size)")]
    HeaderTooLarge(usize),
    /// More fields than any client needs.
    #[error("There are more than {0} header fields")]
    TooManyFields(usize),
    /// `--max-body`.
    #[error("The body is larger than {0} bytes (--max-body)")]
    BodyTooLarge(u64),
    /// `--client-head-timeout`.
    #[error("The head did not come within {0:?} (--client-head-timeout)")]
    HeadTooSlow(Duration),
    /// `--client-idle-timeout`, in the middle of a body.
    #[error("Nothing of the body came for {0:?} (--client-idle-timeout)")]
    BodyTooSlow(Duration),
    /// `--max-connections`.
    #[error("Too many connections")]
    TooManyConnections,
}
