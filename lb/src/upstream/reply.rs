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
use super::framing::{Decoded, Decoder};

/// A reply whose head has come.
pub(super) struct Reply {
    /// Its status.
    pub(super) status: StatusCode,
    /// Its fields; see [`super::head::ReplyHead`].
    pub(super) headers: HeaderMap,
    body: Body,
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
    pub(super) fn new(
        status: StatusCode,
        headers: HeaderMap,
        mut decoder: Decoder,
        mut exchange: Exchange,
    ) -> Result<Self, Error> {
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
        Ok(Self { status, headers, body: Body { ready, rest } })
    }

    /// The parts: status, fields, body.
    pub(super) fn into_parts(self) -> (StatusCode, HeaderMap, Payload) {
        let over = self.body.rest.is_none() && self.body.ready.is_empty();
        let body: Payload =
            if over { Payload::None } else { Payload::Stream { payload: Box::pin(self.body) } };
        (self.status, self.headers, body)
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
