//! One exchange of a request and its reply on a connection. Both are transferred concurrently.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::Payload;
use awc::body::{BodySize, BoxBody};
use awc::http::{Method, StatusCode};

use super::connect::connect;
use super::connection::Connection;
use super::error::{Error, Kind, Phase};
use super::outgoing::{Outgoing, Waiting};
use super::pool::{Pool, Replica};
use super::progress::Wait;
use super::replay::ReplayBody;
use super::reply::Reply;
use super::retry::may_retry;
use super::settings::Settings;
use super::tunnel::{self, Tunnel};
use super::upload::Upload;
use crate::http1::framing::{Block, Decoded, Decoder};
use crate::http1::malformed::Malformed;
use crate::http1::reply_head;
use crate::http1::reply_head::ReplyHead;

/// Maximum number of interim replies (1xx) before the final one.
const MAX_INTERIM: usize = 16;

/// The status 103 (RFC 8297).
const EARLY_HINTS: u16 = 103;

/// A request in progress on its connection.
pub(crate) struct Exchange {
    connection: Connection,
    replica: Rc<Replica>,
    settings: Settings,
    upload: Upload,
    /// Where replies 103 go; `None`: they are discarded.
    client: Option<Waiting>,
    /// State of the search for the end of the reply head.
    block: Block,
    /// Number of interim replies received.
    interim: usize,
    /// The error that ended the writing of the request; the reply may still be complete.
    broken: Option<io::Error>,
    /// Whether neither side has announced the end of the connection.
    keep_alive: bool,
    /// How long the replica keeps the connection idle; `None`: it does not say so.
    keep_alive_timeout: Option<Duration>,
    /// The value of [`Error::sent`] if it fails.
    sent: bool,
    /// The value of [`Error::received`] if it fails.
    received: bool,
    /// `Some` until the reply head is received.
    wait: Option<Wait>,
    /// The phase for which the deadline is set; `None` if bytes were transferred since then.
    phase: Option<Phase>,
}

/// Sends a request to a replica and waits for the head of its reply.
///
/// A pooled connection that turns out to be closed is not a failure of the replica: if the request may be repeated, it
/// is sent once more on a new connection.
pub(crate) async fn send(pool: Pool, replica: Rc<Replica>, request: &Outgoing) -> Result<Reply, Error> {
    if let Some(offer) = &request.offer {
        // Boxed, because its state would enlarge the future of every request, which is moved.
        return Box::pin(send_offer(pool, replica, request, offer)).await;
    }
    let body = request.body.as_ref().filter(|_| !request.size.is_eof());
    let mut sent = false;
    if let Some(connection) = replica.take(request.method.is_idempotent()) {
        let exchange = Exchange::new(&pool, &replica, connection, request, body);
        match exchange.reply(&request.method).await {
            Err(error) if is_stale(&error) => {
                replica.closed_reused();
                if !may_retry(&request.method, body.is_none_or(ReplayBody::replayable), &error) {
                    return Err(error);
                }
                sent = error.sent;
            }
            result => return result,
        }
    }
    let attempt = async {
        let connection = connect(&pool, &replica).await?;
        let exchange = Exchange::new(&pool, &replica, connection, request, body);
        exchange.reply(&request.method).await
    };
    attempt.await.map_err(|error| Error { sent: error.sent || sent, ..error })
}

/// Sends an offer to upgrade on a new connection. The body continues with the bytes that the client sends after it.
async fn send_offer(
    pool: Pool,
    replica: Rc<Replica>,
    request: &Outgoing,
    offer: &[u8],
) -> Result<Reply, Error> {
    let client = match &request.body {
        Some(body) => ReplayBody::once(BoxBody::new(body.attempt())),
        None => ReplayBody::new(Payload::None, BodySize::Sized(0)),
    };
    let body = (!request.size.is_eof()).then_some(&client);
    let connection = connect(&pool, &replica).await?;
    let mut exchange = Exchange::new(&pool, &replica, connection, request, body);
    let head = exchange.head(&request.method).await?;
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        if !tunnel::is_offered(offer, &head.fields) {
            return Err(exchange.error(Malformed::Upgrade.into()));
        }
        let progress = exchange.replica.progress.clone();
        let Exchange { connection, upload, .. } = exchange;
        return Ok(Reply::tunnel(head, Tunnel::new(connection, upload, client.into_rest(), progress)));
    }
    exchange.keep_alive = false;
    Reply::new(head, exchange)
}

impl Exchange {
    fn new(
        pool: &Pool,
        replica: &Rc<Replica>,
        mut connection: Connection,
        request: &Outgoing,
        body: Option<&ReplayBody>,
    ) -> Self {
        request.head.write(&mut connection.output.head, replica.address);
        Self {
            connection,
            replica: replica.clone(),
            settings: pool.settings(),
            upload: Upload::new(body.map(ReplayBody::attempt)),
            client: request.client.clone(),
            block: Block::default(),
            interim: 0,
            broken: None,
            keep_alive: true,
            keep_alive_timeout: None,
            sent: false,
            received: false,
            wait: Some(replica.progress.wait()),
            phase: None,
        }
    }

    async fn reply(mut self, method: &Method) -> Result<Reply, Error> {
        let head = self.head(method).await?;
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(self.error(Malformed::Interim.into()));
        }
        self.keep_alive &= head.keep_alive;
        self.keep_alive_timeout = reply_head::keep_alive_timeout(&head.fields);
        Reply::new(head, self)
    }

    /// Waits for the final reply head or a 101. Of other interim replies only 103 is passed on.
    async fn head(&mut self, method: &Method) -> Result<ReplyHead, Error> {
        let head = poll_fn(|cx| self.poll_head(method, cx)).await?;
        self.replica.progress.moved();
        self.wait = None;
        Ok(head)
    }

    fn poll_head(&mut self, method: &Method, cx: &mut Context<'_>) -> Poll<Result<ReplyHead, Error>> {
        let phase = self.poll_upload(cx)?;
        loop {
            let head = reply_head::read_reply(&mut self.connection.input, &mut self.block, method)
                .map_err(|malformed| self.error(malformed.into()))?;
            match head {
                Some(head) if head.status == StatusCode::SWITCHING_PROTOCOLS => return Poll::Ready(Ok(head)),
                Some(head) if head.status.is_informational() => {
                    self.interim += 1;
                    if self.interim > MAX_INTERIM {
                        return Poll::Ready(Err(self.error(Malformed::Interim.into())));
                    }
                    if let Some(client) = self.client.as_ref().filter(|_| head.status.as_u16() == EARLY_HINTS)
                    {
                        client.connection.early_hints(client.request, head.fields);
                    }
                }
                Some(head) => return Poll::Ready(Ok(head)),
                None => match self.poll_read(cx) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(self.broke(None))),
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(self.broke(Some(error)))),
                    Poll::Pending => return self.poll_deadline(phase, cx).map(Err),
                },
            }
        }
    }

    /// Transfers more of the request and reads more of the reply body into the input buffer: the number of bytes, 0 at
    /// the end of the connection.
    pub(crate) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Error>> {
        self.poll_upload(cx)?;
        match self.poll_read(cx) {
            Poll::Ready(Ok(n)) => {
                if n > 0 {
                    self.replica.progress.moved();
                }
                self.phase = None;
                Poll::Ready(Ok(n))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.broke(Some(error)))),
            Poll::Pending => self.poll_deadline(Phase::Body, cx).map(Err),
        }
    }

    /// Decodes the next bytes of the input buffer.
    pub(crate) fn decode(&mut self, decoder: &mut Decoder) -> Result<Decoded, Error> {
        decoder.decode(&mut self.connection.input).map_err(|malformed| self.error(malformed.into()))
    }

    /// Ends the exchange after a complete reply. The connection returns to the pool if both sides keep it alive, the
    /// request is written completely, and no byte is left in the input.
    pub(crate) fn finish(self) {
        let sent_whole = self.upload.is_done() && self.connection.output.is_empty();
        if self.keep_alive && sent_whole && self.connection.input.is_empty() {
            self.replica.put_back(self.connection, &self.settings, self.keep_alive_timeout);
        }
    }

    /// The error of a connection that ended before the reply was complete; a previous write error takes precedence.
    pub(crate) fn broke(&mut self, error: Option<io::Error>) -> Error {
        let error = self.broken.take().or(error).unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
        self.error(Kind::Broke(error))
    }

    fn error(&self, kind: Kind) -> Error {
        Error { kind, sent: self.sent, received: self.received }
    }

    /// Writes as much of the request as possible and returns the phase in which the exchange then is. A failed write is
    /// no error yet: a replica may reply and close the connection without reading the whole body.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<Phase, Error> {
        while self.broken.is_none() {
            let queued = self.upload.poll_queue(&mut self.connection.output, cx);
            let awaits_client = queued.is_pending();
            if let Poll::Ready(Err(reason)) = queued {
                return Err(self.error(Kind::Client(reason)));
            }
            if self.connection.output.is_empty() {
                return Ok(if awaits_client { Phase::Upload } else { Phase::Head });
            }
            match self.connection.poll_write(cx) {
                Poll::Ready(Ok(())) => {
                    (self.sent, self.phase) = (true, None);
                    match &self.wait {
                        Some(wait) => wait.sent(),
                        None => self.replica.progress.moved(),
                    }
                }
                Poll::Ready(Err(error)) => self.broken = Some(error),
                Poll::Pending => break,
            }
        }
        Ok(Phase::Head)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let read = self.connection.poll_read(cx);
        self.received |= matches!(read, Poll::Ready(Ok(1..)));
        read
    }

    /// Ready with the error when no byte was transferred within the timeout of the phase, or when the replica is dead
    /// and its reply head was not received.
    fn poll_deadline(&mut self, phase: Phase, cx: &mut Context<'_>) -> Poll<Error> {
        if phase != Phase::Body && self.replica.is_aborted() {
            return Poll::Ready(self.error(Kind::Aborted));
        }
        if self.phase != Some(phase) {
            self.phase = Some(phase);
            self.connection.deadline.arm(self.settings.timeout(phase));
        }
        self.connection.deadline.poll(cx).map(|()| {
            if let (Phase::Head, Some(wait)) = (phase, &self.wait) {
                wait.timed_out();
            }
            self.error(Kind::TimedOut(phase))
        })
    }
}

/// Whether the error means that a pooled connection was closed by the replica: it broke without a byte of a reply.
fn is_stale(error: &Error) -> bool {
    matches!(error.kind, Kind::Broke(_)) && !error.received
}
