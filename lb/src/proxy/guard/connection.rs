//! One connection as the guarded stream and the service share it: which request is under way, and how far.

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

/// How much may wait behind the head that is being served, in bytes. The socket is not read beyond.
pub(crate) const AHEAD: usize = 64 * 1024;
/// How much is read at once to begin with, in bytes: a head, or what goes before a body.
const MIN_READ: usize = 4 * 1024;

/// How long a connection beyond `--max-connections` may take to send a request, which is answered 503.
const REFUSED: Duration = Duration::from_secs(1);

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A client's connection. It lives on its worker's thread.
pub struct Connection {
    pub(crate) settings: Rc<Settings>,
    /// For what the client is to send: a head, or more of a body.
    pub(crate) reading: Deadline,
    /// For what the client is to take.
    pub(crate) writing: Deadline,
    admission: RefCell<ConnectionPermit>,
    pub(crate) state: RefCell<State>,
}

pub(crate) struct State {
    /// What came and was not yet taken.
    pub(crate) input: BytesMut,
    read_size: usize,
    pub(crate) scan: Scan,
    pub(crate) stage: ConnectionState,
    /// The request that the service has not taken yet.
    pub(crate) arrived: Option<Result<Head, Rejection>>,
    /// What is left of the request's body.
    pub(crate) body: Decoder,
    /// The request offers another protocol: what follows it may not be HTTP.
    pub(crate) offers: bool,
    /// How much of the body may still come.
    pub(crate) room: u64,
    /// What is wrong with the body.
    pub(crate) fault: Option<Rejection>,
    /// Whether a 100 is owed before the body, and what is left of it to write.
    pub(crate) interim: Interim,
    /// The reply has been handed to actix whole.
    pub(crate) replied: bool,
    /// The reply broke off: the connection must end with it.
    pub(crate) cut: bool,
    /// It ends by a reset: a clean end would look like the reply's.
    pub(crate) reset: bool,
    /// The client sends nothing more, or is gone.
    pub(crate) ended: bool,
    /// The connection broke: nothing reaches the client any more either.
    pub(crate) broken: bool,
    /// Whoever serves this connection (actix), and whoever reads the body.
    pub(crate) task: Option<Waker>,
    pub(crate) reader: Option<Waker>,
}

/// Where the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionState {
    /// The next request has not begun; the deadline is the idle one, on a fresh connection the head's.
    Idle { fresh: bool },
    /// Some of its head is here.
    Head,
    /// actix has it, and gets nothing else until its reply is wholly written.
    Serving { refused: bool, tunnel: bool },
    /// No further request is read.
    Last,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interim {
    /// Nothing is owed.
    None,
    /// The client waits for a word before it sends the body.
    Owed,
    /// The body is wanted: this much of the word is still to be written.
    Wanted(&'static [u8]),
}

impl Connection {
    pub(crate) fn new(
        settings: Rc<Settings>,
        reading: Deadline,
        writing: Deadline,
        admission: ConnectionPermit,
    ) -> Self {
        // Beyond the limit a connection lasts only as long as it takes to refuse its request.
        let most =
            if admission.is_granted() { settings.head_timeout } else { settings.head_timeout.min(REFUSED) };
        reading.arm(Some(most));
        let (admission, state) = (RefCell::new(admission), RefCell::new(State::new()));
        Self { settings, reading, writing, admission, state }
    }

    /// What actix gets in place of the request that has arrived: all that it decides by, and nothing else. `head`:
    /// whether what cannot be read seems to be a HEAD.
    pub(crate) fn begin(
        &self,
        state: &mut State,
        arrived: Result<Head, Rejection>,
        head: bool,
    ) -> &'static [u8] {
        self.reading.arm(None);
        let head = arrived.as_ref().map_or(head, |arrived| arrived.method == Method::HEAD);
        let arrived = arrived.and_then(|arrived| self.admit(arrived));
        let stand_in = match &arrived {
            Ok(arrived) => stand_in(head, arrived.version, arrived.keep_alive),
            Err(_) => stand_in(head, Version::HTTP_11, false),
        };
        (state.body, state.interim, state.fault) = (Decoder::Length(0), Interim::None, None);
        state.offers = arrived.as_ref().is_ok_and(|head| head.upgrade);
        if let Ok(head) = &arrived {
            state.body = match head.framing {
                Framing::None => Decoder::Length(0),
                Framing::Length(length) => Decoder::Length(length.get()),
                Framing::Chunked => Decoder::Chunked(Chunked::default()),
            };
            state.room = self.settings.max_body.unwrap_or(u64::MAX);
            if head.expects_continue && head.framing != Framing::None {
                state.interim = Interim::Owed;
            }
        }
        state.stage = ConnectionState::Serving { refused: arrived.is_err(), tunnel: false };
        state.arrived = Some(arrived);
        stand_in
    }

    /// The reply is wholly written: the next request may begin, unless this one is not at its end.
    pub(crate) fn finish(&self, state: &mut State, cx: &Context<'_>) {
        state.replied = false;
        if state.is_unread() || matches!(state.stage, ConnectionState::Serving { refused: true, .. }) {
            state.stage = ConnectionState::Last;
            return;
        }
        state.stage = ConnectionState::Idle { fresh: false };
        self.reading.arm(Some(self.settings.idle_timeout));
        if !state.input.is_empty() {
            // Nobody else would: the bytes came long ago.
            cx.waker().wake_by_ref();
        }
    }

    /// Whether the client may be sending something that we shall not read.
    pub(crate) fn expects_more(&self) -> bool {
        let state = self.state.borrow();
        let refused =
            matches!(state.stage, ConnectionState::Serving { refused: true, .. } | ConnectionState::Last);
        !state.ended && (refused || state.is_unread() || !state.input.is_empty())
    }

    /// The request is under way; the deadline of its head counts from its first byte.
    pub(crate) fn head_begins(&self, state: &mut State) {
        if state.stage == (ConnectionState::Idle { fresh: false }) {
            self.reading.arm(Some(self.settings.head_timeout));
        }
        state.stage = ConnectionState::Head;
    }

    /// Whether the connection is within the limit, and no byte has come on it.
    pub(crate) fn is_silent(&self) -> bool {
        let state = self.state.borrow();
        let untouched =
            state.stage == ConnectionState::Idle { fresh: true } && state.input.is_empty() && !state.ended;
        untouched && self.admission.borrow().is_granted()
    }

    /// Closes the connection, which [is silent](Self::is_silent), without an answer; its place is the caller's.
    pub(crate) fn give_way(&self) -> ConnectionPermit {
        self.state.borrow_mut().ended = true;
        self.reading.wake();
        self.admission.take()
    }

    /// Why a connection on which no head has come in time is closed.
    pub(crate) fn too_slow(&self) -> Rejection {
        if self.admission.borrow().is_granted() {
            Rejection::HeadTooSlow(self.settings.head_timeout)
        } else {
            Rejection::TooManyConnections
        }
    }

    fn admit(&self, mut head: Head) -> Result<Head, Rejection> {
        head.upgrade = head.upgrade && self.settings.upgrade_allow.filter(&mut head.headers);
        if !self.admission.borrow().is_granted() {
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
            arrived: None,
            body: Decoder::Length(0),
            offers: false,
            room: u64::MAX,
            fault: None,
            interim: Interim::None,
            replied: false,
            cut: false,
            reset: false,
            ended: false,
            broken: false,
            task: None,
            reader: None,
        }
    }

    /// Reads more into `input`. Ready also at the end of the connection (`ended`).
    pub(crate) fn poll_fill(&mut self, io: &mut (impl AsyncRead + Unpin), cx: &mut Context<'_>) -> Poll<()> {
        if self.input.capacity() - self.input.len() < self.read_size / 2 {
            self.input.reserve(self.read_size);
        }
        let spare = self.input.capacity() - self.input.len();
        match pin!(io.read_buf(&mut self.input)).poll(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(0)) => self.ended = true,
            Poll::Ready(Err(_)) => (self.ended, self.broken) = (true, true),
            Poll::Ready(Ok(n)) if n == spare => self.read_size = (self.read_size * 2).min(AHEAD),
            Poll::Ready(Ok(_)) => {}
        }
        Poll::Ready(())
    }

    /// Writes what is left of a 100 that is wanted.
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

    /// The body is wanted.
    pub(crate) fn want_body(&mut self) {
        if self.interim == Interim::Owed {
            self.interim = Interim::Wanted(CONTINUE);
            wake(&mut self.task);
        }
    }

    /// A reply makes a 100 needless of which no byte was written.
    pub(crate) fn drop_interim(&mut self) {
        if !matches!(self.interim, Interim::Wanted(left) if left.len() < CONTINUE.len()) {
            self.interim = Interim::None;
        }
    }

    /// Whether no head can be found behind the request: some of its body was not taken, or it offers another protocol.
    pub(crate) fn is_unread(&self) -> bool {
        self.offers || !self.body_is_read()
    }

    /// Whether all of the request's body was taken.
    pub(crate) fn body_is_read(&self) -> bool {
        matches!(self.body, Decoder::Length(0) | Decoder::Chunked(Chunked::End))
    }
}

/// Wakes, once.
pub(crate) fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// Remembers whom to wake.
pub(crate) fn remember(waker: &mut Option<Waker>, cx: &Context<'_>) {
    if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
        *waker = Some(cx.waker().clone());
    }
}

/// actix encodes a reply by these three: whether it answers HEAD, the version, and whether the connection is kept.
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
