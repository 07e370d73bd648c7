//! One end of an HTTP connection, of a client or a replica, with access to every byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::support::STATE_TIMEOUT;

/// A buffered HTTP connection.
pub struct Wire {
    io: BufReader<TcpStream>,
}

/// A parsed request or reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The lines of the head, without the empty one.
    pub head: String,
    /// The body, without chunk framing.
    pub body: Vec<u8>,
    /// Size of each chunk, if the body was chunked.
    pub chunks: Vec<usize>,
}

impl Wire {
    pub fn connect(to: SocketAddr) -> Self {
        Self::new(TcpStream::connect(to).unwrap())
    }

    pub fn new(io: TcpStream) -> Self {
        io.set_read_timeout(Some(STATE_TIMEOUT)).unwrap();
        io.set_write_timeout(Some(STATE_TIMEOUT)).unwrap();
        io.set_nodelay(true).unwrap();
        Self { io: BufReader::new(io) }
    }

    /// Another handle of the connection, for another thread. Bytes that were read ahead stay in this one.
    pub fn try_clone(&self) -> Self {
        Self { io: BufReader::new(self.io.get_ref().try_clone().unwrap()) }
    }

    /// The socket, for another reader and writer; requires that nothing was read ahead.
    pub fn socket(&self) -> TcpStream {
        self.io.get_ref().try_clone().unwrap()
    }

    /// Writes bytes; returns whether that succeeded.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.io.get_mut().write_all(bytes.as_ref()).is_ok()
    }

    /// Reads the next head; `None` if the connection ends first.
    pub fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let read = self.io.read_until(b'\n', &mut head).ok()?;
            if read == 0 {
                return None;
            }
        }
        head.truncate(head.len() - 4);
        Some(String::from_utf8_lossy(&head).into_owned())
    }

    /// Reads the next request; `None` if it is incomplete.
    pub fn request(&mut self) -> Option<Message> {
        let head = self.head()?;
        self.body(head, false)
    }

    /// Reads the next reply, not to HEAD; `None` if it is incomplete. The end of the connection may delimit it.
    pub fn reply(&mut self) -> Option<Message> {
        let head = self.head()?;
        self.body(head, true)
    }

    /// Reads exactly `n` bytes.
    pub fn bytes(&mut self, n: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; n];
        self.io.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Reads the next available bytes: empty at a clean end, `None` at any other.
    pub fn some(&mut self) -> Option<Vec<u8>> {
        let some = self.io.fill_buf().ok()?.to_vec();
        self.io.consume(some.len());
        Some(some)
    }

    /// Reads one chunk; the last one is empty.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut line = String::new();
        self.io.read_line(&mut line).ok()?;
        let chunk = self.bytes(usize::from_str_radix(line.strip_suffix("\r\n")?, 16).ok()?)?;
        (self.bytes(2)? == b"\r\n").then_some(chunk)
    }

    /// Reads until the other side closes; an error if the connection fails.
    pub fn rest(&mut self) -> std::io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.io.read_to_end(&mut rest).map(|_| rest)
    }

    /// Reads until the connection ends, also by a failure.
    pub fn read_until_end(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let _ = self.io.read_to_end(&mut all);
        all
    }

    /// Waits for the end of the connection; returns false if bytes arrive or the time is up.
    pub fn closed(&mut self) -> bool {
        self.rest().is_ok_and(|rest| rest.is_empty()) || self.reset_by_peer()
    }

    /// Whether nothing arrives for `time`.
    pub fn silent(&mut self, time: Duration) -> bool {
        self.io.get_ref().set_read_timeout(Some(time)).unwrap();
        let read = self.io.fill_buf();
        let silent = read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        self.io.get_ref().set_read_timeout(Some(STATE_TIMEOUT)).unwrap();
        silent
    }

    /// Closes at once with a reset.
    pub fn reset(self) {
        rustix::net::sockopt::set_socket_linger(self.io.get_ref(), Some(Duration::ZERO)).unwrap();
    }

    /// Closes the sending direction.
    pub fn half_close(&self) {
        let _ = self.io.get_ref().shutdown(Shutdown::Write);
    }

    fn reset_by_peer(&mut self) -> bool {
        let read = self.io.fill_buf();
        read.map_or_else(|error| error.kind() != std::io::ErrorKind::WouldBlock, <[u8]>::is_empty)
    }

    /// Reads the body of the message with this head. `to_the_end`: without other framing the end of the connection
    /// delimits it.
    pub fn body(&mut self, head: String, to_the_end: bool) -> Option<Message> {
        let mut message = Message { head, body: Vec::new(), chunks: Vec::new() };
        let length = message.fields("content-length").first().map(|length| length.parse().unwrap());
        if to_the_end && matches!(message.status(), 204 | 304) {
            return Some(message);
        }
        if !message.fields("transfer-encoding").is_empty() {
            assert_eq!((message.fields("transfer-encoding"), length), (vec!["chunked"], None), "{message:?}");
            loop {
                let chunk = self.chunk()?;
                if chunk.is_empty() {
                    break;
                }
                message.chunks.push(chunk.len());
                message.body.extend(chunk);
            }
        } else if let Some(length) = length {
            message.body = self.bytes(length)?;
        } else if to_the_end {
            message.body = self.rest().ok()?;
        }
        Some(message)
    }
}

impl Message {
    /// The first line.
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    /// The status of a reply.
    pub fn status(&self) -> u16 {
        self.line().split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The values of a header field, in order.
    pub fn fields(&self, name: &str) -> Vec<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}
