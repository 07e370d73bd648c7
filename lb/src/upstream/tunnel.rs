//! What follows a 101: bytes both ways, until both sides are done or one of them is gone.
//!
//! Each direction goes on by itself: a client that sends all before it reads anything is served too. No time limit:
//! a tunnel may be silent for days, and TCP tells when the other side has gone.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_http::error::PayloadError;
use awc::body::{BoxBody, MessageBody};
use bytes::{Bytes, BytesMut};
use futures::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinHandle;

use super::connection::Connection;
use super::progress::Progress;
use super::sweep::Watch;

/// How much is read at once, in bytes; nothing more is held.
const READ: usize = 16 * 1024;

/// The replica's side, as a stream of what it sends. Dropped, it ends the tunnel.
pub(super) struct Tunnel {
    replica: OwnedReadHalf,
    input: BytesMut,
    upload: JoinHandle<()>,
    progress: Rc<Progress>,
    /// Without a deadline: it keeps the sweep running, which gives progress its time.
    _watch: Watch,
}

impl Tunnel {
    /// A tunnel between a replica that has just said 101 and what `client` sends.
    pub(super) fn new(connection: Connection, client: BoxBody, progress: Rc<Progress>) -> Self {
        let (io, input, watch) = connection.into_socket();
        let (replica, writer) = io.into_split();
        let upload = tokio::task::spawn_local(upload(client, writer, progress.clone()));
        Self { replica, input, upload, progress, _watch: watch }
    }

    fn poll_replica(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if self.input.is_empty() {
            self.input.reserve(READ);
            let this = &mut *self;
            if ready!(pin!(this.replica.read_buf(&mut this.input)).poll(cx))? > 0 {
                this.progress.moved();
            }
        }
        Poll::Ready(Ok(self.input.split().freeze()))
    }
}

impl Stream for Tunnel {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(match ready!(self.poll_replica(cx)) {
            Ok(bytes) if bytes.is_empty() => None,
            Ok(bytes) => Some(Ok(bytes)),
            Err(error) => Some(Err(PayloadError::Io(error))),
        })
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.upload.abort();
    }
}

/// From the client to the replica, until the client sends nothing more; the replica is told so. What goes wrong here
/// goes wrong in the other direction too, where it ends the tunnel.
async fn upload(client: BoxBody, mut replica: OwnedWriteHalf, progress: Rc<Progress>) {
    let mut client = pin!(client);
    while let Some(Ok(bytes)) = poll_fn(|cx| client.as_mut().poll_next(cx)).await {
        if replica.write_all(&bytes).await.is_err() {
            return;
        }
        progress.moved();
    }
    let _ = replica.shutdown().await;
}
