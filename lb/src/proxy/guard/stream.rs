//! The stream below actix: it passes a request on when it is valid and the one before is answered.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::connection::{AHEAD, Connection, store_waker, wake};
use super::state::{ConnectionPhase, ConnectionState};
use crate::http1::rejection::Rejection;
use crate::http1::request_head;

/// Time for which unread bytes of a client are discarded after the response, so that it can read the response.
const LINGER: Duration = Duration::from_secs(5);

/// Interval of checks for a failed connection while a client that has closed its direction waits for its response.
const HALF_CLOSED_CHECK: Duration = Duration::from_secs(1);

/// A socket that can be closed by a reset.
pub trait Reset {
    /// Makes the close on drop a reset (RST) instead of a FIN.
    fn reset(&self);

    /// Whether the connection has failed; for times without a read or write, which would return the error.
    fn has_failed(&self) -> bool;
}

/// The socket of a client as actix reads and writes it.
///
/// actix never sees the bytes of a client. For each valid request it gets a *stand-in*, a head of constant bytes that
/// makes it call the service, which takes the request and its body from the [`Connection`]. actix gets no further
/// stand-in until the response is written: it encodes a response by the flags of the head that it read last, so a
/// pipelined HEAD would remove the body of the response before it. A rejected request gets a stand-in too, and the
/// service answers it with the rejection.
pub struct GuardedStream<T> {
    io: T,
    connection: Rc<Connection>,
    stand_in: &'static [u8],
    /// A write is blocked, and its deadline is armed.
    write_blocked: bool,
    /// The client has closed its direction during the present request, and the next check of the connection is armed.
    half_closed: bool,
    /// The FIN is sent, and further bytes are discarded. Closing a socket with unread bytes would reset the connection,
    /// and the client might lose the response.
    lingering: bool,
}

impl Reset for TcpStream {
    fn reset(&self) {
        // On failure the socket is closed normally: the connection has ended already.
        let _ = self.set_zero_linger();
    }

    fn has_failed(&self) -> bool {
        !matches!(self.take_error(), Ok(None))
    }
}

impl<T> GuardedStream<T> {
    pub(crate) fn new(io: T, connection: Rc<Connection>) -> Self {
        Self { io, connection, stand_in: b"", write_blocked: false, half_closed: false, lingering: false }
    }

    /// The shared state of the connection, which the service needs as connection data.
    pub fn connection(&self) -> Rc<Connection> {
        self.connection.clone()
    }
}

impl<T: AsyncRead + AsyncWrite + Reset + Unpin> GuardedStream<T> {
    /// The stand-in of the next request; `None` at the end of the connection.
    fn poll_head(
        &mut self,
        state: &mut ConnectionState,
        cx: &mut Context<'_>,
    ) -> Poll<Option<&'static [u8]>> {
        let Connection { settings, reading, .. } = &*self.connection;
        let mut is_head;
        let request = loop {
            is_head = state.input.trim_ascii_start().starts_with(b"HEAD ");
            match request_head::read(&mut state.input, &mut state.scan, settings.head) {
                Ok(None) => {}
                Ok(Some(head)) => break Ok(head),
                Err(rejection) => break Err(rejection),
            }
            if state.input_ended {
                return Poll::Ready(None);
            }
            if !state.input.is_empty() {
                self.connection.head_begins(state);
            }
            if state.poll_fill(&mut self.io, cx).is_pending() {
                ready!(reading.poll(cx));
                // A client that uses the connection later would take a response for that of its request.
                if matches!(state.phase, ConnectionPhase::Idle { .. }) {
                    return Poll::Ready(None);
                }
                break Err(self.connection.too_slow());
            }
        };
        self.half_closed = false;
        Poll::Ready(Some(self.connection.begin(state, request, is_head)))
    }

    /// Reads the body and pipelined bytes while a request is served. Ready when the client is gone: the connection has
    /// failed, the body cannot become complete, or its stream ends.
    fn poll_serving(&mut self, state: &mut ConnectionState, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        store_waker(&mut state.task, cx);
        if let Poll::Ready(Err(error)) = state.poll_interim(&mut self.io, cx) {
            return Poll::Ready(Err(error));
        }
        while !state.input_ended && state.input.len() < AHEAD && state.poll_fill(&mut self.io, cx).is_ready()
        {
            wake(&mut state.reader);
        }
        let Connection { settings, reading, .. } = &*self.connection;
        if state.input_ended {
            // The response may take any time, and without reads only this check detects a failed connection.
            if !std::mem::replace(&mut self.half_closed, true) || reading.poll(cx).is_ready() {
                state.broken |= self.io.has_failed();
                reading.arm(Some(HALF_CLOSED_CHECK));
            }
            let _ = reading.poll(cx);
        } else if reading.poll(cx).is_ready() {
            reading.arm(None);
            state.body_rejection = Some(Rejection::BodyTooSlow(settings.idle_timeout));
            wake(&mut state.reader);
        }
        // Otherwise a FIN ends further requests only: the client may still read. A rejection is sent in any case.
        let stream_ends = settings.fin_ends_streams && state.streams && state.input_ended;
        let refused = matches!(state.phase, ConnectionPhase::Serving { refused: true, .. });
        if !refused && (state.broken || state.is_cut_off() || stream_ends) {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    /// Discards input until the client closes or the deadline expires.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let state = &mut *self.connection.state.borrow_mut();
        loop {
            state.input.clear();
            if state.input_ended || self.connection.reading.poll(cx).is_ready() {
                return Poll::Ready(());
            }
            ready!(state.poll_fill(&mut self.io, cx));
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Reset + Unpin> AsyncRead for GuardedStream<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.stand_in.is_empty() {
            let connection = this.connection.clone();
            let state = &mut *connection.state.borrow_mut();
            this.stand_in = match state.phase {
                ConnectionPhase::Idle { .. } | ConnectionPhase::Head => {
                    match ready!(this.poll_head(state, cx)) {
                        Some(stand_in) => stand_in,
                        None => return Poll::Ready(Ok(())),
                    }
                }
                ConnectionPhase::Serving { .. } => return this.poll_serving(state, cx),
                ConnectionPhase::Last => return Poll::Ready(Ok(())),
            };
        }
        let (now, later) = this.stand_in.split_at(this.stand_in.len().min(buffer.remaining()));
        buffer.put_slice(now);
        this.stand_in = later;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Reset + Unpin> AsyncWrite for GuardedStream<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let Connection { settings, writing, state, .. } = &*this.connection;
        let mut write = |cx: &mut Context<'_>| {
            ready!(state.borrow_mut().poll_interim(&mut this.io, cx))?;
            Pin::new(&mut this.io).poll_write(cx, bytes)
        };
        if let Poll::Ready(written) = write(cx) {
            if std::mem::take(&mut this.write_blocked) {
                writing.arm(None);
            }
            return Poll::Ready(written);
        }
        if !std::mem::replace(&mut this.write_blocked, true) {
            writing.arm(Some(settings.idle_timeout));
        }
        writing.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    /// actix calls this when it has passed all bytes to [`poll_write`](Self::poll_write).
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.io).poll_flush(cx))?;
        let state = &mut *this.connection.state.borrow_mut();
        if state.response_failed {
            if state.close_by_reset {
                this.io.reset();
            }
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if state.response_taken && matches!(state.phase, ConnectionPhase::Serving { .. }) {
            this.connection.finish(state, cx);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.lingering {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            if !this.connection.expects_more() {
                return Poll::Ready(Ok(()));
            }
            this.connection.reading.arm(Some(LINGER));
            this.lingering = true;
        }
        this.poll_linger(cx).map(Ok)
    }
}
