//! A response on its way to the client: the output buffer, the framing of the body, the deadline of writes.

use std::io;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_http::Version;
use actix_http::body::{BodySize, MessageBody};
use bytes::BytesMut;
use tokio::io::AsyncWrite;

use crate::http1::body_encoder::BodyEncoder;
use crate::http1::response_head::{Framing, Persistence, ResponseHead};

use super::connection::Connection;
use super::dispatch::is_tunnel;

/// Bytes that are buffered before a write. Measured with replies of 1 MB: a quarter less CPU than with 8 KiB.
const WRITE_BUFFER: usize = 128 * 1024;

/// Number of full buffers after which the client is read, although more could be written at once: otherwise a response or
/// a tunnel at full speed would hold up the other direction.
const MAX_ROUNDS: usize = 8;

/// A response for the client.
pub struct Response<B> {
    pub(crate) head: ResponseHead,
    pub(crate) body: B,
}

/// A response that is being sent.
pub(super) struct Sending<B> {
    /// `None` when all of it is encoded.
    body: Option<B>,
    encoder: BodyEncoder,
    output: Output,
    /// Whether the connection serves another request afterwards.
    keep_alive: bool,
    tunnel: bool,
    /// The body failed: the connection is closed when the bytes before are written.
    failed: bool,
}

/// The end of a response.
pub(super) enum Progress<B> {
    /// All is written.
    Sent {
        /// Whether the connection serves another request.
        keep_alive: bool,
    },
    /// The replica has closed its direction of the tunnel, and all its bytes are written.
    TunnelEnded(B),
    /// The body or the connection failed.
    Failed {
        /// Whether the connection must be closed by a reset: a FIN would look like the end of the body.
        reset: bool,
    },
}

/// Encoded bytes that are to be written.
#[derive(Default)]
struct Output {
    bytes: BytesMut,
    /// Number of bytes that are written. Removing them from the front would lose the capacity of the buffer.
    written: usize,
    /// A write is blocked, and its deadline is armed.
    blocked: bool,
}

impl<B: MessageBody + Unpin> Sending<B> {
    /// Encodes the head of a response to the present request of the connection.
    pub fn new(Response { head, body }: Response<B>, connection: &Rc<Connection>) -> Self {
        let mut state = connection.state.borrow_mut();
        state.drop_interim();
        state.awaits_response = false;
        let (tunnel, size, version) = (is_tunnel(head.status()), body.size(), state.version);
        let until_close = size == BodySize::Stream && version != Version::HTTP_11;
        let must_close = head.closes() || until_close || connection.worker.is_draining();
        let keep_alive = state.keep_alive && !must_close && !state.is_unread();
        let persistence = match (tunnel, keep_alive) {
            (true, _) => Persistence::Upgrade,
            (false, true) => Persistence::KeepAlive,
            (false, false) => Persistence::Close,
        };
        state.streams = size == BodySize::Stream;
        let framing = Framing { version, size, persistence };
        let mut output = Output { bytes: connection.worker.take_buffer(), ..Output::default() };
        head.write(framing, &mut output.bytes, &connection.worker.date);
        let encoder = if state.is_head { BodyEncoder::None } else { head.body_encoder(framing) };
        if let BodyEncoder::Length(size) = encoder {
            // One allocation instead of a doubling for each piece.
            output.bytes.reserve(usize::try_from(size).map_or(WRITE_BUFFER, |size| size.min(WRITE_BUFFER)));
        }
        drop(state); // the body may own the rest of the request, whose end changes the state
        let body = Some(body).filter(|_| !matches!(size, BodySize::None | BodySize::Sized(0)));
        Self { body, encoder, output, keep_alive, tunnel, failed: false }
    }

    /// Writes as much as possible; ready at the end.
    pub fn poll_send<T: AsyncWrite + Unpin>(
        &mut self,
        io: &mut T,
        connection: &Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Progress<B>> {
        for _ in 0..MAX_ROUNDS {
            let encoded = self.poll_encode(cx);
            if ready!(self.output.poll_write(io, connection, cx)).is_err() {
                return Poll::Ready(Progress::Failed { reset: false });
            }
            if self.failed {
                return Poll::Ready(Progress::Failed { reset: self.encoder == BodyEncoder::UntilClose });
            }
            if encoded == Encoded::Pending {
                return Poll::Pending;
            }
            if encoded == Encoded::End {
                connection.worker.recycle(mem::take(&mut self.output.bytes));
                return Poll::Ready(match self.body.take() {
                    Some(body) if self.tunnel => Progress::TunnelEnded(body),
                    _ => Progress::Sent { keep_alive: self.keep_alive },
                });
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Encodes more of the body, until the output buffer is full. The body is dropped at its end, which completes its log
    /// record; except a tunnel, whose other direction may go on.
    fn poll_encode(&mut self, cx: &mut Context<'_>) -> Encoded {
        while self.output.bytes.len() < WRITE_BUFFER {
            let Some(body) = self.body.as_mut().filter(|_| !self.failed) else { return Encoded::End };
            match Pin::new(body).poll_next(cx) {
                Poll::Ready(Some(Ok(bytes))) => self.encoder.encode(&bytes, &mut self.output.bytes),
                Poll::Ready(Some(Err(_))) => self.failed = true,
                Poll::Ready(None) => {
                    self.failed = self.encoder.finish(&mut self.output.bytes).is_err();
                    if self.failed || !self.tunnel {
                        self.body = None;
                    }
                    return Encoded::End;
                }
                Poll::Pending => return Encoded::Pending,
            }
        }
        Encoded::Full
    }
}

/// The result of encoding.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoded {
    /// The body has no bytes at present.
    Pending,
    /// The buffer is full.
    Full,
    /// The body is complete or has failed.
    End,
}

impl Output {
    /// Writes everything.
    ///
    /// # Errors
    /// The connection is broken, or its client read nothing for `--client-idle-timeout`.
    fn poll_write<T: AsyncWrite + Unpin>(
        &mut self,
        io: &mut T,
        connection: &Connection,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let writing = &connection.writing;
        while self.written < self.bytes.len() {
            let written = match connection.state.borrow_mut().poll_interim(io, cx) {
                Poll::Ready(Ok(())) => Pin::new(&mut *io).poll_write(cx, &self.bytes[self.written..]),
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            };
            match written {
                Poll::Ready(written) => {
                    if mem::take(&mut self.blocked) {
                        writing.arm(None);
                    }
                    match written? {
                        0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                        n => self.written += n,
                    }
                }
                Poll::Pending => {
                    if !mem::replace(&mut self.blocked, true) {
                        writing.arm(Some(connection.settings.idle_timeout));
                    }
                    return writing.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
        (self.written, _) = (0, self.bytes.clear());
        Poll::Ready(Ok(()))
    }
}

impl<B> From<actix_http::Response<B>> for Response<B> {
    /// A response of the balancer.
    fn from(response: actix_http::Response<B>) -> Self {
        let (head, body) = response.into_parts();
        Self { head: ResponseHead::Own(head), body }
    }
}
