//! A client connection: its limits and deadlines, and its requests from the head to the end of the response.

use std::cell::{OnceCell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use actix_http::{ConnectionType, Method, Payload, Request, Version};

use crate::http1::chunk_line::Grammar;
use crate::http1::deadline::Deadline;
use crate::http1::fields::Fields;
use crate::http1::framing::{Chunked, Decoder};

use super::admission::{ConnectionPermit, Settings};
use super::body::Body;
use super::state::{ConnectionPhase, ConnectionState, Interim};
use super::worker::Worker;
use crate::http1::rejection::Rejection;
use crate::http1::request_head::{Framing, Head};
use crate::proxy::client::{EarlyHints, Waiting};
use crate::proxy::forwarded::{Peer, append_via};
use crate::proxy::hop_by_hop::strip_hop_by_hop;

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
    pub(super) worker: Rc<Worker>,
    permit: RefCell<ConnectionPermit>,
    /// Address of the client; `None` if it disconnected before the address was read.
    peer: Option<SocketAddr>,
    /// [`Self::peer`] as forwarding fields need it, from the first request on.
    formatted_peer: OnceCell<Peer>,
    pub(crate) state: RefCell<ConnectionState>,
}

impl Connection {
    pub(super) fn new(
        settings: Rc<Settings>,
        worker: Rc<Worker>,
        (reading, writing): (Deadline, Deadline),
        permit: ConnectionPermit,
        peer: Option<SocketAddr>,
    ) -> Self {
        let connection = Self {
            settings,
            reading,
            writing,
            worker,
            permit: RefCell::new(permit),
            peer,
            formatted_peer: OnceCell::new(),
            state: RefCell::new(ConnectionState::new()),
        };
        connection.reading.arm(Some(connection.limited(connection.settings.idle_timeout)));
        connection
    }

    /// The client's end of the connection; `None` if it disconnected before its address was read.
    pub fn peer(&self) -> Option<&Peer> {
        Some(self.formatted_peer.get_or_init({
            let peer = self.peer?;
            move || Peer::new(peer)
        }))
    }

    /// The address of the client; `None` if it disconnected before the address was read.
    pub fn address(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// The timeout, or a shorter one for a connection beyond the limit, which is kept only to answer its request with
    /// 503.
    fn limited(&self, timeout: Duration) -> Duration {
        if self.permit.borrow().is_granted() { timeout } else { timeout.min(REJECTED_TIMEOUT) }
    }

    /// Starts serving a request. `is_head`: whether a request that could not be parsed looks like a HEAD.
    pub(super) fn begin(
        self: &Rc<Self>,
        state: &mut ConnectionState,
        request: Result<Head, Rejection>,
        is_head: bool,
    ) -> Result<(Request, Fields), Rejection> {
        self.reading.arm(None);
        state.is_head = request.as_ref().map_or(is_head, |request| request.method == Method::HEAD);
        let request = request.and_then(|request| self.validate(request));
        (state.body, state.interim, state.body_rejection) = (Decoder::Length(0), Interim::None, None);
        (state.body_cut_off, state.streams, state.half_closed) = (false, false, false);
        (state.offers_upgrade, state.upload_ended) = (false, false);
        (state.version, state.keep_alive) = (Version::HTTP_11, false);
        state.phase = ConnectionPhase::Serving { refused: request.is_err() };
        let head = request?;
        (state.version, state.keep_alive) = (head.version, head.keep_alive);
        state.offers_upgrade = head.upgrade;
        (state.request, state.awaits_response) = (state.request + 1, true);
        state.body = match head.framing {
            Framing::None => Decoder::Length(0),
            Framing::Length(length) => Decoder::Length(length.get()),
            Framing::Chunked => Decoder::Chunked(Chunked::new(Grammar::Strict)),
        };
        state.body_allowance = self.settings.max_body.unwrap_or(u64::MAX);
        if head.expects_continue && head.framing != Framing::None {
            state.interim = Interim::Owed;
        }
        Ok(self.request(head))
    }

    /// The request for the service, and its fields.
    fn request(self: &Rc<Self>, head: Head) -> (Request, Fields) {
        let mut request = Request::new();
        if head.framing != Framing::None {
            *request.payload() = Payload::Stream { payload: Box::pin(Body(self.clone())) };
        }
        let to = request.head_mut();
        (to.method, to.uri, to.version, to.peer_addr) = (head.method, head.target, head.version, self.peer);
        if head.upgrade {
            to.set_connection_type(ConnectionType::Upgrade);
        }
        (request, head.fields)
    }

    /// The present request, for replies 103.
    pub(crate) fn waiting(self: &Rc<Self>) -> Waiting {
        Waiting { connection: self.clone(), request: self.state.borrow().request }
    }

    /// The response is written, and the next request may begin.
    pub(super) fn next(&self) {
        self.state.borrow_mut().phase = ConnectionPhase::Idle { fresh: false };
        self.reading.arm(Some(self.settings.idle_timeout));
    }

    /// The replica has closed its direction of the tunnel: from now on the client may be silent for the idle timeout.
    pub(super) fn half_close(&self) {
        self.reading.arm(Some(self.settings.idle_timeout));
    }

    /// The task of the connection has ended: fails the body that is still read, and returns the permit.
    pub(super) fn end(&self) {
        let state = &mut *self.state.borrow_mut();
        (state.input_ended, state.broken) = (true, true);
        wake(&mut state.reader);
        // A request that goes on in the background may hold the connection.
        drop(self.permit.take());
    }

    /// Whether the client may still send bytes that are not going to be read.
    pub(super) fn expects_more(&self) -> bool {
        let state = self.state.borrow();
        let refused = matches!(state.phase, ConnectionPhase::Serving { refused: true });
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
        head.upgrade = head.upgrade && self.settings.upgrade_allow.filter(&mut head.fields);
        if !self.permit.borrow().is_granted() {
            return Err(Rejection::TooManyConnections);
        }
        match (head.framing, self.settings.max_body) {
            (Framing::Length(length), Some(max)) if length.get() > max => Err(Rejection::BodyTooLarge(max)),
            _ => Ok(head),
        }
    }
}

impl EarlyHints for Connection {
    /// HTTP/1.0 has no interim responses (RFC 9110 §15.2). A client that does not read the ones before gets no more.
    fn early_hints(&self, request: u64, mut fields: Fields) {
        let state = &mut *self.state.borrow_mut();
        let waits = state.awaits_response && state.request == request;
        if waits && state.version == Version::HTTP_11 && state.early_hints.len() < AHEAD {
            strip_hop_by_hop(&mut fields);
            append_via(&mut fields);
            state.early_hints.extend_from_slice(b"HTTP/1.1 103 Early Hints\r\n");
            fields.write(&mut state.early_hints);
            state.early_hints.extend_from_slice(b"\r\n");
            wake(&mut state.task);
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
