//! Bodies: an answer's, our own words or a replica's, streamed; and a client's that was not read to its end.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::Payload;
use actix_http::body::{BodySize, MessageBody};
use actix_http::error::PayloadError;
use bytes::Bytes;
use futures::Stream;

use crate::actors::router::InFlight;

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
    /// The answer to a request whose body may not have been read to its end.
    Early {
        /// The answer's.
        answer: Box<Self>,
        /// The request's.
        request: ClientBody,
    },
}

/// A client's body that is still there when its reader has had enough. A chunked body that was dropped actix would
/// read to its end, however long the client takes; the connection of one that was not, it closes.
#[derive(Clone)]
pub struct ClientBody(Rc<RefCell<Payload>>);

impl ClientBody {
    /// The body of a request; `None` if it has none.
    pub fn of(payload: Payload) -> Option<Self> {
        (!matches!(payload, Payload::None)).then(|| Self(Rc::new(RefCell::new(payload))))
    }

    /// The body, to be read.
    pub fn payload(&self) -> Payload {
        Payload::Stream { payload: Box::pin(self.clone()) }
    }
}

impl MessageBody for Body {
    type Error = PayloadError;

    fn size(&self) -> BodySize {
        match self {
            Self::Own(bytes) => BodySize::Sized(bytes.len() as u64),
            Self::Replica { size, .. } => *size,
            Self::Early { answer, .. } => answer.size(),
        }
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        match self.get_mut() {
            Self::Own(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Own(bytes) => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            Self::Replica { payload, in_flight, .. } => in_flight.poll_body(Pin::new(payload), cx),
            Self::Early { answer, .. } => Pin::new(&mut **answer).poll_next(cx),
        }
    }
}

impl Stream for ClientBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
    }
}
