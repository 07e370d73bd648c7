//! A connection to a replica: reads into an input buffer, writes from an output buffer, and checks idle connections.

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

/// Initial size of a read in bytes.
const MIN_READ: usize = 8 * 1024;
/// Limit in bytes up to which the size of reads is doubled when a read fills the buffer.
const MAX_READ: usize = 64 * 1024;

/// A connection to a replica.
pub(crate) struct Connection {
    io: TcpStream,
    read_size: usize,
    /// Received bytes that were not processed yet.
    pub(crate) input: BytesMut,
    /// Bytes that are still to be written.
    pub(crate) output: Output,
    pub(crate) deadline: Deadline,
    /// Time at which the connection is closed if it is still in the pool; `None` before it is put there.
    pub(crate) idle_until: Option<Instant>,
}

/// Bytes to write, in three parts, so that a head (or the size of a chunk) and the data after it are written in one
/// call without copying the data.
#[derive(Default)]
pub(crate) struct Output {
    /// First part: a request head or the size of a chunk.
    pub(crate) head: BytesMut,
    /// Second part: data of the body.
    pub(crate) data: Bytes,
    /// Last part: the end of a chunk.
    pub(crate) tail: &'static [u8],
}

impl Connection {
    /// A connection on a socket that has just been connected. `user_timeout`: its `TCP_USER_TIMEOUT`.
    pub(crate) fn new(io: TcpStream, deadline: Deadline, user_timeout: Option<Duration>) -> io::Result<Self> {
        socket::prepare(&io, user_timeout)?;
        Ok(Self {
            io,
            read_size: MIN_READ,
            input: BytesMut::new(),
            output: Output::default(),
            deadline,
            idle_until: None,
        })
    }

    /// Splits the connection into its parts, for a tunnel. The deadline is cleared, but returned: the sweep runs as long as one
    /// exists.
    pub(crate) fn into_socket(self) -> (TcpStream, BytesMut, Output, Deadline) {
        self.deadline.arm(None);
        socket::becomes_tunnel(&self.io);
        (self.io, self.input, self.output, self.deadline)
    }

    /// Whether an idle connection can be used: it is open and has received no unsolicited bytes. Costs no system call
    /// unless the reactor has flagged the socket as readable.
    pub(crate) fn is_reusable(&self) -> bool {
        matches!(self.io.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Prepares the connection for the pool: clears the deadline and frees a large buffer.
    pub(crate) fn set_idle(&mut self, until: Instant) {
        self.deadline.arm(None);
        self.idle_until = Some(until);
        if self.read_size > MIN_READ {
            (self.read_size, self.input) = (MIN_READ, BytesMut::new());
        }
    }

    /// Reads into `input`; returns the number of bytes, 0 at the end of the connection.
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

    /// Writes a part of `output`, which must not be empty.
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
    /// Whether all bytes are written.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_empty() && !self.has_data()
    }

    /// Whether a chunk is still to be written, so that no other chunk can be queued.
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
    fn output_is_written_in_order_at_any_split() {
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
