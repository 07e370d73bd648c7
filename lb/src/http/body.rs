//! An answer's body: our own words, or a replica's, streamed.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_http::Payload;
use actix_http::body::{BodySize, MessageBody};
use actix_http::error::PayloadError;
use bytes::Bytes;

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
