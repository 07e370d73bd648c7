//! A response with 101 makes the connection a tunnel: both directions unchanged, and each can end alone.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_http::body::{BodyStream, BoxBody};
use actix_http::header::{HeaderValue, UPGRADE};
use actix_http::{Payload, Response, StatusCode};
use actix_service::fn_service;
use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::proxy::dispatcher::{Admission, ConnectionLimit, Incoming, Settings, UpgradeAllow};

/// What the replica of a tunnel sends, given what the client sends.
type Replica = fn(Payload) -> BoxBody;

/// Starts a server on this thread that switches protocols for each connection.
async fn server(replica: Replica) -> (SocketAddr, ConnectionLimit) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = Settings::new(
        (1024, 1024, None),
        (Duration::from_secs(40), Duration::from_millis(300)),
        UpgradeAllow::Any,
    );
    let connections = ConnectionLimit::new(1);
    let admission = Admission::new(settings, connections.clone());
    let service = Rc::new(fn_service(move |incoming: Incoming| {
        let connection = incoming.connection().clone();
        let serve = async move |_, _| {
            let body = replica(connection.after_body());
            let mut response = Response::with_body(StatusCode::SWITCHING_PROTOCOLS, body);
            response.headers_mut().insert(UPGRADE, HeaderValue::from_static("echo"));
            response.into()
        };
        let refuse = |rejection| panic!("{rejection}");
        async move { Ok::<_, Infallible>(incoming.answer(serve, refuse).await) }.boxed_local()
    }));
    actix_rt::spawn(async move {
        while let Ok((io, peer)) = listener.accept().await {
            actix_rt::spawn(admission.serve(io, Some(peer), service.clone()));
        }
    });
    (address, connections)
}

/// A client that has received the 101 of its tunnel; `early`: bytes that it sends with its offer.
async fn client(server: SocketAddr, early: &str) -> TcpStream {
    let mut client = TcpStream::connect(server).await.unwrap();
    let offer = format!("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n{early}");
    client.write_all(offer.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("connection: upgrade\r\n"), "{head}");
    assert!(head.contains("upgrade: echo\r\n") && !head.contains("transfer-encoding"), "{head}");
    client
}

#[actix_rt::test]
async fn a_101_makes_a_tunnel() {
    let echo = |client| BoxBody::new(BodyStream::new(client));
    let mut client = client(server(echo).await.0, "early\r\n").await;
    let mut echoed = [0; 7];
    client.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"early\r\n");
    // Bytes that look like a request, after a pause longer than the idle timeout.
    tokio::time::sleep(Duration::from_millis(700)).await;
    let request = b"HEAD / HTTP/1.1\n\n\0";
    for _ in 0..100 {
        client.write_all(request).await.unwrap();
        let mut echoed = vec![0; request.len()];
        client.read_exact(&mut echoed).await.unwrap();
        assert_eq!(echoed, request);
    }
    let large: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    let (mut reading, mut writing) = client.split();
    let mut echoed = Vec::new();
    let send = async {
        writing.write_all(&large).await.unwrap();
        writing.shutdown().await.unwrap();
    };
    tokio::join!(send, async { reading.read_to_end(&mut echoed).await.unwrap() });
    assert!(echoed == large, "{} bytes came back", echoed.len());
}

/// The replica sends a line and closes its direction; then it counts what the client sends.
#[actix_rt::test]
async fn a_replica_can_end_its_direction_alone() {
    thread_local! {
        static RECEIVED: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    let replica = |mut client: Payload| {
        actix_rt::spawn(async move {
            while let Some(Ok(bytes)) = client.next().await {
                RECEIVED.with_borrow_mut(|received| received.extend_from_slice(&bytes));
            }
        });
        let line = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"bye\r\n"))]);
        BoxBody::new(BodyStream::new(line))
    };
    let mut client = client(server(replica).await.0, "").await;
    let mut got = Vec::new();
    client.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"bye\r\n");
    for _ in 0..4 {
        // Together longer than the idle timeout, each pause is shorter.
        tokio::time::sleep(Duration::from_millis(150)).await;
        client.write_all(b"still here").await.unwrap();
    }
    client.shutdown().await.unwrap();
    drop(client);
    let received = async {
        while RECEIVED.with_borrow(Vec::len) < 4 * "still here".len() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), received).await.unwrap();
}

/// The deadline of the client does not run while the replica is awaited.
#[actix_rt::test]
async fn a_slow_replica_gets_everything_after_both_directions_have_ended() {
    thread_local! {
        static RECEIVED: std::cell::Cell<Option<usize>> = const { std::cell::Cell::new(None) };
    }
    const SIZE: usize = 20_000;
    let replica = |mut client: Payload| {
        actix_rt::spawn(async move {
            tokio::time::sleep(Duration::from_millis(900)).await; // three times the idle timeout
            let mut received = 0;
            while let Some(Ok(bytes)) = client.next().await {
                received += bytes.len();
            }
            RECEIVED.set(Some(received));
        });
        BoxBody::new(BodyStream::new(stream::empty::<Result<Bytes, Infallible>>()))
    };
    let mut client = client(server(replica).await.0, "").await;
    client.write_all(&[b'x'; SIZE]).await.unwrap();
    client.shutdown().await.unwrap();
    let received = async {
        while RECEIVED.get().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), received).await.unwrap();
    assert_eq!(RECEIVED.get(), Some(SIZE));
}

/// A client that keeps its direction open and silent after the replica has closed its own is disconnected.
#[actix_rt::test]
async fn a_client_that_is_silent_after_the_end_of_the_replica_is_closed() {
    let replica = |mut client: Payload| {
        actix_rt::spawn(async move { while let Some(Ok(_)) = client.next().await {} });
        BoxBody::new(BodyStream::new(stream::empty::<Result<Bytes, Infallible>>()))
    };
    let (server, connections) = server(replica).await;
    let mut client = client(server, "").await;
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    let closed = async {
        while connections.open() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), closed).await.unwrap();
}
