//! A response with 101 makes the connection a tunnel through actix: both directions unchanged, and each can end alone.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_http::body::BodyStream;
use actix_http::header::{HeaderValue, UPGRADE};
use actix_http::{HttpService, KeepAlive, Payload, Request, Response, StatusCode};
use actix_service::{Service, ServiceFactory, fn_service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::proxy::guard::{
    Admission, ConnectionLimit, GuardedStream, Settings, UpgradeAllow, after_body, answer,
};

/// Switches protocols and echoes every byte.
async fn echo(request: Request) -> Response<BodyStream<Payload>> {
    let body = BodyStream::new(after_body(&request).unwrap());
    let mut response = Response::with_body(StatusCode::SWITCHING_PROTOCOLS, body);
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("echo"));
    response.head_mut().no_chunking(true);
    response
}

/// Starts a server of `echo` on this thread.
async fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = Settings::new(
        (1024, 1024, None),
        (Duration::from_secs(40), Duration::from_millis(300)),
        UpgradeAllow::Any,
    );
    let admission = Admission::new(settings, ConnectionLimit::new(1));
    let http = HttpService::build()
        .keep_alive(KeepAlive::Os)
        .h1_allow_half_closed(false)
        .on_connect_ext(|io: &GuardedStream<TcpStream>, extensions| {
            extensions.insert(io.connection());
        })
        .h1(fn_service(async |request| {
            let refuse = |rejection| panic!("{rejection}");
            Ok::<_, Infallible>(answer(request, echo, refuse).await)
        }));
    let http = Rc::new(http.new_service(()).await.unwrap());
    actix_rt::spawn(async move {
        while let Ok((io, peer)) = listener.accept().await {
            let (http, io) = (http.clone(), admission.guard(io));
            actix_rt::spawn(async move { http.call((io, Some(peer))).await });
        }
    });
    address
}

#[actix_rt::test]
async fn a_101_makes_a_tunnel() {
    let mut client = TcpStream::connect(server().await).await.unwrap();
    let offer = "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly\r\n";
    client.write_all(offer.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("connection: upgrade\r\n"), "{head}");
    assert!(head.contains("upgrade: echo\r\n") && !head.contains("transfer-encoding"), "{head}");

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
