//! One heartbeat: tests whether a replica answers, and answers well.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use awc::http::Method;
use awc::http::uri::PathAndQuery;
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fleet::HeartbeatResult;
use crate::shortage;
use crate::statuses::Statuses;

use crate::http1::framing::Block;
use crate::http1::reply_head;

/// `User-Agent` of heartbeats, by which servers can omit them from their access logs.
const USER_AGENT: &str = concat!("lb-heartbeat/", env!("CARGO_PKG_VERSION"));

/// The request of a heartbeat, and the statuses that count as good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatRequest {
    /// Target of the request.
    pub path: PathAndQuery,
    /// `Host` field of the request; `None`: the address of the replica.
    pub host: Option<String>,
    /// Statuses of good replies.
    pub statuses: Statuses,
}

impl HeartbeatRequest {
    fn head(&self, address: SocketAddr) -> String {
        let path = &self.path;
        let host = self.host.clone().unwrap_or_else(|| address.to_string());
        format!(
            "GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: {USER_AGENT}\r\nconnection: close\r\n\r\n"
        )
    }
}

/// Sends one heartbeat on a fresh connection: a GET, or with `None` only the TCP handshake. Connecting, sending and the
/// wait for the head of the reply together may take `timeout_after`.
pub async fn send(
    address: SocketAddr,
    request: Option<&HeartbeatRequest>,
    timeout_after: Duration,
) -> HeartbeatResult {
    timeout(timeout_after, send_unlimited(address, request))
        .await
        .unwrap_or_else(|_| unanswered(timeout_after))
}

/// The result of a heartbeat that was not answered in time.
pub(crate) fn unanswered(timeout_after: Duration) -> HeartbeatResult {
    HeartbeatResult::Missed(format!("no answer within {timeout_after:?}"))
}

/// The same without a time limit.
pub(crate) async fn send_unlimited(
    address: SocketAddr,
    request: Option<&HeartbeatRequest>,
) -> HeartbeatResult {
    match exchange(address, request).await {
        Err(error) if shortage::is_own_shortage(&error) => {
            shortage::report("heartbeat", &error);
            HeartbeatResult::Void(error.to_string())
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => HeartbeatResult::Refused,
        Err(error) => HeartbeatResult::Missed(error.to_string()),
        Ok(beat) => beat,
    }
}

async fn exchange(address: SocketAddr, request: Option<&HeartbeatRequest>) -> io::Result<HeartbeatResult> {
    let mut io =
        TcpStream::connect(address).await.map_err(|error| shortage::connect_error(error, address))?;
    let Some(request) = request else { return Ok(HeartbeatResult::Good) };
    io.write_all(request.head(address).as_bytes()).await?;
    let (mut input, mut block) = (BytesMut::with_capacity(1024), Block::default());
    loop {
        match reply_head::read_reply(&mut input, &mut block, &Method::GET) {
            Ok(Some(head)) if head.status.is_informational() => {}
            Ok(Some(head)) if request.statuses.contains(head.status.as_u16()) => {
                return Ok(HeartbeatResult::Good);
            }
            Ok(Some(head)) => {
                return Ok(HeartbeatResult::Missed(format!("answered {}", head.status.as_u16())));
            }
            Ok(None) if io.read_buf(&mut input).await? == 0 => {
                return Ok(HeartbeatResult::Missed("closed without an answer".into()));
            }
            Ok(None) => {}
            Err(malformed) => return Ok(HeartbeatResult::Missed(format!("malformed reply: {malformed}"))),
        }
    }
}
