//! A reply: its head, and the stream of its body.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_http::Payload;
use actix_http::error::PayloadError;
use awc::http::StatusCode;
use bytes::Bytes;
use futures::Stream;

use super::error::Error;
use super::exchange::Exchange;
use super::tunnel::Tunnel;
use crate::http1::fields::Fields;
use crate::http1::framing::{Decoded, Decoder};
use crate::http1::reply_head::ReplyHead;

/// A reply whose head was received; see `ReplyHead` for the members.
pub struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) reason: Bytes,
    pub(crate) fields: Fields,
    /// The stream of the body or of the tunnel; `Payload::None` if it is empty.
    pub(crate) payload: Payload,
}

/// A body: the bytes received with the head, and the exchange that receives the rest.
struct Body {
    ready: VecDeque<Bytes>,
    /// `None` when the body is complete or has failed.
    rest: Option<Box<(Decoder, Exchange)>>,
}

impl Reply {
    /// A reply with the bytes of the body that were received with the head. If the body is complete, the connection
    /// returns to the pool at once.
    ///
    /// # Errors
    /// These bytes contain a malformed chunk. As nothing was sent to the client yet, the whole reply is malformed.
    pub(crate) fn new(head: ReplyHead, mut exchange: Exchange) -> Result<Self, Error> {
        let ReplyHead { status, reason, fields, mut decoder, .. } = head;
        let mut ready = VecDeque::new();
        let rest = loop {
            match exchange.decode(&mut decoder)? {
                Decoded::Data(chunk) => ready.push_back(chunk),
                Decoded::More => break Some(Box::new((decoder, exchange))),
                Decoded::End => {
                    exchange.finish();
                    break None;
                }
            }
        };
        let payload: Payload = match rest {
            None if ready.is_empty() => Payload::None,
            rest => Payload::Stream { payload: Box::pin(Body { ready, rest }) },
        };
        Ok(Self { status, reason, fields, payload })
    }

    /// The reply 101 and its tunnel.
    pub(crate) fn tunnel(head: ReplyHead, tunnel: Tunnel) -> Self {
        let ReplyHead { status, reason, fields, .. } = head;
        Self { status, reason, fields, payload: Payload::Stream { payload: Box::pin(tunnel) } }
    }
}

impl Body {
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let Some((decoder, exchange)) = self.rest.as_deref_mut() else { return Poll::Ready(None) };
        loop {
            match exchange.decode(decoder)? {
                Decoded::Data(chunk) => return Poll::Ready(Some(Ok(chunk))),
                Decoded::End => break,
                Decoded::More => match ready!(exchange.poll_body(cx))? {
                    0 if decoder.ends_at_close() => break,
                    0 => return Poll::Ready(Some(Err(exchange.broke(None)))),
                    _ => {}
                },
            }
        }
        if let Some(rest) = self.rest.take() {
            rest.1.finish();
        }
        Poll::Ready(None)
    }
}

impl Stream for Body {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(chunk) = self.ready.pop_front() {
            return Poll::Ready(Some(Ok(chunk)));
        }
        let next = ready!(self.poll_rest(cx));
        if matches!(next, Some(Err(_))) {
            self.rest = None;
        }
        Poll::Ready(next.map(|chunk| chunk.map_err(PayloadError::from)))
    }
}
