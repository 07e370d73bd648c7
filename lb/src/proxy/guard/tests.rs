//! The guard passes on exactly the requests that were sent, however the reads are split.

mod tunnel;

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use futures::task::noop_waker_ref;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http1::deadline::Deadlines;

use super::admission::{ConnectionLimit, Settings};
use super::body::{AfterBody, Body};
use super::connection::Connection;
use super::stream::{GuardedStream, Reset};
use super::upgrade::UpgradeAllow;

/// A client stream that yields its bytes in pieces with a `Pending` before each, and then ends.
struct Client {
    pieces: VecDeque<Vec<u8>>,
    paused: bool,
    got: Vec<u8>,
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.paused = !self.paused;
        if self.paused {
            return Poll::Pending;
        }
        if let Some(mut piece) = self.pieces.pop_front() {
            let rest = piece.split_off(piece.len().min(buffer.remaining()));
            if !rest.is_empty() {
                self.pieces.push_front(rest);
            }
            buffer.put_slice(&piece);
        }
        Poll::Ready(Ok(()))
    }
}

impl Reset for Client {
    fn reset(&self) {}

    fn has_failed(&self) -> bool {
        false
    }
}

impl AsyncWrite for Client {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.got.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Drives the guard as actix does, and returns method, target and body of each request that the service gets.
fn served(pieces: Vec<Vec<u8>>) -> Vec<(String, Vec<u8>)> {
    let cx = &mut Context::from_waker(noop_waker_ref());
    let (deadlines, second) = (Deadlines::default(), Duration::from_secs(1));
    let settings = Settings::new((16 * 1024, 8 * 1024, None), (second, second), UpgradeAllow::Any);
    let permit = ConnectionLimit::new(1).admit();
    let connection = Rc::new(Connection::new(Rc::new(settings), deadlines.add(), deadlines.add(), permit));
    let client = Client { pieces: pieces.into(), paused: false, got: Vec::new() };
    let mut guarded = GuardedStream::new(client, connection.clone());
    let mut requests = Vec::new();
    loop {
        let (mut space, mut stand_in) = ([0; 64], Vec::new());
        while !stand_in.ends_with(b"\r\n\r\n") {
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut guarded).poll_read(cx, &mut buffer) {
                Poll::Ready(_) if buffer.filled().is_empty() => return requests,
                Poll::Ready(_) => stand_in.extend_from_slice(buffer.filled()),
                Poll::Pending => {}
            }
        }
        let head = connection.state.borrow_mut().pending_request.take().unwrap().unwrap();
        assert_eq!(
            stand_in.starts_with(b"HEAD "),
            head.method == "HEAD",
            "actix would write a body in response to HEAD"
        );
        let after_body = head.upgrade.then(|| AfterBody(connection.clone()));
        let mut bytes = Vec::new();
        let mut read = |body: &mut (dyn Stream<Item = Result<_, _>> + Unpin)| {
            loop {
                match Pin::new(&mut *body).poll_next(cx) {
                    Poll::Ready(Some(chunk)) => {
                        let chunk: Result<bytes::Bytes, actix_http::error::PayloadError> = chunk;
                        bytes.extend_from_slice(&chunk.unwrap());
                    }
                    Poll::Ready(None) => break,
                    Poll::Pending => {
                        let nothing = &mut ReadBuf::new(&mut []);
                        assert!(Pin::new(&mut guarded).poll_read(cx, nothing).is_pending() || head.upgrade);
                    }
                }
            }
        };
        read(&mut Body(connection.clone()));
        if let Some(mut after_body) = after_body {
            read(&mut after_body);
        }
        requests.push((format!("{} {}", head.method, head.target), bytes));
        connection.state.borrow_mut().response_taken = true;
        assert!(Pin::new(&mut guarded).poll_flush(cx).is_ready());
    }
}

proptest! {
    #[test]
    fn exactly_what_was_sent_is_served(
        bodies in proptest::collection::vec((select(vec!["GET", "HEAD", "POST"]), 0_u8..4, 0..9_000_usize), 1..6),
        cuts in proptest::collection::vec(any::<Index>(), 0..40),
        tunnel in 0_u8..4,
    ) {
        let (mut wire, mut expected) = (Vec::new(), Vec::new());
        for (i, (method, framing, size)) in bodies.into_iter().enumerate() {
            let framing = if method == "POST" { framing } else { 0 };
            // The body looks like a request, which must not be parsed as one.
            let body: Vec<u8> = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n".iter().copied().cycle().take(size).collect();
            let before = if i % 2 == 1 { "\r\n" } else { "" };
            wire.extend_from_slice(format!("{before}{method} /{i} HTTP/1.1\r\nHost: h\r\n").as_bytes());
            let body = match framing {
                _ if method != "POST" => { wire.extend_from_slice(b"\r\n"); Vec::new() }
                0 => { wire.extend_from_slice(b"\r\n"); Vec::new() }
                1 => {
                    wire.extend_from_slice(format!("Content-Length: {size}\r\n\r\n").as_bytes());
                    wire.extend_from_slice(&body);
                    body
                }
                _ => {
                    wire.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                    for chunk in body.chunks(1 + size / 3) {
                        wire.extend_from_slice(format!("{:x};a=b\r\n", chunk.len()).as_bytes());
                        wire.extend_from_slice(chunk);
                        wire.extend_from_slice(b"\r\n");
                    }
                    wire.extend_from_slice(b"0\r\nT: x\r\n\r\n");
                    body
                }
            };
            expected.push((format!("{method} /{i}"), body));
        }
        match tunnel {
            1 => {
                wire.extend_from_slice(b"GET /t HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n\0\r\nGET");
                expected.push(("GET /t".into(), b"\0\r\nGET".to_vec()));
            }
            2 => {
                wire.extend_from_slice(b"POST /t HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\
                    Content-Length: 4\r\n\r\nbody\0\r\nGET");
                expected.push(("POST /t".into(), b"body\0\r\nGET".to_vec()));
            }
            3 => {
                wire.extend_from_slice(b"POST /t HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\
                    Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n\0\r\nGET");
                expected.push(("POST /t".into(), b"body\0\r\nGET".to_vec()));
            }
            _ => {}
        }
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(wire.len())).filter(|cut| *cut > 0).collect();
        cuts.push(wire.len());
        cuts.sort_unstable();
        cuts.dedup();
        let mut from = 0;
        let pieces = cuts.into_iter().map(|to| wire[std::mem::replace(&mut from, to)..to].to_vec()).collect();
        prop_assert_eq!(served(pieces), expected);
    }
}
