//! An answer's body: our own words, or a replica's, streamed.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::Payload;
use actix_http::body::{BodySize, MessageBody};
use actix_http::error::PayloadError;
use bytes::Bytes;

use super::router;
use super::router::{InFlight, RequestLog};

/// What follows the head.
pub enum Body {
    /// Ours.
    Own(Bytes),
    /// The replica's; in flight until it is dropped.
    Replica {
        /// The bytes.
        payload: Payload,
        /// How many the head announces.
        size: BodySize,
        /// The request that it ends.
        in_flight: InFlight,
    },
}

/// A body and the request that it answers, which ends with it.
pub struct LoggedBody {
    body: Body,
    request_log: Rc<RequestLog>,
    /// Nothing of it is still to be sent.
    done: bool,
}

impl LoggedBody {
    /// The body of a request's answer.
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
            Poll::Ready(Some(Ok(bytes))) => request_log.info().bytes += bytes.len() as u64,
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
