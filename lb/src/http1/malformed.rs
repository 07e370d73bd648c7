//! Reasons why received bytes are not a valid reply.

/// Reasons why received bytes are not a valid reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The status line or a field violates the grammar.
    #[error("{0}")]
    Grammar(#[from] httparse::Error),
    /// The reply does not start with `HTTP/1.`.
    #[error("not HTTP/1")]
    Protocol,
    /// A line ends without a carriage return.
    #[error("bare line feed")]
    BareLineFeed,
    /// A head, a trailer section or a chunk's first line is longer than allowed.
    #[error("head too large")]
    TooLarge,
    /// `Content-Length` is not a number, or there are different values.
    #[error("invalid content-length")]
    ContentLength,
    /// `Transfer-Encoding` is not exactly `chunked`, or is not allowed in this reply (RFC 9112 §6.1).
    #[error("invalid transfer-encoding")]
    TransferEncoding,
    /// A chunk violates the grammar (RFC 9112 §7.1).
    #[error("invalid chunk")]
    Chunk,
    /// The reply is a 101 although no upgrade was offered, or there are too many interim replies.
    #[error("unexpected interim reply")]
    Interim,
    /// The reply is a 101 without a protocol, or with one that was not offered (RFC 9110 §7.8).
    #[error("switched to a protocol that was not offered")]
    Upgrade,
}
