//! One HTTP/1.1 connection as a strict client has it: a reply is whole and framed by its length, or it failed.

use std::io;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The field by which a replica says that a reply is its own.
pub const SERVED_BY: &str = "x-served-by";

/// A kept connection.
pub struct Connection {
    io: TcpStream,
    input: BytesMut,
}

/// A whole reply.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// The replica that made it; `None` if the balancer did.
    pub served_by: Option<String>,
    pub body: Bytes,
    /// Whether the connection can be used again.
    pub keep: bool,
}

/// What was not a reply, and whose it would have been.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken {
    pub served_by: Option<String>,
    pub how: &'static str,
}

struct Head {
    status: u16,
    served_by: Option<String>,
    length: Option<usize>,
    keep: bool,
}

impl Connection {
    /// A new connection.
    pub async fn open(to: SocketAddr) -> io::Result<Self> {
        let io = TcpStream::connect(to).await?;
        io.set_nodelay(true)?;
        Ok(Self { io, input: BytesMut::new() })
    }

    /// Whether a kept connection is still open, and nothing came that nobody asked for.
    pub fn is_quiet(&self) -> bool {
        let read = self.io.try_read(&mut [0]);
        self.input.is_empty() && read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends a request as it stands and reads the reply.
    pub async fn ask(&mut self, request: &[u8]) -> Result<Reply, Broken> {
        let broken = |served_by: &Option<String>, how| Broken { served_by: served_by.clone(), how };
        self.io.write_all(request).await.map_err(|_| broken(&None, "not sent"))?;
        let head = loop {
            if let Some(head) = take_head(&mut self.input).map_err(|how| broken(&None, how))? {
                break head;
            }
            self.more().await.ok_or_else(|| broken(&None, "no reply"))?;
        };
        let length = head.length.ok_or_else(|| broken(&head.served_by, "no length"))?;
        while self.input.len() < length {
            self.more().await.ok_or_else(|| broken(&head.served_by, "body cut"))?;
        }
        let body = self.input.split_to(length).freeze();
        if !self.input.is_empty() {
            return Err(broken(&head.served_by, "bytes nobody asked for"));
        }
        Ok(Reply { status: head.status, served_by: head.served_by, body, keep: head.keep })
    }

    async fn more(&mut self) -> Option<()> {
        self.input.reserve(16 * 1024);
        self.io.read_buf(&mut self.input).await.ok().filter(|read| *read > 0).map(drop)
    }
}

/// Takes a head from the front of `input` once it is complete.
fn take_head(input: &mut BytesMut) -> Result<Option<Head>, &'static str> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut reply = httparse::Response::new(&mut fields);
    let end = match reply.parse(input) {
        Ok(httparse::Status::Complete(end)) => end,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err("no HTTP"),
    };
    let mut head = Head {
        status: reply.code.unwrap_or_default(),
        served_by: None,
        length: None,
        keep: reply.version == Some(1),
    };
    for field in reply.headers.iter() {
        let value = String::from_utf8_lossy(field.value);
        match field.name.to_ascii_lowercase().as_str() {
            SERVED_BY => head.served_by = Some(value.into_owned()),
            "content-length" if head.length.is_some() => return Err("two lengths"),
            "content-length" => head.length = Some(value.parse().map_err(|_| "bad length")?),
            "transfer-encoding" => return Err("not framed by a length"),
            "connection" => head.keep &= !value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    let _ = input.split_to(end);
    Ok(Some(head))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// What the client makes of a connection on which this is said before it ends.
    async fn said(reply: &'static str) -> Result<Reply, Broken> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, ()) =
            tokio::join!(async { Connection::open(address).await.unwrap().ask(b"GET").await }, async {
                let (mut io, _) = listener.accept().await.unwrap();
                io.read_exact(&mut [0; 3]).await.unwrap();
                io.write_all(reply.as_bytes()).await.unwrap();
            });
        asked
    }

    #[tokio::test]
    async fn a_reply_is_whole_or_it_failed() {
        let reply = said("HTTP/1.1 200 OK\r\nX-Served-By: a\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        let expected = Reply { status: 200, served_by: Some("a".into()), body: "ok".into(), keep: true };
        assert_eq!(reply, expected);
        let last = said("HTTP/1.1 502 Bad\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        assert_eq!((last.status, last.served_by, last.keep), (502, None, false));
        for (reply, how) in [
            ("", "no reply"),
            ("HTTP/1.1 200 OK\r\nContent-Le", "no reply"),
            ("SSH-2.0\r\n", "no HTTP"),
            ("HTTP/1.1 200 OK\r\n\r\nok", "no length"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", "body cut"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nok", "bytes nobody asked for"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\no", "two lengths"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "not framed by a length"),
        ] {
            assert_eq!(said(reply).await.unwrap_err().how, how, "{reply:?}");
        }
    }
}
