//! The dispatcher serves exactly the requests that were sent, in order, however the reads are split.

mod tunnel;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::{ConnectionType, Request, StatusCode};
use actix_service::fn_service;
use futures::task::noop_waker_ref;
use futures::{FutureExt, StreamExt};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Admission, Connection, ConnectionLimit, Incoming, Reset, Response, Settings, UpgradeAllow};
use crate::http1::fields::Fields;

/// A client stream that yields its bytes in pieces with a `Pending` before each, and then ends.
struct Client {
    pieces: VecDeque<Vec<u8>>,
    paused: bool,
    got: Rc<RefCell<Vec<u8>>>,
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
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.got.borrow_mut().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Runs a connection, calls `begin` for each request, and returns method, target and body of each request that the service gets, and the bytes that the
/// client gets.
fn served(
    pieces: Vec<Vec<u8>>,
    begin: impl Fn(&Rc<Connection>) + Clone + 'static,
) -> (Vec<(String, Vec<u8>)>, Vec<u8>) {
    actix_rt::System::new().block_on(async {
        let second = Duration::from_secs(1);
        let settings = Settings::new((16 * 1024, 8 * 1024, None), (second, second), UpgradeAllow::Any);
        let admission = Admission::new(settings, ConnectionLimit::new(1));
        let requests = Rc::new(RefCell::new(Vec::new()));
        let served = requests.clone();
        let service = fn_service(move |incoming: Incoming| {
            let (served, connection, begin) = (served.clone(), incoming.connection().clone(), begin.clone());
            let serve = async move |mut request: Request, _: Fields| {
                begin(&connection);
                let mut bytes = Vec::new();
                let upgrade = request.head().connection_type() == ConnectionType::Upgrade;
                let after_body = upgrade.then(|| connection.after_body());
                for mut part in [Some(request.take_payload()), after_body].into_iter().flatten() {
                    while let Some(chunk) = part.next().await {
                        bytes.extend_from_slice(&chunk.unwrap());
                    }
                }
                let line = format!("{} {}", request.method(), request.uri());
                served.borrow_mut().push((line.clone(), bytes));
                actix_http::Response::with_body(StatusCode::OK, line).into()
            };
            let refuse = |rejection| panic!("{rejection}");
            async move { Ok::<Response<String>, Infallible>(incoming.answer(serve, refuse).await) }
                .boxed_local()
        });
        let got = Rc::new(RefCell::new(Vec::new()));
        let client = Client { pieces: pieces.into(), paused: false, got: got.clone() };
        let mut connection = admission.serve(client, None, Rc::new(service));
        let cx = &mut Context::from_waker(noop_waker_ref());
        while Pin::new(&mut connection).poll(cx).is_pending() {}
        (requests.take(), got.take())
    })
}

/// The response to a request of [`served`], without the date.
fn response(line: &str) -> String {
    let body = if line.starts_with("HEAD ") { "" } else { line };
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", line.len())
}

/// An abandoned attempt of the first request goes on during the second one.
#[test]
fn early_hints_are_written_only_while_their_request_waits() {
    let requests = Rc::new(RefCell::new(Vec::new()));
    let begin = move |connection: &Rc<Connection>| {
        requests.borrow_mut().push(connection.waiting());
        for waiting in &*requests.borrow() {
            let link = waiting.request.to_string();
            waiting.connection.early_hints(waiting.request, Fields::from([("link", &*link)]));
        }
    };
    let request = |n: usize| format!("GET /{n} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes();
    let (_, got) = served(vec![request(1), request(2)], begin);
    let got = String::from_utf8(got).unwrap();
    let got: String = got.split_inclusive("\r\n").filter(|line| !line.starts_with("date: ")).collect();
    let hints = |n: usize| format!("HTTP/1.1 103 Early Hints\r\nlink: {n}\r\nvia: 1.1 lb\r\n\r\n");
    let expected = [hints(1), response("GET /1"), hints(2), response("GET /2")];
    assert_eq!(got, expected.concat());
}

/// Also if the balancer begins to drain before it has read the request, and another holder keeps the connection.
#[test]
fn a_request_that_has_arrived_is_answered_and_the_permit_returned() {
    actix_rt::System::new().block_on(async {
        let second = Duration::from_secs(1);
        let settings = Settings::new((16 * 1024, 8 * 1024, None), (second, second), UpgradeAllow::Any);
        let connections = ConnectionLimit::new(1);
        let admission = Admission::new(settings, connections.clone());
        let kept = Rc::new(RefCell::new(None));
        let keep = kept.clone();
        let service = fn_service(move |incoming: Incoming| {
            *keep.borrow_mut() = Some(incoming.connection().clone());
            async move {
                Ok::<Response<String>, Infallible>(
                    actix_http::Response::with_body(StatusCode::OK, "ok".to_owned()).into(),
                )
            }
            .boxed_local()
        });
        let got = Rc::new(RefCell::new(Vec::new()));
        let request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec();
        let client = Client { pieces: [request].into(), paused: true, got: got.clone() };
        let mut connection = admission.serve(client, None, Rc::new(service));
        admission.drain();
        let cx = &mut Context::from_waker(noop_waker_ref());
        while Pin::new(&mut connection).poll(cx).is_pending() {}
        drop(connection);
        let got = String::from_utf8(got.take()).unwrap();
        assert!(got.contains("connection: close\r\n") && got.ends_with("\r\n\r\nok"), "{got}");
        assert!(kept.borrow().is_some());
        assert_eq!(connections.open(), 0);
    });
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
        let (requests, got) = served(pieces, |_| ());
        prop_assert_eq!(&requests, &expected);
        // After an offer that was not accepted the connection is closed.
        let last = requests.len() - usize::from((1..4).contains(&tunnel));
        let got = String::from_utf8(got).unwrap();
        let got: String = got.split_inclusive("\r\n").filter(|line| !line.starts_with("date: ")).collect();
        let responses = requests.iter().enumerate().map(|(i, (line, _))| match i < last {
            true => response(line),
            false => response(line).replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"),
        });
        prop_assert_eq!(got, responses.collect::<String>());
    }
}
