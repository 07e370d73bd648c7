//! State of a client connection, shared by the guarded stream and the service: its current request and its progress.

use std::cell::RefCell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix_http::{Method, Version};
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use crate::http1::deadline::Deadline;
use crate::http1::framing::{Chunked, Decoder};

use super::acceptor::{ConnectionPermit, Settings};
use crate::http1::rejection::Rejection;
use crate::http1::request_head::{Framing, Head, Scan};

/// Maximum number of bytes read ahead while a request is served. Beyond it the socket is not read.
pub(crate) const AHEAD: usize = 64 * 1024;
/// Initial size of a read in bytes, enough for most heads. It doubles up to [`AHEAD`] while reads fill it.
const MIN_READ: usize = 4 * 1024;

/// Maximum time of a connection beyond `--max-connections` until its request, which is answered 503.
const REJECTED_TIMEOUT: Duration = Duration::from_secs(1);

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A client connection, bound to the thread of its worker.
pub struct Connection {
    pub(crate) settings: Rc<Settings>,
    /// Deadline for bytes from the client: a head, or more of a body.
    pub(crate) reading: Deadline,
    /// Deadline for the client to read more of a response.
    pub(crate) writing: Deadline,
    permit: RefCell<ConnectionPermit>,
    pub(crate) state: RefCell<State>,
}

pub(crate) struct State {
    /// Bytes read from the socket and not consumed yet.
    pub(crate) input: BytesMut,
    read_size: usize,
    pub(crate) scan: Scan,
    pub(crate) stage: ConnectionState,
    /// The request, or its rejection, until the service takes it.
    pub(crate) pending_request: Option<Result<Head, Rejection>>,
    /// Decoder of the request body, with its remaining part.
    pub(crate) body: Decoder,
    /// The request offers another protocol: the bytes after it may not be HTTP.
    pub(crate) offers_upgrade: bool,
    /// Bytes of the body that the size limit still allows.
    pub(crate) body_allowance: u64,
    /// Why the body was rejected; `None`: it was not.
    pub(crate) body_rejection: Option<Rejection>,
    /// State of the interim response 100 (Continue).
    pub(crate) interim: Interim,
    /// actix has taken the whole response body.
    pub(crate) replied: bool,
    /// The response body failed: the connection must be closed.
    pub(crate) response_failed: bool,
    /// The close must be a reset: with a body that ends by close, a FIN would look like its end.
    pub(crate) close_by_reset: bool,
    /// The client has closed its direction, or the connection has failed.
    pub(crate) input_ended: bool,
    /// The connection has failed in both directions.
    pub(crate) broken: bool,
    /// Waker of the connection's task (actix).
    pub(crate) task: Option<Waker>,
    /// Waker of the reader of the body.
    pub(crate) reader: Option<Waker>,
}

/// State of the connection between and during requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionState {
    /// No byte of the next request has arrived. The deadline is the idle timeout; if `fresh`, the head timeout.
    Idle { fresh: bool },
    /// A part of a request head has arrived.
    Head,
    /// actix serves the request and gets no other until its response is written.
    Serving { refused: bool, tunnel: bool },
    /// No further request is read; the connection is closed.
    Last,
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

impl Connection {
    pub(crate) fn new(
        settings: Rc<Settings>,
        reading: Deadline,
        writing: Deadline,
        permit: ConnectionPermit,
    ) -> Self {
        // A connection beyond the limit is kept only to answer its request with 503.
        let timeout = if permit.is_granted() {
            settings.head_timeout
        } else {
            settings.head_timeout.min(REJECTED_TIMEOUT)
        };
        reading.arm(Some(timeout));
        let (permit, state) = (RefCell::new(permit), RefCell::new(State::new()));
        Self { settings, reading, writing, permit, state }
    }

    /// Starts serving a request and returns the stand-in that actix reads in its place. `head`: whether a request that
    /// could not be parsed looks like a HEAD.
    pub(crate) fn begin(
        &self,
        state: &mut State,
        request: Result<Head, Rejection>,
        head: bool,
    ) -> &'static [u8] {
        self.reading.arm(None);
        let head = request.as_ref().map_or(head, |request| request.method == Method::HEAD);
        let request = request.and_then(|request| self.validate(request));
        let stand_in = match &request {
            Ok(request) => stand_in(head, request.version, request.keep_alive),
            Err(_) => stand_in(head, Version::HTTP_11, false),
        };
        (state.body, state.interim, state.body_rejection) = (Decoder::Length(0), Interim::None, None);
        state.offers_upgrade = request.as_ref().is_ok_and(|head| head.upgrade);
        if let Ok(head) = &request {
            state.body = match head.framing {
                Framing::None => Decoder::Length(0),
                Framing::Length(length) => Decoder::Length(length.get()),
                Framing::Chunked => Decoder::Chunked(Chunked::default()),
            };
            state.body_allowance = self.settings.max_body.unwrap_or(u64::MAX);
            if head.expects_continue && head.framing != Framing::None {
                state.interim = Interim::Owed;
            }
        }
        state.stage = ConnectionState::Serving { refused: request.is_err(), tunnel: false };
        state.pending_request = Some(request);
        stand_in
    }

    /// The response is written: the next request may begin, unless a part of this one is unread.
    pub(crate) fn finish(&self, state: &mut State, cx: &Context<'_>) {
        state.replied = false;
        if state.is_unread() || matches!(state.stage, ConnectionState::Serving { refused: true, .. }) {
            state.stage = ConnectionState::Last;
            return;
        }
        state.stage = ConnectionState::Idle { fresh: false };
        self.reading.arm(Some(self.settings.idle_timeout));
        if !state.input.is_empty() {
            // The bytes arrived earlier, so the socket causes no further wake-up.
            cx.waker().wake_by_ref();
        }
    }

    /// Whether the client may still send bytes that are not going to be read.
    pub(crate) fn expects_more(&self) -> bool {
        let state = self.state.borrow();
        let refused =
            matches!(state.stage, ConnectionState::Serving { refused: true, .. } | ConnectionState::Last);
        !state.input_ended && (refused || state.is_unread() || !state.input.is_empty())
    }

    /// The first byte of a request head has arrived: starts the head timeout. On a fresh connection it runs already.
    pub(crate) fn head_begins(&self, state: &mut State) {
        if state.stage == (ConnectionState::Idle { fresh: false }) {
            self.reading.arm(Some(self.settings.head_timeout));
        }
        state.stage = ConnectionState::Head;
    }

    /// Whether the connection is within the limit and has sent no byte.
    pub(crate) fn is_silent(&self) -> bool {
        let state = self.state.borrow();
        let untouched = state.stage == ConnectionState::Idle { fresh: true }
            && state.input.is_empty()
            && !state.input_ended;
        untouched && self.permit.borrow().is_granted()
    }

    /// Closes the connection, which [is silent](Self::is_silent), without a response, and returns its permit.
    pub(crate) fn evict(&self) -> ConnectionPermit {
        self.state.borrow_mut().input_ended = true;
        self.reading.wake();
        self.permit.take()
    }

    /// The rejection of a connection on which no head arrived in time.
    pub(crate) fn too_slow(&self) -> Rejection {
        if self.permit.borrow().is_granted() {
            Rejection::HeadTooSlow(self.settings.head_timeout)
        } else {
            Rejection::TooManyConnections
        }
    }

    fn validate(&self, mut head: Head) -> Result<Head, Rejection> {
        head.upgrade = head.upgrade && self.settings.upgrade_allow.filter(&mut head.headers);
        if !self.permit.borrow().is_granted() {
            return Err(Rejection::TooManyConnections);
        }
        match (head.framing, self.settings.max_body) {
            (Framing::Length(length), Some(max)) if length.get() > max => Err(Rejection::BodyTooLarge(max)),
            _ => Ok(head),
        }
    }
}

impl State {
    fn new() -> Self {
        Self {
            input: BytesMut::new(),
            read_size: MIN_READ,
            scan: Scan::default(),
            stage: ConnectionState::Idle { fresh: true },
            pending_request: None,
            body: Decoder::Length(0),
            offers_upgrade: false,
            body_allowance: u64::MAX,
            body_rejection: None,
            interim: Interim::None,
            replied: false,
            response_failed: false,
            close_by_reset: false,
            input_ended: false,
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

    /// Writes the rest of a 100, if one is due.
    pub(crate) fn poll_interim(
        &mut self,
        io: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Interim::Wanted(left) = self.interim {
            self.interim = match std::task::ready!(Pin::new(&mut *io).poll_write(cx, left))? {
                n if n == left.len() => Interim::None,
                n => Interim::Wanted(&left[n..]),
            };
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

    /// Whether the whole request body was read.
    pub(crate) fn body_is_read(&self) -> bool {
        matches!(self.body, Decoder::Length(0) | Decoder::Chunked(Chunked::End))
    }
}

/// Wakes and clears the waker.
pub(crate) fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// Stores the waker of `cx`, unless it is stored already.
pub(crate) fn store_waker(waker: &mut Option<Waker>, cx: &Context<'_>) {
    if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
        *waker = Some(cx.waker().clone());
    }
}

/// The head that actix reads in place of a request. actix encodes a response by these three properties.
fn stand_in(head: bool, version: Version, keep_alive: bool) -> &'static [u8] {
    match (head, version == Version::HTTP_11, keep_alive) {
        (false, true, true) => b"GET / HTTP/1.1\r\nhost:h\r\n\r\n",
        (false, true, false) => b"GET / HTTP/1.1\r\nhost:h\r\nconnection:close\r\n\r\n",
        (false, false, true) => b"GET / HTTP/1.0\r\nconnection:keep-alive\r\n\r\n",
        (false, false, false) => b"GET / HTTP/1.0\r\n\r\n",
        (true, true, true) => b"HEAD / HTTP/1.1\r\nhost:h\r\n\r\n",
        (true, true, false) => b"HEAD / HTTP/1.1\r\nhost:h\r\nconnection:close\r\n\r\n",
        (true, false, true) => b"HEAD / HTTP/1.0\r\nconnection:keep-alive\r\n\r\n",
        (true, false, false) => b"HEAD / HTTP/1.0\r\n\r\n",
    }
}
