//! Upgrades: either a transparent tunnel or an ordinary reply.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::process::Signal;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::{Message, accept_hdr, client};

use crate::support::origin::{OK, Origin};
use crate::support::test_replica;
use crate::support::wire::Wire;
use crate::support::{Balancer, STATE_TIMEOUT, until};

const OFFER: &str =
    "GET /tunnel HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";
const ACCEPT: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Extensions: x\r\nContent-Length: 9\r\n\r\n";

/// A replica that accepts every offer, and then echoes every byte.
fn echoing() -> Origin {
    Origin::new(|peer| {
        peer.head()?;
        peer.wire.send(ACCEPT);
        while let Some(byte) = peer.wire.bytes(1) {
            peer.wire.send(byte);
        }
        None
    })
}

/// Opens a tunnel; returns it and the head of the 101.
fn open(lb: &Balancer) -> (Wire, String) {
    let mut client = Wire::connect(lb.traffic);
    client.send(OFFER);
    let head = client.head().unwrap();
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    (client, head)
}

/// Whether bytes are echoed through the tunnel.
fn is_echoed(client: &mut Wire, bytes: &[u8]) -> bool {
    client.send(bytes) && client.bytes(bytes.len()).is_some_and(|back| back == bytes)
}

#[test]
fn bytes_after_a_101_pass_unchanged() {
    let origin = echoing();
    let lb = Origin::balanced(&[&origin], &[]);
    let (mut client, head) = open(&lb);
    let mut fields: Vec<_> = head.lines().skip(1).filter(|field| !field.starts_with("date: ")).collect();
    fields.sort_unstable();
    let expected =
        ["Sec-WebSocket-Extensions: x", "connection: upgrade", "upgrade: websocket", "via: 1.1 lb"];
    assert_eq!(fields, expected);
    let request = origin.next();
    assert_eq!(
        (request.fields("connection"), request.fields("upgrade")),
        (vec!["upgrade"], vec!["websocket"])
    );
    for piece in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\xff\r\n0\r\n\r\n", b"x"] {
        assert!(is_echoed(&mut client, piece), "{piece:?}");
    }
    assert_eq!(lb.replicas()[0]["in_flight"], 1);
    drop(client);
    origin.until_open(0);
    lb.until("nothing is in flight", |lb| lb.replicas()[0]["in_flight"] == 0);
}

#[test]
fn a_replica_may_end_its_direction_of_a_tunnel_first() {
    let (all, received) = std::sync::mpsc::channel();
    let origin = Origin::new(move |peer| {
        peer.head()?;
        peer.wire.send(ACCEPT);
        peer.wire.send("bye");
        peer.wire.half_close();
        let _ = all.send(peer.wire.read_until_end());
        None
    });
    let lb = Origin::balanced(&[&origin], &[]);
    let (mut client, _) = open(&lb);
    assert_eq!(client.read_until_end(), b"bye");
    for _ in 0..100 {
        assert!(client.send("still here"));
    }
    client.half_close();
    assert_eq!(received.recv_timeout(STATE_TIMEOUT).unwrap(), b"still here".repeat(100));
    lb.until("nothing is in flight", |lb| lb.replicas()[0]["in_flight"] == 0);
}

#[test]
fn an_offer_with_content_length_zero_has_no_body() {
    let origin = echoing();
    let lb = Origin::balanced(&[&origin], &[]);
    for method in ["POST", "GET"] {
        let mut client = Wire::connect(lb.traffic);
        let offer = OFFER.replace("GET", method).replace("Host: h\r\n", "Host: h\r\nContent-Length: 0\r\n");
        client.send(offer);
        assert!(client.head().unwrap().starts_with("HTTP/1.1 101 "), "{method}");
        assert!(is_echoed(&mut client, b"hello"), "{method}");
        let request = origin.next();
        assert_eq!(
            (request.fields("upgrade"), request.fields("content-length")),
            (vec!["websocket"], vec!["0"])
        );
    }
}

#[test]
fn any_protocol_is_passed_on_and_each_direction_ends_independently() {
    let origin = Origin::new(|peer| {
        let offer = peer.head()?;
        peer.wire.send(ACCEPT.replace("websocket", offer.fields("upgrade")[0]));
        let all = peer.wire.rest().ok()?;
        peer.wire.send(format!("{} bytes", all.len()));
        None
    });
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);
    // Some clients send before the 101.
    client.send(OFFER.replace("websocket", "my/1"));
    client.send("GET / HTTP/1.1\r\n\r\n");
    let head = client.head().unwrap();
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("\r\nupgrade: my/1\r\n"), "{head}");
    client.send("more");
    client.half_close();
    assert_eq!(client.rest().unwrap(), b"22 bytes");
}

#[test]
fn each_direction_continues_while_the_other_is_stalled() {
    const SIZE: usize = 8 << 20;
    let origin = Origin::new(|peer| {
        peer.head()?;
        peer.wire.send(ACCEPT);
        let mut sending = peer.wire.try_clone();
        let sender = thread::spawn(move || sending.send(vec![b'r'; SIZE]));
        assert!(peer.wire.bytes(SIZE)? == vec![b'c'; SIZE]);
        sender.join().unwrap().then_some(())
    });
    let lb = Origin::balanced(&[&origin], &[]);
    let (mut client, _) = open(&lb);
    // The client reads nothing before everything is sent.
    assert!(client.send(vec![b'c'; SIZE]));
    assert!(client.bytes(SIZE).unwrap() == vec![b'r'; SIZE]);
    assert!(client.closed(), "the replica's end is the tunnel's");
}

#[test]
fn a_replica_that_declines_gives_an_ordinary_reply() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    for (reply, offer) in [
        (OK, "Connection: Upgrade\r\nUpgrade: a/1, b"),
        (chunked, "Connection: Upgrade\r\nUpgrade: websocket"),
    ] {
        let origin = Origin::replying(reply);
        let lb = Origin::balanced(&[&origin], &[]);
        let mut client = Wire::connect(lb.traffic);
        client.send(format!("GET / HTTP/1.1\r\nHost: h\r\n{offer}\r\n\r\n"));
        let request = origin.next();
        assert_eq!((request.fields("upgrade").len(), request.fields("connection")), (1, vec!["upgrade"]));
        let reply = client.reply().unwrap();
        assert_eq!((reply.text(), reply.fields("connection")), ("ok", vec!["close"]), "{offer}");
        assert!(client.closed());
        origin.until_open(0);
    }
}

/// The HttpClient of the JDK sends the first of these offers with every request.
#[test]
fn a_request_whose_offer_is_not_passed_on_is_an_ordinary_one() {
    let websocket = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket";
    for (fields, args) in [
        ("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA", &[][..]),
        ("Connection: Upgrade\r\nUpgrade: H2C\r\nHTTP2-Settings: AAEAAEAA", &[]),
        ("Connection: Upgrade\r\nUpgrade: TLS/1.0, h2c\r\nUpgrade: HTTP/2.0", &[]),
        ("Connection: Upgrade", &[]),
        ("Upgrade: websocket", &[]),
        (websocket, &["--upgrade-allow", "off"]),
        (websocket, &["--upgrade-allow", "irc/6.9,tcp"]),
    ] {
        let origin = Origin::replying(OK);
        let lb = Origin::balanced(&[&origin], &[&["--workers", "1"], args].concat());
        let mut client = Wire::connect(lb.traffic);
        for _ in 0..3 {
            client.send(format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n"));
            let reply = client.reply().unwrap_or_else(|| panic!("no reply to {fields}"));
            assert_eq!((reply.text(), reply.fields("connection").len()), ("ok", 0), "{fields}");
            let request = origin.next();
            for field in ["upgrade", "connection", "http2-settings"] {
                assert!(request.fields(field).is_empty(), "{fields}: {request:?}");
            }
        }
        assert_eq!(origin.connections(), 1, "{fields}");
    }
}

#[test]
fn only_allowed_offers_are_passed_on() {
    let origin = echoing();
    for (args, offers, passed_on) in [
        (&[][..], "Upgrade: h2c, WebSocket", "WebSocket"),
        (&[], "Upgrade: websocket\r\nUpgrade: h2c,x/1", "websocket, x/1"),
        (
            &["--upgrade-allow", "WEBSOCKET"],
            "Upgrade: x/1, websocket/13,websocket",
            "websocket/13, websocket",
        ),
    ] {
        let lb = Origin::balanced(&[&origin], args);
        let mut client = Wire::connect(lb.traffic);
        client.send(format!("GET / HTTP/1.1\r\nHost: h\r\nconnection: uPgRaDe\r\n{offers}\r\n\r\n"));
        assert!(client.head().unwrap().starts_with("HTTP/1.1 101 "), "{offers}");
        assert_eq!(origin.next().fields("upgrade"), [passed_on]);
        assert!(is_echoed(&mut client, b"hello"));
    }
}

#[test]
fn a_101_for_a_protocol_that_was_not_offered_is_502() {
    for upgrade in ["Upgrade: h2c\r\n", "Upgrade: websocket, h2c\r\n", "", "Upgrade: ,\r\n"] {
        let origin = Origin::replying_once(ACCEPT.replace("Upgrade: websocket\r\n", upgrade));
        let lb = Origin::balanced(&[&origin], &["--retries", "0"]);
        let mut client = Wire::connect(lb.traffic);
        client.send(OFFER.replace("websocket", "websocket, x"));
        let reply = client.reply().unwrap();
        assert_eq!(
            (reply.status(), reply.fields("proxy-status")),
            (502, vec!["lb; error=http_protocol_error"])
        );
    }
}

#[test]
fn an_offer_keeps_its_body_and_the_tunnel_begins_after_it() {
    let body = "b".repeat(200_000);
    let chunked = format!("3\r\nbbb\r\n{:x};x=y\r\n{}\r\n0\r\nT: x\r\n\r\n", body.len() - 3, &body[3..]);
    for (framing, sent, expected) in [
        ("Content-Length: 200000".to_owned(), &body, &body[..]),
        ("Transfer-Encoding: chunked".into(), &chunked, &body),
        ("Content-Length: 0".into(), &String::new(), ""),
        ("Content-Length: 5\r\nExpect: 100-continue".into(), &"hello".into(), "hello"),
    ] {
        for early in [false, true] {
            let sized = !framing.starts_with("Transfer");
            let origin = Origin::new(move |peer| {
                let head = peer.head()?;
                // A replica may accept before it has read the body.
                if early {
                    peer.wire.send(ACCEPT);
                }
                let body = peer.wire.body(head.head, false)?.body;
                if !early {
                    peer.wire.send(ACCEPT);
                }
                peer.wire.send(format!("{} bytes\n", body.len()));
                while let Some(byte) = peer.wire.bytes(1) {
                    peer.wire.send(byte);
                }
                None
            });
            let lb = Origin::balanced(&[&origin], &["--max-body", "200000B"]);
            let mut client = Wire::connect(lb.traffic);
            let offer = OFFER.replace("GET", "POST").replace("\r\n\r\n", &format!("\r\n{framing}\r\n\r\n"));
            client.send(offer);
            if framing.contains("Expect") {
                let head = client.head().unwrap();
                if !head.starts_with("HTTP/1.1 100 ") {
                    assert!(early && head.starts_with("HTTP/1.1 101 "), "{head}");
                    continue;
                }
            }
            client.send(sent);
            client.send("behind");
            assert!(client.head().unwrap().starts_with("HTTP/1.1 101 "), "{framing}");
            let length = format!("{} bytes\nbehind", expected.len());
            assert_eq!(client.bytes(length.len()).unwrap(), length.as_bytes(), "{framing} {early}");
            assert!(is_echoed(&mut client, b"GET / HTTP/1.1\r\n\r\n"));
            let request = origin.next();
            assert_eq!(request.fields("upgrade"), ["websocket"]);
            assert_eq!(request.fields("content-length").len(), usize::from(sized), "{request:?}");
            assert_eq!(request.fields("transfer-encoding").len(), usize::from(!sized), "{request:?}");
        }
    }
}

#[test]
fn an_offer_with_a_body_is_repeated_or_declined_like_any_request() {
    let offer = OFFER.replace("GET", "PUT").replace("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\nhello");
    // The first replica closes when it has read the whole request.
    let origins = [Origin::new(|peer| peer.request().map(drop)), Origin::replying(OK)];
    let lb = Origin::balanced(&[&origins[0], &origins[1]], &[]);
    for _ in 0..4 {
        let mut client = Wire::connect(lb.traffic);
        client.send(&offer);
        let reply = client.reply().unwrap();
        assert_eq!((reply.text(), reply.fields("connection")), ("ok", vec!["close"]));
        assert_eq!(origins[1].next().text(), "hello");
        assert!(client.closed());
    }
}

#[test]
fn max_body_does_not_apply_to_a_tunnel() {
    let origin = echoing();
    let lb = Origin::balanced(&[&origin], &["--max-body", "1KiB"]);
    let (mut client, _) = open(&lb);
    for _ in 0..8 {
        assert!(is_echoed(&mut client, &[b'x'; 1000]));
    }
    let mut client = Wire::connect(lb.traffic);
    let too_large = OFFER.replace("GET", "POST").replace("\r\n\r\n", "\r\nContent-Length: 1025\r\n\r\n");
    client.send(too_large);
    assert_eq!(client.reply().unwrap().status(), 413);
}

/// A failed connection gets no more bytes either: only a clean close is the end of one direction.
#[test]
fn a_reset_of_the_client_ends_its_tunnel() {
    for half_closed in [false, true] {
        let (done, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (over, seen) = (done.clone(), ended.clone());
        let origin = Origin::new(move |peer| {
            peer.head()?;
            peer.wire.send(ACCEPT);
            let _ = peer.wire.rest();
            seen.store(true, Ordering::SeqCst);
            until("the test is over", || over.load(Ordering::SeqCst));
            None
        });
        let lb = Origin::balanced(&[&origin], &[]);
        let (client, _) = open(&lb);
        if half_closed {
            client.half_close();
            until("the end of one direction is passed on", || ended.load(Ordering::SeqCst));
        }
        assert_eq!(lb.replicas()[0]["in_flight"], 1);
        client.reset();
        lb.until("nothing is in flight", |lb| lb.replicas()[0]["in_flight"] == 0);
        done.store(true, Ordering::SeqCst);
    }
}

/// The kernel ends a tunnel whose peer has vanished, after 60 s; the test only checks the socket options.
#[test]
fn both_sides_of_a_tunnel_have_keepalive_and_a_user_timeout() {
    let origin = echoing();
    let lb = Origin::balanced(&[&origin], &["--head-timeout", "300s", "--client-idle-timeout", "90s"]);
    let (client, _) = open(&lb);
    let (client, replica) = (client.socket().local_addr().unwrap(), origin.address);
    // The tunnel towards the replica is no longer bound by --head-timeout.
    let pid = rustix::process::Pid::from_child(&lb.child);
    let process = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{}/fd", lb.child.id())).unwrap() {
        let fd = entry.unwrap().file_name().to_str().unwrap().parse().unwrap();
        let flags = rustix::process::PidfdGetfdFlags::empty();
        let fd = match rustix::process::pidfd_getfd(&process, fd, flags) {
            Ok(fd) => fd,
            Err(rustix::io::Errno::BADF) => continue, // closed in the meantime
            Err(error) => {
                eprintln!("skipped: the balancer's sockets cannot be looked at: {error}");
                return;
            }
        };
        let socket = socket2::SockRef::from(&fd);
        let peer = socket.peer_addr().ok().and_then(|peer| peer.as_socket());
        if let Some(peer) = peer.filter(|peer| [client, replica].contains(peer)) {
            let seconds = |duration: std::io::Result<std::time::Duration>| duration.unwrap().as_secs();
            assert!(socket.keepalive().unwrap(), "{peer}");
            assert_eq!(seconds(socket.tcp_keepalive_time()), 30, "{peer}");
            assert_eq!(seconds(socket.tcp_keepalive_interval()), 10, "{peer}");
            assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3, "{peer}");
            assert_eq!(socket.tcp_user_timeout().unwrap().unwrap().as_secs(), 60, "{peer}");
            found.push(peer);
        }
    }
    found.sort_unstable();
    let mut expected = [client, replica];
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn offers_in_http_1_0_are_ignored_and_an_unrequested_101_is_502() {
    let origin = Origin::replying(ACCEPT);
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);
    client.send("GET / HTTP/1.0\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    assert_eq!(client.reply().unwrap().status(), 502);
    assert!(origin.next().fields("upgrade").is_empty());
}

#[test]
fn offers_with_connection_close_or_head_are_ignored() {
    let origin = Origin::replying_once(OK);
    let lb = Origin::balanced(&[&origin], &[]);
    for offer in [OFFER.replace("keep-alive", "close"), OFFER.replace("GET", "HEAD")] {
        let mut client = Wire::connect(lb.traffic);
        client.send(&offer);
        assert!(origin.next().fields("upgrade").is_empty(), "{offer}");
        assert!(client.head().unwrap().starts_with("HTTP/1.1 200 "));
    }
}

#[test]
fn an_offer_goes_to_the_next_seat_if_the_first_refuses_the_connection() {
    let mut origins = [echoing(), echoing()];
    let lb = Origin::balanced(&[&origins[0], &origins[1]], &[]);
    origins[0].refuse();
    for _ in 0..4 {
        assert!(is_echoed(&mut open(&lb).0, b"hello"));
    }
    origins[1].until_open(0);
}

#[test]
fn websocket_messages_pass_unchanged() {
    let origin = Origin::new(|peer| {
        #[expect(clippy::result_large_err, reason = "tungstenite's type")]
        let agree = |request: &Request, mut response: Response| {
            let protocol = request.headers()["sec-websocket-protocol"].clone();
            response.headers_mut().insert("sec-websocket-protocol", protocol);
            Ok(response)
        };
        let mut socket = accept_hdr(peer.wire.socket(), agree).unwrap();
        loop {
            match socket.read() {
                Ok(message @ (Message::Text(_) | Message::Binary(_))) => socket.send(message).unwrap(),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    });
    let lb = Origin::balanced(&[&origin], &[]);
    let request = tungstenite::http::Request::get("ws://h/chat?id=alice")
        .header("Host", "h")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", tungstenite::handshake::client::generate_key())
        .header("Sec-WebSocket-Protocol", "chat.v2");
    let io = TcpStream::connect(lb.traffic).unwrap();
    io.set_read_timeout(Some(STATE_TIMEOUT)).unwrap();
    let (mut socket, response) = client(request.body(()).unwrap(), io).unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat.v2");
    for message in [Message::text("hello"), Message::binary(vec![7; 1_000_000]), Message::text("")] {
        socket.send(message.clone()).unwrap();
        assert_eq!(socket.read().unwrap(), message);
    }
    socket.send(Message::Ping(vec![1].into())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong(vec![1].into()));
    socket.close(None).unwrap();
    assert!(matches!(socket.read(), Ok(Message::Close(_))));
}

#[test]
fn a_tunnel_outlives_changes_of_the_ring_and_ends_with_its_replica() {
    let lb = Balancer::start(&["--replica-command", &test_replica::command(), "--replicas", "1"]);
    let (mut client, _) = open(&lb);
    assert_eq!(lb.control("POST", "/add", r#"{"n":2,"hostnames":["a","b"]}"#).0, 200);
    assert!(is_echoed(&mut client, b"added"));
    assert_eq!(lb.control("DELETE", "/rm", r#"{"n":2,"hostnames":["server1","a"]}"#).0, 200);
    assert!(is_echoed(&mut client, b"removed, and draining"));
    let draining = lb.state()["others"].as_array().unwrap().clone();
    let mine = draining.iter().find(|replica| replica["name"] == "server1").unwrap();
    assert_eq!((&mine["phase"], &mine["in_flight"]), (&"draining".into(), &1.into()));
    crate::support::signal_pid(mine["id"].as_str().unwrap().parse().unwrap(), Signal::KILL);
    assert!(client.closed());
}

#[test]
fn a_tunnel_is_closed_last_when_the_balancer_ends() {
    let mut lb = Balancer::start(&["--replica-command", &test_replica::command(), "--drain", "3s"]);
    let (mut client, _) = open(&lb);
    lb.signal(Signal::TERM);
    lb.wait_for("stopping drain_ms");
    until("no new connection is taken", || TcpStream::connect(lb.traffic).is_err());
    assert!(is_echoed(&mut client, b"still here"));
    assert!(client.closed());
    assert_eq!(lb.ended().code(), Some(0));
}
