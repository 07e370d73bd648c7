//! What a connection reads from its client: heads, and during a request its body, pipelined bytes and its FIN.

use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_http::Request;
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::{AHEAD, Connection, store_waker, wake};
use super::dispatch::Reset;
use super::state::{ConnectionPhase, ConnectionState};
use crate::http1::fields::Fields;
use crate::http1::rejection::Rejection;
use crate::http1::request_head;

/// Interval of checks for a failed connection while a client that has closed its direction waits for its response.
const HALF_CLOSED_CHECK: Duration = Duration::from_secs(1);

impl Connection {
    /// The next request or its rejection; `None` at the end of the connection.
    pub(super) fn poll_head<T: AsyncRead + Unpin>(
        self: &Rc<Self>,
        io: &mut T,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<(Request, Fields), Rejection>>> {
        let state = &mut *self.state.borrow_mut();
        let mut is_head;
        let request = loop {
            is_head = state.input.trim_ascii_start().starts_with(b"HEAD ");
            match request_head::read(&mut state.input, &mut state.scan, self.settings.head) {
                Ok(None) => {}
                Ok(Some(head)) => break Ok(head),
                Err(rejection) => break Err(rejection),
            }
            if state.input_ended {
                return Poll::Ready(None);
            }
            if !state.input.is_empty() {
                self.head_begins(state);
            }
            if state.poll_fill(io, cx).is_pending() {
                // Only now: a request that has arrived is answered.
                if self.worker.is_draining() && state.input.is_empty() {
                    return Poll::Ready(None);
                }
                ready!(self.reading.poll(cx));
                // A client that uses the connection later would take a response for that of its request.
                if matches!(state.phase, ConnectionPhase::Idle { .. }) {
                    return Poll::Ready(None);
                }
                break Err(self.too_slow());
            }
        };
        Poll::Ready(Some(self.begin(state, request, is_head)))
    }

    /// Reads the body and pipelined bytes while a request is served, and writes a 100 that is due. Ready when the client is
    /// gone: the connection has failed, the body cannot become complete, or its stream ends.
    pub(super) fn poll_input<T: AsyncRead + AsyncWrite + Reset + Unpin>(
        &self,
        io: &mut T,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let state = &mut *self.state.borrow_mut();
        store_waker(&mut state.task, cx);
        if let Poll::Ready(Err(_)) = state.poll_interim(io, cx) {
            return Poll::Ready(());
        }
        self.read_ahead(state, io, cx);
        if state.input_ended {
            // The response may take any time, and without reads only this check detects a failed connection.
            if !std::mem::replace(&mut state.half_closed, true) || self.reading.poll(cx).is_ready() {
                state.broken |= io.has_failed();
                self.reading.arm(Some(HALF_CLOSED_CHECK));
            }
            let _ = self.reading.poll(cx);
        } else if self.reading.poll(cx).is_ready() {
            self.reading.arm(None);
            state.body_rejection = Some(Rejection::BodyTooSlow(self.settings.idle_timeout));
            wake(&mut state.reader);
        }
        // Otherwise a FIN ends further requests only: the client may still read. A rejection is sent in any case.
        let stream_ends = self.settings.fin_ends_streams && state.streams && state.input_ended;
        let refused = matches!(state.phase, ConnectionPhase::Serving { refused: true });
        if !refused && (state.broken || state.is_cut_off() || stream_ends) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Reads the rest of a tunnel whose replica has closed its direction. Ready when the replica has everything, when the
    /// client is gone, or when it sends nothing for the idle timeout.
    pub(super) fn poll_tunnel_end<T: AsyncRead + Unpin>(&self, io: &mut T, cx: &mut Context<'_>) -> Poll<()> {
        let state = &mut *self.state.borrow_mut();
        store_waker(&mut state.task, cx);
        let has_read = self.read_ahead(state, io, cx);
        if state.input_ended || state.input.len() >= AHEAD {
            self.reading.arm(None); // the replica is awaited, not the client
        } else if has_read {
            self.reading.arm(Some(self.settings.idle_timeout));
        }
        if state.upload_ended || state.broken { Poll::Ready(()) } else { self.reading.poll(cx) }
    }

    /// Discards input until the client closes or the deadline expires.
    pub(super) fn poll_discard<T: AsyncRead + Unpin>(&self, io: &mut T, cx: &mut Context<'_>) -> Poll<()> {
        let state = &mut *self.state.borrow_mut();
        loop {
            state.input.clear();
            if state.input_ended || self.reading.poll(cx).is_ready() {
                return Poll::Ready(());
            }
            ready!(state.poll_fill(io, cx));
        }
    }

    /// Reads up to [`AHEAD`] bytes and wakes the reader of the body; returns whether anything happened.
    fn read_ahead<T: AsyncRead + Unpin>(
        &self,
        state: &mut ConnectionState,
        io: &mut T,
        cx: &mut Context<'_>,
    ) -> bool {
        let mut has_read = false;
        while !state.input_ended && state.input.len() < AHEAD && state.poll_fill(io, cx).is_ready() {
            wake(&mut state.reader);
            has_read = true;
        }
        has_read
    }
}
