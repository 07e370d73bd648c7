//! One socket to a replica: bytes in, bytes out, and whether it is still as we left it.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::proxy::socket;

use crate::http1::deadline::Deadline;

/// How much is read at once to begin with, in bytes.
const MIN_READ: usize = 8 * 1024;
/// How much a connection whose reads come back full grows to.
const MAX_READ: usize = 64 * 1024;

/// A connection to a replica.
pub(crate) struct Connection {
    io: TcpStream,
    read_size: usize,
    /// What came and was not yet taken.
    pub(crate) input: BytesMut,
    /// What is still to be written.
    pub(crate) output: Output,
    /// Its deadline.
    pub(crate) watch: Deadline,
    /// When it was last put back into the pool; `None` on its first use.
    pub(crate) idle_since: Option<Instant>,
}

/// Bytes to write, so that a head or a chunk's size and the data behind it leave in one call without a copy.
#[derive(Default)]
pub(crate) struct Output {
    /// Written first.
    pub(crate) head: BytesMut,
    /// Written second.
    pub(crate) data: Bytes,
    /// Written last.
    pub(crate) tail: &'static [u8],
}

impl Connection {
    /// A connection just made; `user_timeout`: its `TCP_USER_TIMEOUT`.
    pub(crate) fn new(io: TcpStream, watch: Deadline, user_timeout: Option<Duration>) -> io::Result<Self> {
        socket::prepare(&io, user_timeout)?;
        Ok(Self {
            io,
            read_size: MIN_READ,
            input: BytesMut::new(),
            output: Output::default(),
            watch,
            idle_since: None,
        })
    }

    /// For a tunnel: the socket, what came on it and was not taken, what is still to be written, and the watch: the sweep runs as long
    /// as there is one.
    pub(crate) fn into_socket(self) -> (TcpStream, BytesMut, Output, Deadline) {
        self.watch.arm(None);
        socket::becomes_tunnel(&self.io);
        (self.io, self.input, self.output, self.watch)
    }

    /// Whether an idle connection can be used: open, and nothing came that nobody asked for. Costs no system
    /// call unless the reactor flagged the socket.
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(self.io.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Readies the connection for the pool.
    pub(crate) fn rest(&mut self, now: Instant) {
        self.watch.arm(None);
        self.idle_since = Some(now);
        if self.read_size > MIN_READ {
            (self.read_size, self.input) = (MIN_READ, BytesMut::new());
        }
    }

    /// Reads more into `input`; 0 is the end of the connection.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let spare = self.input.capacity() - self.input.len();
        if spare < self.read_size / 2 {
            self.input.reserve(self.read_size);
        }
        let spare = self.input.capacity() - self.input.len();
        let n = ready!(pin!(self.io.read_buf(&mut self.input)).poll(cx))?;
        if n == spare {
            self.read_size = (self.read_size * 2).min(MAX_READ);
        }
        Poll::Ready(Ok(n))
    }

    /// Writes some of `output`, which must not be empty.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Output { head, data, tail } = &self.output;
        let io = Pin::new(&mut self.io);
        let n = if data.is_empty() && tail.is_empty() {
            ready!(io.poll_write(cx, head))?
        } else {
            let parts = [IoSlice::new(head), IoSlice::new(data), IoSlice::new(tail)];
            ready!(io.poll_write_vectored(cx, &parts))?
        };
        self.output.advance(n);
        Poll::Ready(if n > 0 { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) })
    }
}

impl Output {
    /// Whether all is written.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_empty() && !self.has_data()
    }

    /// Whether a chunk is still to be written, so that no other can be queued.
    pub(crate) fn has_data(&self) -> bool {
        !self.data.is_empty() || !self.tail.is_empty()
    }

    fn advance(&mut self, n: usize) {
        let (head, n) = (n.min(self.head.len()), n.saturating_sub(self.head.len()));
        if head == self.head.len() {
            self.head.clear();
        } else {
            self.head.advance(head);
        }
        let (data, n) = (n.min(self.data.len()), n.saturating_sub(self.data.len()));
        self.data.advance(data);
        self.tail = &self.tail[n..];
        if self.data.is_empty() {
            self.data = Bytes::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_taken_in_order_at_any_split() {
        for step in 1..=9 {
            let mut output =
                Output { head: BytesMut::from("abc"), data: Bytes::from_static(b"defg"), tail: b"\r\n" };
            let mut left = 9;
            while !output.is_empty() {
                let n = step.min(left);
                output.advance(n);
                left -= n;
                assert_eq!(output.head.len() + output.data.len() + output.tail.len(), left);
            }
            assert_eq!(left, 0);
        }
    }
}
