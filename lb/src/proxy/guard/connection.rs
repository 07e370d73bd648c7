//! State of a client connection, shared by the guarded stream and the service: its current request and its progress.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use actix_http::{Method, Version};

use crate::http1::chunk_line::Grammar;
use crate::http1::deadline::Deadline;
use crate::http1::framing::{Chunked, Decoder};

use super::admission::{ConnectionPermit, Settings};
use super::state::{ConnectionPhase, ConnectionState, Interim};
use crate::http1::rejection::Rejection;
use crate::http1::request_head::{Framing, Head};

/// Maximum number of bytes read ahead while a request is served. Beyond it the socket is not read.
pub(crate) const AHEAD: usize = 64 * 1024;
/// Initial size of a read in bytes, enough for most heads. It doubles up to [`AHEAD`] while reads fill it.
pub(super) const MIN_READ: usize = 4 * 1024;

/// Maximum time of a connection beyond `--max-connections` until its request, which is answered 503.
const REJECTED_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A client connection, bound to the thread of its worker.
pub struct Connection {
    pub(crate) settings: Rc<Settings>,
    /// Deadline for bytes from the client: a head, or more of a body.
    pub(crate) reading: Deadline,
    /// Deadline for the client to read more of a response.
    pub(crate) writing: Deadline,
    permit: RefCell<ConnectionPermit>,
    pub(crate) state: RefCell<ConnectionState>,
}

impl Connection {
    pub(crate) fn new(
        settings: Rc<Settings>,
        reading: Deadline,
        writing: Deadline,
        permit: ConnectionPermit,
    ) -> Self {
        let (permit, state) = (RefCell::new(permit), RefCell::new(ConnectionState::new()));
        let connection = Self { settings, reading, writing, permit, state };
        connection.reading.arm(Some(connection.limited(connection.settings.idle_timeout)));
        connection
    }

    /// The timeout, or a shorter one for a connection beyond the limit, which is kept only to answer its request with
    /// 503.
    fn limited(&self, timeout: Duration) -> Duration {
        if self.permit.borrow().is_granted() { timeout } else { timeout.min(REJECTED_TIMEOUT) }
    }

    /// Starts serving a request and returns the stand-in that actix reads in its place. `head`: whether a request that
    /// could not be parsed looks like a HEAD.
    pub(crate) fn begin(
        &self,
        state: &mut ConnectionState,
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
        (state.body_cut_off, state.streams) = (false, false);
        state.offers_upgrade = request.as_ref().is_ok_and(|head| head.upgrade);
        if let Ok(head) = &request {
            state.body = match head.framing {
                Framing::None => Decoder::Length(0),
                Framing::Length(length) => Decoder::Length(length.get()),
                Framing::Chunked => Decoder::Chunked(Chunked::new(Grammar::Strict)),
            };
            state.body_allowance = self.settings.max_body.unwrap_or(u64::MAX);
            if head.expects_continue && head.framing != Framing::None {
                state.interim = Interim::Owed;
            }
        }
        state.phase = ConnectionPhase::Serving { refused: request.is_err(), tunnel: false };
        state.pending_request = Some(request);
        stand_in
    }

    /// The response is written: the next request may begin, unless a part of this one is unread.
    pub(crate) fn finish(&self, state: &mut ConnectionState, cx: &Context<'_>) {
        state.response_taken = false;
        if state.is_unread() || matches!(state.phase, ConnectionPhase::Serving { refused: true, .. }) {
            state.phase = ConnectionPhase::Last;
            return;
        }
        state.phase = ConnectionPhase::Idle { fresh: false };
        self.reading.arm(Some(self.settings.idle_timeout));
        if !state.input.is_empty() || state.input_ended {
            // The bytes or the FIN arrived earlier, so the socket causes no further wake-up.
            cx.waker().wake_by_ref();
        }
    }

    /// Whether the client may still send bytes that are not going to be read.
    pub(crate) fn expects_more(&self) -> bool {
        let state = self.state.borrow();
        let refused =
            matches!(state.phase, ConnectionPhase::Serving { refused: true, .. } | ConnectionPhase::Last);
        !state.input_ended && (refused || state.is_unread() || !state.input.is_empty())
    }

    /// The first byte of a request head has arrived: starts the head timeout.
    pub(crate) fn head_begins(&self, state: &mut ConnectionState) {
        if matches!(state.phase, ConnectionPhase::Idle { .. }) {
            self.reading.arm(Some(self.limited(self.settings.head_timeout)));
        }
        state.phase = ConnectionPhase::Head;
    }

    /// Whether the connection is within the limit and has sent no byte.
    pub(crate) fn is_silent(&self) -> bool {
        let state = self.state.borrow();
        let untouched = state.phase == ConnectionPhase::Idle { fresh: true }
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
