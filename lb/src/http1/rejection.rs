//! Reasons why a request is refused before it is routed.

use std::time::Duration;

/// The reason why a request or a connection is refused; the connection is closed after the response. The dispatcher
/// adds to the text which flag sets the limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The request violates the grammar of RFC 9110 or 9112, or is ambiguous.
    #[error("The request is malformed: {0}")]
    Malformed(&'static str),
    /// The method is CONNECT, which only a forward proxy supports.
    #[error("CONNECT is not allowed")]
    Connect,
    /// The version is neither HTTP/1.0 nor HTTP/1.1.
    #[error("Only HTTP/1.0 and HTTP/1.1 are spoken here")]
    Version,
    /// The request has an `Expect` field other than `100-continue`.
    #[error("Only '100-continue' can be expected")]
    Expectation,
    /// The target is longer than this limit in bytes.
    #[error("The target is longer than {0} bytes")]
    TargetTooLong(usize),
    /// The header section is larger than this limit in bytes.
    #[error("The header fields are larger than {0} bytes")]
    HeaderTooLarge(usize),
    /// The request has more than this number of header fields.
    #[error("There are more than {0} header fields")]
    TooManyFields(usize),
    /// The body is larger than this limit in bytes.
    #[error("The body is larger than {0} bytes")]
    BodyTooLarge(u64),
    /// The head was not complete within this time.
    #[error("The head did not come within {0:?}")]
    HeadTooSlow(Duration),
    /// No byte of the body arrived for this time.
    #[error("Nothing of the body came for {0:?}")]
    BodyTooSlow(Duration),
    /// The limit of open connections is reached.
    #[error("Too many connections")]
    TooManyConnections,
}
