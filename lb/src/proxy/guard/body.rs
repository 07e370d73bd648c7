//! A request's body as the service reads it: exactly what its framing says, and within its bounds.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::error::PayloadError;
use bytes::Bytes;
use futures::Stream;

use crate::http1::framing::Decoded;

use super::connection::{AHEAD, Connection, State, remember, wake};
use crate::http1::rejection::Rejection;

/// The body.
pub(crate) struct Body(pub(crate) Rc<Connection>);

impl Stream for Body {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Connection { settings, reading, state, .. } = &*self.0;
        let state = &mut *state.borrow_mut();
        if state.fault.is_some() {
            return broken();
        }
        let full = state.input.len() >= AHEAD;
        match state.body.decode(&mut state.input) {
            Ok(Decoded::Data(bytes)) => {
                reading.arm(None);
                if full {
                    wake(&mut state.task);
                }
                let Some(room) = state.room.checked_sub(bytes.len() as u64) else {
                    return fail(state, Rejection::BodyTooLarge(settings.max_body.unwrap_or_default()));
                };
                state.room = room;
                Poll::Ready(Some(Ok(bytes)))
            }
            Ok(Decoded::End) => {
                reading.arm(None);
                Poll::Ready(None)
            }
            Ok(Decoded::More) if state.ended => broken(),
            Ok(Decoded::More) => {
                if state.reader.is_none() {
                    reading.arm(Some(settings.idle_timeout));
                }
                remember(&mut state.reader, cx);
                state.want_body();
                Poll::Pending
            }
            Err(_) => fail(state, Rejection::Malformed("the body's chunks break the grammar")),
        }
    }
}

/// What the client sends after a request that offers another protocol, byte for byte, until it sends nothing more. No
/// deadline: a tunnel may be idle.
pub(crate) struct Following(pub(crate) Rc<Connection>);

impl Stream for Following {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let state = &mut *self.0.state.borrow_mut();
        if !state.body_is_read() || state.broken {
            return broken();
        }
        if !state.input.is_empty() {
            if state.input.len() >= AHEAD {
                wake(&mut state.task);
            }
            return Poll::Ready(Some(Ok(state.input.split().freeze())));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        remember(&mut state.reader, cx);
        Poll::Pending
    }
}

fn fail(state: &mut State, refusal: Rejection) -> Poll<Option<Result<Bytes, PayloadError>>> {
    state.fault = Some(refusal);
    broken()
}

/// The service asks the connection why, when it answers.
fn broken() -> Poll<Option<Result<Bytes, PayloadError>>> {
    Poll::Ready(Some(Err(PayloadError::Incomplete(None))))
}
