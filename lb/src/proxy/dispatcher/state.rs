//! The state of a client connection that its task and its requests share.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use actix_http::Version;
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use crate::http1::deadline::Deadline;
use crate::http1::framing::Decoder;
use crate::http1::rejection::Rejection;
use crate::http1::request_head::Scan;

use super::connection::{AHEAD, CONTINUE, MIN_READ, wake};

pub(crate) struct ConnectionState {
    /// Bytes read from the socket and not consumed yet.
    pub(crate) input: BytesMut,
    read_size: usize,
    pub(crate) scan: Scan,
    pub(crate) phase: ConnectionPhase,
    /// The present request is a HEAD, or a rejected one that looks like it.
    pub(crate) is_head: bool,
    /// The version of the present request.
    pub(crate) version: Version,
    /// Whether the client keeps the connection after the present request.
    pub(crate) keep_alive: bool,
    /// Decoder of the request body, with its remaining part.
    pub(crate) body: Decoder,
    /// The request offers another protocol: the bytes after it may not be HTTP.
    pub(crate) offers_upgrade: bool,
    /// Bytes of the body that the size limit still allows.
    pub(crate) body_allowance: u64,
    /// Why the body was rejected; `None`: it was not.
    pub(crate) body_rejection: Option<Rejection>,
    /// The client's direction has ended within a chunked body.
    pub(crate) body_cut_off: bool,
    /// State of the interim response 100 (Continue).
    pub(crate) interim: Interim,
    /// Number of the present request, from 1.
    pub(crate) request: u64,
    /// Whether the present request waits for its response: afterwards a reply 103 would break that.
    pub(crate) awaits_response: bool,
    /// Replies 103 that are to be written.
    pub(crate) early_hints: BytesMut,
    /// A part of `early_hints` is written: nothing else may come before the rest.
    early_hints_begun: bool,
    /// The response has begun, and its length is unknown.
    pub(crate) streams: bool,
    /// The bytes of a tunnel from the client have ended, or are not needed any more.
    pub(crate) upload_ended: bool,
    /// The client has closed its direction, or the connection has failed.
    pub(crate) input_ended: bool,
    /// The client has closed its direction during the present request, and the next check of the connection is armed.
    pub(crate) half_closed: bool,
    /// The connection has failed in both directions.
    pub(crate) broken: bool,
    /// Waker of the connection's task.
    pub(crate) task: Option<Waker>,
    /// Waker of the reader of the body.
    pub(crate) reader: Option<Waker>,
}

/// State of the connection between and during requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionPhase {
    /// No byte of the next request has arrived; `fresh`: nor of any other. The deadline is the idle timeout, after which
    /// the connection is closed without a response.
    Idle { fresh: bool },
    /// A part of a request head has arrived.
    Head,
    /// A request is served; `refused`: it is answered with its rejection. The next one is read when the response is written.
    Serving { refused: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interim {
    /// No interim response is due.
    None,
    /// The client expects a 100 before it sends the body.
    Owed,
    /// The body is being read: this rest of the 100 is still to be written.
    Wanted(&'static [u8]),
}

impl ConnectionState {
    pub(super) fn new() -> Self {
        Self {
            input: BytesMut::new(),
            read_size: MIN_READ,
            scan: Scan::default(),
            phase: ConnectionPhase::Idle { fresh: true },
            is_head: false,
            version: Version::HTTP_11,
            keep_alive: false,
            body: Decoder::Length(0),
            offers_upgrade: false,
            body_allowance: u64::MAX,
            body_rejection: None,
            body_cut_off: false,
            interim: Interim::None,
            request: 0,
            awaits_response: false,
            early_hints: BytesMut::new(),
            early_hints_begun: false,
            streams: false,
            upload_ended: false,
            input_ended: false,
            half_closed: false,
            broken: false,
            task: None,
            reader: None,
        }
    }

    /// Reads more into `input`. It is ready also at the end of the connection, and then sets `input_ended`.
    pub(crate) fn poll_fill(&mut self, io: &mut (impl AsyncRead + Unpin), cx: &mut Context<'_>) -> Poll<()> {
        if self.input.capacity() - self.input.len() < self.read_size / 2 {
            self.input.reserve(self.read_size);
        }
        let spare = self.input.capacity() - self.input.len();
        match pin!(io.read_buf(&mut self.input)).poll(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(0)) => self.input_ended = true,
            Poll::Ready(Err(_)) => (self.input_ended, self.broken) = (true, true),
            Poll::Ready(Ok(n)) if n == spare => self.read_size = (self.read_size * 2).min(AHEAD),
            Poll::Ready(Ok(_)) => {}
        }
        Poll::Ready(())
    }

    /// Writes the interim responses that are due.
    pub(crate) fn poll_interim(
        &mut self,
        io: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early_hints_begun {
            ready!(self.poll_early_hints(io, cx))?;
        }
        while let Interim::Wanted(left) = self.interim {
            self.interim = match ready!(Pin::new(&mut *io).poll_write(cx, left))? {
                n if n == left.len() => Interim::None,
                n => Interim::Wanted(&left[n..]),
            };
        }
        self.poll_early_hints(io, cx)
    }

    fn poll_early_hints(
        &mut self,
        io: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.early_hints.is_empty() {
            let n = ready!(Pin::new(&mut *io).poll_write(cx, &self.early_hints))?;
            self.early_hints.advance(n);
            self.early_hints_begun = !self.early_hints.is_empty();
        }
        Poll::Ready(Ok(()))
    }

    /// The service reads the body: a 100 that the client expects becomes due.
    pub(crate) fn want_body(&mut self) {
        if self.interim == Interim::Owed {
            self.interim = Interim::Wanted(CONTINUE);
            wake(&mut self.task);
        }
    }

    /// Cancels a 100 of which no byte was written, because a response follows.
    pub(crate) fn drop_interim(&mut self) {
        if !matches!(self.interim, Interim::Wanted(left) if left.len() < CONTINUE.len()) {
            self.interim = Interim::None;
        }
    }

    /// Whether no head can follow: a part of the body is unread, or the request offers another protocol.
    pub(crate) fn is_unread(&self) -> bool {
        self.offers_upgrade || !self.body_is_read()
    }

    /// Bytes of the body have arrived: clears their deadline. After the client's FIN it serves to check the connection.
    pub(crate) fn disarm(&self, reading: &Deadline) {
        if !self.input_ended {
            reading.arm(None);
        }
    }

    /// Whether the client has closed its direction before the end of the request body.
    pub(crate) fn is_cut_off(&self) -> bool {
        let is_short = |rest: &u64| *rest > self.input.len() as u64;
        self.body_cut_off || self.input_ended && matches!(&self.body, Decoder::Length(rest) if is_short(rest))
    }

    /// Whether the whole request body was read.
    pub(crate) fn body_is_read(&self) -> bool {
        match &self.body {
            Decoder::Length(left) => *left == 0,
            Decoder::Chunked(chunked) => chunked.is_complete(),
            Decoder::UntilClose => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::task::noop_waker_ref;

    use super::*;

    /// Accepts a number of bytes, then none until more are allowed.
    struct Slow {
        allowed: usize,
        got: Vec<u8>,
    }

    impl AsyncWrite for Slow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let n = bytes.len().min(self.allowed);
            if n == 0 {
                return Poll::Pending;
            }
            self.allowed -= n;
            self.got.extend_from_slice(&bytes[..n]);
            Poll::Ready(Ok(n))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn interim_responses_are_not_mixed() {
        let (hints, cx) = (b"HTTP/1.1 103 Early Hints\r\n\r\n", &mut Context::from_waker(noop_waker_ref()));
        for first in 0..hints.len() + CONTINUE.len() {
            let (mut state, mut io) = (ConnectionState::new(), Slow { allowed: first, got: Vec::new() });
            state.interim = Interim::Owed;
            state.early_hints.extend_from_slice(hints);
            let _ = state.poll_interim(&mut io, cx);
            state.want_body();
            io.allowed = 1000;
            assert!(state.poll_interim(&mut io, cx).is_ready());
            let orders = [[&hints[..], CONTINUE].concat(), [CONTINUE, &hints[..]].concat()];
            assert!(orders.contains(&io.got), "{first}: {}", io.got.escape_ascii());
        }
    }
}
