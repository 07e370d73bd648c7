//! A reply's body on its way to the client.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_http::Payload;
use actix_http::error::PayloadError;
use awc::http::StatusCode;
use awc::http::header::HeaderMap;
use bytes::Bytes;
use futures::Stream;

use super::error::Error;
use super::exchange::Exchange;
use super::tunnel::Tunnel;
use crate::http1::framing::{Decoded, Decoder};
use crate::http1::reply_head::ReplyHead;

/// A reply whose head has come.
pub(crate) struct Reply {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its reason phrase, unless it is the usual one.
    pub(crate) reason: Option<&'static str>,
    /// Its fields; see [`ReplyHead`].
    pub(crate) headers: HeaderMap,
    rest: Rest,
}

/// What follows the head.
enum Rest {
    Body(Body),
    Tunnel(Tunnel),
}

/// What came of the body with the head, and where the rest comes from.
struct Body {
    ready: VecDeque<Bytes>,
    rest: Option<Box<(Decoder, Exchange)>>,
}

impl Reply {
    /// Takes what has come of the body already; if that is all, the connection is free at once.
    ///
    /// # Errors
    /// Malformed chunks among it: nothing has reached the client yet, so the whole reply is malformed.
    pub(crate) fn new(head: ReplyHead, mut exchange: Exchange) -> Result<Self, Error> {
        let ReplyHead { status, reason, headers, mut decoder, .. } = head;
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
        Ok(Self { status, reason, headers, rest: Rest::Body(Body { ready, rest }) })
    }

    /// 101, and the tunnel.
    pub(crate) fn tunnel(head: ReplyHead, tunnel: Tunnel) -> Self {
        let ReplyHead { status, reason, headers, .. } = head;
        Self { status, reason, headers, rest: Rest::Tunnel(tunnel) }
    }

    /// What follows the head.
    pub(crate) fn into_payload(self) -> Payload {
        match self.rest {
            Rest::Body(body) if body.rest.is_none() && body.ready.is_empty() => Payload::None,
            Rest::Body(body) => Payload::Stream { payload: Box::pin(body) },
            Rest::Tunnel(tunnel) => Payload::Stream { payload: Box::pin(tunnel) },
        }
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
                    0 => return Poll::Ready(Some(Err(exchange.end(None)))),
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
