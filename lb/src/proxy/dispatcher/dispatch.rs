//! Serves one client connection: reads a request, calls the service, writes the response, and begins again.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_http::StatusCode;
use actix_http::body::MessageBody;
use actix_service::Service;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::answer::Incoming;
use super::connection::Connection;
use super::response::{Progress, Response, Sending};

/// Time for which unread bytes of a client are discarded after the response, so that it can read the response.
const LINGER: Duration = Duration::from_secs(5);

/// A socket that can be closed by a reset.
pub trait Reset {
    /// Makes the close on drop a reset (RST) instead of a FIN.
    fn reset(&self);

    /// Whether the connection has failed; for times without a read or write, which would return the error.
    fn has_failed(&self) -> bool;
}

/// The task of one client connection; ready at its end.
///
/// A request is read when the response to the one before is written. Then the phases follow each other as in `Stage`; the
/// connection ends early when the client is gone.
pub struct Dispatcher<T, S: Service<Incoming>, B> {
    io: T,
    connection: Rc<Connection>,
    service: Rc<S>,
    stage: Stage<S::Future, B>,
}

/// What the task does at present.
enum Stage<F, B> {
    /// Reads a request head.
    Read,
    /// Waits for the service.
    Serve(F),
    /// Sends the response, or the bytes of a tunnel.
    Respond(Sending<B>),
    /// The replica has closed its direction of a tunnel, and the client may still send. The body is kept, because it owns
    /// the other direction.
    HalfClosed(B),
    /// Closes the connection.
    Close,
    /// The FIN is sent, and further bytes are discarded. Closing a socket with unread bytes would reset the connection, and
    /// the client might lose the response.
    Linger,
    /// The connection has ended.
    End,
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

impl<T, S: Service<Incoming>, B> Dispatcher<T, S, B> {
    pub(super) fn new(io: T, connection: Rc<Connection>, service: Rc<S>) -> Self {
        Self { io, connection, service, stage: Stage::Read }
    }
}

impl<T, S: Service<Incoming>, B> Drop for Dispatcher<T, S, B> {
    fn drop(&mut self) {
        self.connection.end();
    }
}

impl<T, S, B> Future for Dispatcher<T, S, B>
where
    T: AsyncRead + AsyncWrite + Reset + Unpin,
    S: Service<Incoming, Response = Response<B>, Error = Infallible>,
    S::Future: Unpin,
    B: MessageBody + Unpin,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            this.stage = match &mut this.stage {
                Stage::Read => match ready!(this.connection.poll_head(&mut this.io, cx)) {
                    Some(request) => {
                        let connection = this.connection.clone();
                        Stage::Serve(this.service.call(Incoming { request, connection }))
                    }
                    None => Stage::Close,
                },
                Stage::Serve(response) => match Pin::new(response).poll(cx) {
                    Poll::Ready(Ok(response)) => Stage::Respond(Sending::new(response, &this.connection)),
                    Poll::Ready(Err(never)) => match never {},
                    Poll::Pending => {
                        ready!(this.connection.poll_input(&mut this.io, cx));
                        Stage::End
                    }
                },
                Stage::Respond(_) => ready!(this.poll_respond(cx)),
                Stage::HalfClosed(_) => {
                    ready!(this.connection.poll_tunnel_end(&mut this.io, cx));
                    Stage::End
                }
                // The drop of the socket sends the FIN.
                Stage::Close if !this.connection.expects_more() => Stage::End,
                Stage::Close => {
                    let closed = ready!(Pin::new(&mut this.io).poll_shutdown(cx));
                    this.connection.reading.arm(Some(LINGER));
                    if closed.is_ok() { Stage::Linger } else { Stage::End }
                }
                Stage::Linger => {
                    ready!(this.connection.poll_discard(&mut this.io, cx));
                    Stage::End
                }
                Stage::End => return Poll::Ready(()),
            };
        }
    }
}

impl<T, S, B> Dispatcher<T, S, B>
where
    T: AsyncRead + AsyncWrite + Reset + Unpin,
    S: Service<Incoming>,
    B: MessageBody + Unpin,
{
    /// Writes the response and reads what the client sends meanwhile; ready with the next stage.
    fn poll_respond(&mut self, cx: &mut Context<'_>) -> Poll<Stage<S::Future, B>> {
        let Stage::Respond(sending) = &mut self.stage else { return Poll::Ready(Stage::End) };
        let progress = match sending.poll_send(&mut self.io, &self.connection, cx) {
            Poll::Ready(progress) => progress,
            Poll::Pending => return self.connection.poll_input(&mut self.io, cx).map(|()| Stage::End),
        };
        Poll::Ready(match progress {
            Progress::Sent { keep_alive: true } => {
                self.connection.next();
                Stage::Read
            }
            Progress::Sent { keep_alive: false } => Stage::Close,
            Progress::TunnelEnded(body) => {
                if ready!(Pin::new(&mut self.io).poll_shutdown(cx)).is_err() {
                    return Poll::Ready(Stage::End);
                }
                self.connection.half_close();
                Stage::HalfClosed(body)
            }
            Progress::Failed { reset } => {
                if reset {
                    self.io.reset();
                }
                Stage::End
            }
        })
    }
}

/// Whether the status makes the connection a tunnel.
pub(super) fn is_tunnel(status: StatusCode) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS
}
