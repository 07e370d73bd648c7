//! The stream under actix: it lets a request through when it is judged good and the one before is answered.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::connection::{AHEAD, Connection, ConnectionState, State, remember, wake};
use crate::http1::rejection::Rejection;
use crate::http1::request_head;

/// How long a client whose bytes we do not want may go on sending, so that it gets to read why.
const LINGER: Duration = Duration::from_secs(5);

/// Time from one look to the next at a tunnel whose client sends nothing more.
const HALF_CLOSED_CHECK: Duration = Duration::from_secs(5);

/// A socket that can be closed by a reset.
pub trait Reset {
    /// From now on dropping it is a reset, not a clean end.
    fn reset(&self);

    /// Whether the connection has failed. It is needed where nothing is read or written, which would return the error.
    fn has_failed(&self) -> bool;
}

/// A client's socket under guard.
///
/// actix never sees a client's bytes. For each request that is complete and good it gets a *stand-in*, a head of
/// constant bytes that makes it call the service; the request itself, and its body, the service takes from the
/// [`Connection`]. Then nothing until the reply is written: actix encodes a reply by the flags of the head that it
/// read last, so a pipelined HEAD would eat the body of the reply before it. What is refused gets a stand-in too, and
/// the service answers it with the refusal.
pub struct GuardedStream<T> {
    io: T,
    connection: Rc<Connection>,
    stand_in: &'static [u8],
    /// The client takes nothing: its deadline is set.
    stuck: bool,
    /// The client of a tunnel sends nothing more: the time of the next look at the connection is set.
    half_closed: bool,
    /// The end is said; what still comes is thrown away. A socket that is closed with unread bytes is reset, and the
    /// client might lose the reply.
    lingering: bool,
}

impl Reset for TcpStream {
    fn reset(&self) {
        // If this fails it is closed as usual: it is gone already.
        let _ = self.set_zero_linger();
    }

    fn has_failed(&self) -> bool {
        !matches!(self.take_error(), Ok(None))
    }
}

impl<T> GuardedStream<T> {
    pub(crate) fn new(io: T, connection: Rc<Connection>) -> Self {
        Self { io, connection, stand_in: b"", stuck: false, half_closed: false, lingering: false }
    }

    /// What the service needs to know of this connection.
    pub fn connection(&self) -> Rc<Connection> {
        self.connection.clone()
    }
}

impl<T: AsyncRead + AsyncWrite + Reset + Unpin> GuardedStream<T> {
    /// The stand-in of the next request; `None` at the end of the connection.
    fn poll_head(&mut self, state: &mut State, cx: &mut Context<'_>) -> Poll<Option<&'static [u8]>> {
        let Connection { settings, reading, .. } = &*self.connection;
        let mut is_head;
        let arrived = loop {
            is_head = state.input.trim_ascii_start().starts_with(b"HEAD ");
            match request_head::read(&mut state.input, &mut state.scan, settings.head) {
                Ok(None) => {}
                Ok(Some(head)) => break Ok(head),
                Err(refusal) => break Err(refusal),
            }
            if state.ended {
                return Poll::Ready(None);
            }
            if !state.input.is_empty() {
                self.connection.head_begins(state);
            }
            if state.poll_fill(&mut self.io, cx).is_pending() {
                ready!(reading.poll(cx));
                if state.stage == (ConnectionState::Idle { fresh: false }) {
                    return Poll::Ready(None);
                }
                break Err(self.connection.too_slow());
            }
        };
        Poll::Ready(Some(self.connection.begin(state, arrived, is_head)))
    }

    /// While a request is served: its body, and whatever the client sends ahead. Ready when it is gone.
    fn poll_behind(&mut self, state: &mut State, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        remember(&mut state.task, cx);
        if let Poll::Ready(Err(error)) = state.poll_interim(&mut self.io, cx) {
            return Poll::Ready(Err(error));
        }
        while !state.ended && state.input.len() < AHEAD && state.poll_fill(&mut self.io, cx).is_ready() {
            wake(&mut state.reader);
        }
        let reading = &self.connection.reading;
        if matches!(state.stage, ConnectionState::Serving { tunnel: true, .. }) && state.ended {
            // The replica may go on for as long as it likes, and a client that has vanished then is not noticed.
            if !std::mem::replace(&mut self.half_closed, true) || reading.poll(cx).is_ready() {
                state.broken |= self.io.has_failed();
                reading.arm(Some(HALF_CLOSED_CHECK));
            }
            let _ = reading.poll(cx);
        } else if reading.poll(cx).is_ready() {
            reading.arm(None);
            state.fault = Some(Rejection::BodyTooSlow(self.connection.settings.idle_timeout));
            wake(&mut state.reader);
        }
        match state.stage {
            ConnectionState::Serving { tunnel: true, .. } if state.broken => Poll::Ready(Ok(())),
            // A refusal is told also to those who will send nothing more; of a tunnel only one direction has ended.
            ConnectionState::Serving { refused: false, tunnel: false } if state.ended => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    }

    /// Throws away what comes until the client has closed, or has had its time.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let state = &mut *self.connection.state.borrow_mut();
        loop {
            state.input.clear();
            if state.ended || self.connection.reading.poll(cx).is_ready() {
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
            this.stand_in = match state.stage {
                ConnectionState::Idle { .. } | ConnectionState::Head => {
                    match ready!(this.poll_head(state, cx)) {
                        Some(stand_in) => stand_in,
                        None => return Poll::Ready(Ok(())),
                    }
                }
                ConnectionState::Serving { .. } => return this.poll_behind(state, cx),
                ConnectionState::Last => return Poll::Ready(Ok(())),
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
            if std::mem::take(&mut this.stuck) {
                writing.arm(None);
            }
            return Poll::Ready(written);
        }
        if !std::mem::replace(&mut this.stuck, true) {
            writing.arm(Some(settings.idle_timeout));
        }
        writing.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    /// actix calls it when it has handed everything over to [`poll_write`](Self::poll_write).
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.io).poll_flush(cx))?;
        let state = &mut *this.connection.state.borrow_mut();
        if state.cut {
            if state.reset {
                this.io.reset();
            }
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if state.replied && matches!(state.stage, ConnectionState::Serving { .. }) {
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
