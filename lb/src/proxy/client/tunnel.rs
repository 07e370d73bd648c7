//! Tunnels: bytes in both directions after a 101, until both sides have closed or one connection breaks.
//!
//! The directions are independent, so a client may send everything before it reads anything. There is no timeout: a
//! tunnel may be idle for days; TCP keepalive detects a peer that has disappeared.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_http::error::PayloadError;
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinHandle;

use super::connection::{Connection, Output};
use super::progress::Progress;
use super::replay::Rest;
use super::upload::Upload;
use crate::http1::deadline::Deadline;
use crate::http1::fields::{FieldValues, Fields};

/// Size of the read buffer in bytes; a tunnel buffers no more than that.
const READ: usize = 16 * 1024;

/// The bytes from the replica as a stream. Dropping it ends the tunnel.
pub(crate) struct Tunnel {
    replica: OwnedReadHalf,
    input: BytesMut,
    upload: JoinHandle<()>,
    progress: Rc<Progress>,
    /// Not set; it keeps the sweep running, which assigns the time to the marks of `progress`.
    _deadline: Deadline,
}

impl Tunnel {
    /// A tunnel to a replica that has replied 101. `body` is the rest of the request body, `client` the bytes after it.
    pub(crate) fn new(connection: Connection, body: Upload, client: Rest, progress: Rc<Progress>) -> Self {
        let (io, input, output, deadline) = connection.into_socket();
        let (replica, writer) = io.into_split();
        let upload = tokio::task::spawn_local(upload(output, body, client, writer, progress.clone()));
        Self { replica, input, upload, progress, _deadline: deadline }
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

/// Copies bytes from the client to the replica until the client closes its direction; then the connection to the
/// replica is shut down in this direction. Errors end the copying silently, because a broken connection fails in the
/// other direction too, which ends the tunnel.
async fn upload(
    mut output: Output,
    mut body: Upload,
    mut client: Rest,
    mut replica: OwnedWriteHalf,
    progress: Rc<Progress>,
) {
    // A replica may accept an offer before it has read the whole request.
    loop {
        for part in [&output.head[..], &output.data, output.tail] {
            if replica.write_all(part).await.is_err() {
                return;
            }
        }
        if !output.is_empty() {
            progress.moved();
        }
        output = Output::default();
        if poll_fn(|cx| body.poll_queue(&mut output, cx)).await.is_err() {
            return;
        }
        if output.is_empty() {
            break;
        }
    }
    while let Some(Ok(bytes)) = client.next().await {
        if replica.write_all(&bytes).await.is_err() {
            return;
        }
        progress.moved();
    }
    let _ = replica.shutdown().await;
}

/// Whether a 101 switches to at least one protocol, and only to protocols that the request offers (RFC 9110 §7.8).
pub(crate) fn is_offered(offer: &[u8], reply: &Fields) -> bool {
    let mut accepted = reply.values("upgrade").flat_map(protocols).peekable();
    let is_offered = |protocol: &[u8]| protocols(offer).any(|offered| offered.eq_ignore_ascii_case(protocol));
    accepted.peek().is_some() && accepted.all(is_offered)
}

fn protocols(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|item| !item.is_empty())
}
