//! The request body as the service reads it: decoded by its framing, bounded in size and in time.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::error::PayloadError;
use bytes::Bytes;
use futures::Stream;

use crate::http1::framing::Decoded;

use super::connection::{AHEAD, Connection, store_waker, wake};
use super::state::ConnectionState;
use crate::http1::rejection::Rejection;

/// Stream of the request body of a connection's current request.
pub(crate) struct Body(pub(crate) Rc<Connection>);

impl Stream for Body {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Connection { settings, reading, state, .. } = &*self.0;
        let state = &mut *state.borrow_mut();
        if state.body_rejection.is_some() {
            return broken();
        }
        let full = state.input.len() >= AHEAD;
        match state.body.decode(&mut state.input) {
            Ok(Decoded::Data(bytes)) => {
                state.disarm(reading);
                if full {
                    wake(&mut state.task);
                }
                let Some(allowance) = state.body_allowance.checked_sub(bytes.len() as u64) else {
                    return fail(state, Rejection::BodyTooLarge(settings.max_body.unwrap_or_default()));
                };
                state.body_allowance = allowance;
                Poll::Ready(Some(Ok(bytes)))
            }
            Ok(Decoded::End) => {
                state.disarm(reading);
                Poll::Ready(None)
            }
            Ok(Decoded::More) if state.input_ended => {
                state.body_cut_off = true;
                wake(&mut state.task);
                broken()
            }
            Ok(Decoded::More) => {
                if state.reader.is_none() {
                    reading.arm(Some(settings.idle_timeout));
                }
                store_waker(&mut state.reader, cx);
                state.want_body();
                Poll::Pending
            }
            Err(_) => fail(state, Rejection::Malformed("the body's chunks break the grammar")),
        }
    }
}

/// Stream of the bytes after a request that offers another protocol, until the client closes its direction. There is no
/// deadline: a tunnel may be idle.
pub(crate) struct AfterBody(pub(crate) Rc<Connection>);

impl Stream for AfterBody {
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
        if state.input_ended {
            return Poll::Ready(None);
        }
        store_waker(&mut state.reader, cx);
        Poll::Pending
    }
}

impl Drop for AfterBody {
    /// The replica has all bytes, or its direction is closed.
    fn drop(&mut self) {
        let state = &mut *self.0.state.borrow_mut();
        state.upload_ended = true;
        wake(&mut state.task);
    }
}

fn fail(state: &mut ConnectionState, rejection: Rejection) -> Poll<Option<Result<Bytes, PayloadError>>> {
    state.body_rejection = Some(rejection);
    broken()
}

/// The stream's error. The reason is `ConnectionState::body_rejection`, which the service takes when it answers.
fn broken() -> Poll<Option<Result<Bytes, PayloadError>>> {
    Poll::Ready(Some(Err(PayloadError::Incomplete(None))))
}
