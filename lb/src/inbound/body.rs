//! A request's body as the service reads it: exactly what its framing says, and within its bounds.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::error::PayloadError;
use bytes::Bytes;
use futures::Stream;

use crate::upstream::framing::{Decoded, Decoder};

use super::connection::{AHEAD, Connection, State, remember, wake};
use super::refusal::Refusal;

/// The body; after an offer to upgrade, all that follows the head, as it comes.
pub(super) struct Body(pub(super) Rc<Connection>);

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
                    return fail(state, Refusal::BodyTooLarge(settings.max_body.unwrap_or_default()));
                };
                state.room = room;
                Poll::Ready(Some(Ok(bytes)))
            }
            Ok(Decoded::End) => {
                reading.arm(None);
                Poll::Ready(None)
            }
            Ok(Decoded::More) if state.ended && matches!(state.body, Decoder::UntilClose) => {
                Poll::Ready(None)
            }
            Ok(Decoded::More) if state.ended => broken(),
            Ok(Decoded::More) => {
                // An idle tunnel is no stalled body.
                if state.reader.is_none() && !matches!(state.body, Decoder::UntilClose) {
                    reading.arm(Some(settings.idle_timeout));
                }
                remember(&mut state.reader, cx);
                state.want_body();
                Poll::Pending
            }
            Err(_) => fail(state, Refusal::Malformed("the body's chunks break the grammar")),
        }
    }
}

fn fail(state: &mut State, refusal: Refusal) -> Poll<Option<Result<Bytes, PayloadError>>> {
    state.fault = Some(refusal);
    broken()
}

/// The service asks the connection why, when it answers.
fn broken() -> Poll<Option<Result<Bytes, PayloadError>>> {
    Poll::Ready(Some(Err(PayloadError::Incomplete(None))))
}
