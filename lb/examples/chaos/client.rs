//! One HTTP/1.1 connection of a strict client: a reply is complete and framed by Content-Length, or it failed.

use std::io;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Response field with the name of the replica that made the reply.
pub const SERVED_BY: &str = "x-served-by";

/// A persistent connection.
pub struct Connection {
    io: TcpStream,
    input: BytesMut,
}

/// A complete reply.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// Name of the replica that made it; `None` if the balancer did.
    pub served_by: Option<String>,
    pub body: Bytes,
    /// Whether the connection can be reused.
    pub keep: bool,
}

/// A reply that is missing, incomplete or not valid.
#[derive(Debug, PartialEq, Eq)]
pub struct BadReply {
    /// Name of the replica that made it; `None` if the balancer did, or without a head.
    pub served_by: Option<String>,
    pub reason: &'static str,
}

struct Head {
    status: u16,
    served_by: Option<String>,
    length: Option<usize>,
    keep: bool,
}

impl Connection {
    /// Opens a new connection.
    pub async fn open(to: SocketAddr) -> io::Result<Self> {
        let io = TcpStream::connect(to).await?;
        io.set_nodelay(true)?;
        Ok(Self { io, input: BytesMut::new() })
    }

    /// Whether an idle connection is still open and no unexpected bytes have arrived.
    pub fn is_reusable(&self) -> bool {
        let read = self.io.try_read(&mut [0]);
        self.input.is_empty() && read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends the bytes of a request and reads the reply.
    pub async fn send(&mut self, request: &[u8]) -> Result<Reply, BadReply> {
        let bad = |served_by: &Option<String>, reason| BadReply { served_by: served_by.clone(), reason };
        self.io.write_all(request).await.map_err(|_| bad(&None, "not sent"))?;
        let head = loop {
            if let Some(head) = take_head(&mut self.input).map_err(|reason| bad(&None, reason))? {
                break head;
            }
            self.read_more().await.ok_or_else(|| bad(&None, "no reply"))?;
        };
        let length = head.length.ok_or_else(|| bad(&head.served_by, "no length"))?;
        while self.input.len() < length {
            self.read_more().await.ok_or_else(|| bad(&head.served_by, "body cut"))?;
        }
        let body = self.input.split_to(length).freeze();
        if !self.input.is_empty() {
            return Err(bad(&head.served_by, "unexpected bytes"));
        }
        Ok(Reply { status: head.status, served_by: head.served_by, body, keep: head.keep })
    }

    async fn read_more(&mut self) -> Option<()> {
        self.input.reserve(16 * 1024);
        self.io.read_buf(&mut self.input).await.ok().filter(|read| *read > 0).map(drop)
    }
}

/// Takes a reply head from the front of `input`; `None` while it is incomplete.
fn take_head(input: &mut BytesMut) -> Result<Option<Head>, &'static str> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut reply = httparse::Response::new(&mut fields);
    let end = match reply.parse(input) {
        Ok(httparse::Status::Complete(end)) => end,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err("not HTTP"),
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

    /// The result of a request on a connection that sends these bytes and closes.
    async fn result_of(reply: &'static str) -> Result<Reply, BadReply> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (result, ()) =
            tokio::join!(async { Connection::open(address).await.unwrap().send(b"GET").await }, async {
                let (mut io, _) = listener.accept().await.unwrap();
                io.read_exact(&mut [0; 3]).await.unwrap();
                io.write_all(reply.as_bytes()).await.unwrap();
            });
        result
    }

    #[tokio::test]
    async fn a_reply_is_complete_or_an_error() {
        let complete = "HTTP/1.1 200 OK\r\nX-Served-By: a\r\nContent-Length: 2\r\n\r\nok";
        let reply = result_of(complete).await.unwrap();
        let expected = Reply { status: 200, served_by: Some("a".into()), body: "ok".into(), keep: true };
        assert_eq!(reply, expected);
        let last = "HTTP/1.1 502 Bad\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let last = result_of(last).await.unwrap();
        assert_eq!((last.status, last.served_by, last.keep), (502, None, false));
        for (reply, reason) in [
            ("", "no reply"),
            ("HTTP/1.1 200 OK\r\nContent-Le", "no reply"),
            ("SSH-2.0\r\n", "not HTTP"),
            ("HTTP/1.1 200 OK\r\n\r\nok", "no length"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", "body cut"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nok", "unexpected bytes"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\no", "two lengths"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "not framed by a length"),
        ] {
            assert_eq!(result_of(reply).await.unwrap_err().reason, reason, "{reply:?}");
        }
    }
}
