//! One heartbeat: is a replica there, and well?

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use awc::http::Method;
use awc::http::uri::PathAndQuery;
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fleet::Beat;
use crate::shortage;

use super::framing::Block;
use super::head;

/// Asks a replica on a fresh connection: GET `path`, or with `None` only whether it accepts. All of it may take
/// `patience`.
pub async fn probe(address: SocketAddr, path: Option<&PathAndQuery>, patience: Duration) -> Beat {
    match timeout(patience, ask(address, path)).await {
        Err(_) => Beat::Missed(format!("no answer within {patience:?}")),
        Ok(Err(error)) if shortage::is_own_shortage(&error) => {
            shortage::report("heartbeat", &error);
            Beat::Void(error.to_string())
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Beat::Refused,
        Ok(Err(error)) => Beat::Missed(error.to_string()),
        Ok(Ok(beat)) => beat,
    }
}

async fn ask(address: SocketAddr, path: Option<&PathAndQuery>) -> io::Result<Beat> {
    let mut io = TcpStream::connect(address).await?;
    let Some(path) = path else { return Ok(Beat::Good) };
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    io.write_all(request.as_bytes()).await?;
    let (mut input, mut block) = (BytesMut::with_capacity(1024), Block::default());
    loop {
        match head::read_reply(&mut input, &mut block, &Method::GET) {
            Ok(Some(head)) if head.status.is_informational() => {}
            Ok(Some(head)) if head.status.is_success() => return Ok(Beat::Good),
            Ok(Some(head)) => return Ok(Beat::Missed(format!("answered {}", head.status.as_u16()))),
            Ok(None) if io.read_buf(&mut input).await? == 0 => {
                return Ok(Beat::Missed("closed without an answer".into()));
            }
            Ok(None) => {}
            Err(malformed) => return Ok(Beat::Missed(format!("malformed reply: {malformed}"))),
        }
    }
}
