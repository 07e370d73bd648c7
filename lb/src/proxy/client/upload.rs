//! The upload of a request body: frames each chunk of the client for the replica.

use std::fmt::Write;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use awc::body::{BodySize, MessageBody};

use super::connection::Output;
use super::replay::Attempt;

/// A request body that is being sent.
pub(crate) enum Upload {
    /// The whole body was queued.
    Done,
    /// A body of known size, and the number of bytes that are still to be queued.
    Sized(Attempt, u64),
    /// A body of unknown size, sent chunked.
    Chunked(Attempt),
}

impl Upload {
    /// The upload of the body of one attempt; `None` if the request has no body or an empty one.
    pub(crate) fn new(body: Option<Attempt>) -> Self {
        match body.map(|body| (body.size(), body)) {
            Some((BodySize::Sized(size), body)) => Self::Sized(body, size),
            Some((BodySize::Stream, body)) => Self::Chunked(body),
            Some((BodySize::None, _)) | None => Self::Done,
        }
    }

    /// Whether the whole body was queued.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Queues the next chunk if `output` has none. Pending while the client sends none.
    ///
    /// # Errors
    /// The client's body failed or does not have the announced length; the text is the reason.
    pub(crate) fn poll_queue(
        &mut self,
        output: &mut Output,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), String>> {
        while !output.has_data() {
            let body = match self {
                Self::Done => break,
                Self::Sized(body, _) | Self::Chunked(body) => body,
            };
            let chunk =
                ready!(Pin::new(body).poll_next(cx)).transpose().map_err(|error| error.to_string())?;
            match (&mut *self, chunk) {
                (_, Some(chunk)) if chunk.is_empty() => {}
                (Self::Sized(_, missing), Some(chunk)) => {
                    *missing = missing.checked_sub(chunk.len() as u64).ok_or("longer than announced")?;
                    if *missing == 0 {
                        *self = Self::Done;
                    }
                    output.data = chunk;
                }
                (Self::Chunked(_), Some(chunk)) => {
                    write!(output.head, "{:x}\r\n", chunk.len()).map_err(|error| error.to_string())?;
                    (output.data, output.tail) = (chunk, b"\r\n");
                }
                (Self::Chunked(_), None) => {
                    output.tail = b"0\r\n\r\n";
                    *self = Self::Done;
                }
                (Self::Sized(..), None) => return Poll::Ready(Err("shorter than announced".into())),
                (Self::Done, _) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
