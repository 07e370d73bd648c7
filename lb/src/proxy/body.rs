//! The response body: made by the balancer, or streamed from a replica.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::Payload;
use actix_http::body::{BodySize, MessageBody};
use actix_http::error::PayloadError;
use bytes::Bytes;

use super::router;
use super::router::{InFlight, RequestLog};

/// The body of a response, by its origin.
pub enum Body {
    /// Made by the balancer.
    Own(Bytes),
    /// Streamed from a replica; the request counts as in flight until this is dropped.
    Replica {
        /// The stream of the reply's body.
        payload: Payload,
        /// The size that the reply head announces.
        size: BodySize,
        /// Ends the request in flight when it is dropped.
        in_flight: InFlight,
    },
}

/// A response body that records its bytes and errors in the request log, and completes the log when it is dropped.
pub struct LoggedBody {
    body: Body,
    request_log: Rc<RequestLog>,
    /// The body was sent whole or failed; a drop before that means that the client disconnected.
    done: bool,
}

impl LoggedBody {
    /// Wraps a response body. A drop before its end is logged as a disconnected client.
    pub fn new(body: Body, request_log: Rc<RequestLog>) -> Self {
        let done = matches!(body.size(), BodySize::None | BodySize::Sized(0));
        Self { body, request_log, done }
    }
}

impl MessageBody for Body {
    type Error = PayloadError;

    fn size(&self) -> BodySize {
        match self {
            Self::Own(bytes) => BodySize::Sized(bytes.len() as u64),
            Self::Replica { size, .. } => *size,
        }
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        match self.get_mut() {
            Self::Own(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Own(bytes) => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            Self::Replica { payload, in_flight, .. } => in_flight.poll_body(Pin::new(payload), cx),
        }
    }
}

impl MessageBody for LoggedBody {
    type Error = PayloadError;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        let Self { body, request_log, done } = self.get_mut();
        let next = Pin::new(body).poll_next(cx);
        match &next {
            Poll::Ready(Some(Ok(bytes))) => request_log.add_bytes(bytes.len() as u64),
            Poll::Ready(Some(Err(error))) => {
                request_log.fail(error);
                *done = true;
            }
            Poll::Ready(None) => *done = true,
            Poll::Pending => {}
        }
        next
    }
}

impl Drop for LoggedBody {
    fn drop(&mut self) {
        if !self.done {
            self.request_log.fail(&router::Error::ClientLeft);
        }
    }
}
