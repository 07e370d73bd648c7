//! Reasons why a request is refused before it is routed.

use std::time::Duration;

/// The reason why a request or a connection is refused. It is the text of the response, after which the connection is
/// closed.
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
    /// The target is longer than `--max-target` (bytes).
    #[error("The target is longer than {0} bytes (--max-target)")]
    TargetTooLong(usize),
    /// The header section is larger than `--max-header-size` (bytes).
    #[error("The header fields are larger than {0} bytes (--max-header-size)")]
    HeaderTooLarge(usize),
    /// The request has more than this number of header fields.
    #[error("There are more than {0} header fields")]
    TooManyFields(usize),
    /// The body is larger than `--max-body` (bytes).
    #[error("The body is larger than {0} bytes (--max-body)")]
    BodyTooLarge(u64),
    /// The head was not complete within `--client-head-timeout`.
    #[error("The head did not come within {0:?} (--client-head-timeout)")]
    HeadTooSlow(Duration),
    /// No byte of the body arrived for `--client-idle-timeout`.
    #[error("Nothing of the body came for {0:?} (--client-idle-timeout)")]
    BodyTooSlow(Duration),
    /// `--max-connections` connections are open.
    #[error("Too many connections")]
    TooManyConnections,
}
