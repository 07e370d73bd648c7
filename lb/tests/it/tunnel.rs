//! Upgrades: a tunnel, byte for byte, or an ordinary reply.

use std::net::TcpStream;
use std::thread;

use rustix::process::Signal;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::{Message, accept_hdr, client};

use crate::balancer::{Balancer, PATIENCE, until};
use crate::helper;
use crate::origin::{OK, Origin};
use crate::wire::Wire;

const OFFER: &str =
    "GET /tunnel HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";
const ACCEPT: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Extensions: x\r\nContent-Length: 9\r\n\r\n";

/// A replica that accepts every offer, and then sends every byte back.
fn echoing() -> Origin {
    Origin::new(|peer| {
        peer.head()?;
        peer.wire.say(ACCEPT);
        while let Some(byte) = peer.wire.bytes(1) {
            peer.wire.say(byte);
        }
        None
    })
}

/// A tunnel that the balancer has opened, and its head.
fn open(lb: &Balancer) -> (Wire, String) {
    let mut client = Wire::connect(lb.traffic);
    client.say(OFFER);
    let head = client.head().unwrap();
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    (client, head)
}

/// Whether bytes go there and come back.
fn goes_through(client: &mut Wire, bytes: &[u8]) -> bool {
    client.say(bytes) && client.bytes(bytes.len()).is_some_and(|back| back == bytes)
}

#[test]
fn what_follows_a_101_passes_byte_for_byte() {
    let origin = echoing();
    let lb = Origin::balanced(&[&origin], &[]);
    let (mut client, head) = open(&lb);
    let mut fields: Vec<_> = head.lines().skip(1).filter(|field| !field.starts_with("date: ")).collect();
    fields.sort_unstable();
    let expected =
        ["connection: upgrade", "sec-websocket-extensions: x", "upgrade: websocket", "via: 1.1 lb"];
    assert_eq!(fields, expected);
    let request = origin.next();
    assert_eq!(
        (request.fields("connection"), request.fields("upgrade")),
        (vec!["upgrade"], vec!["websocket"])
    );
    for piece in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\xff\r\n0\r\n\r\n", b"x"] {
        assert!(goes_through(&mut client, piece), "{piece:?}");
    }
    assert_eq!(lb.replicas()[0]["in_flight"], 1);
    drop(client);
    origin.until_open(0);
    lb.until("nothing is in flight", |lb| lb.replicas()[0]["in_flight"] == 0);
}

#[test]
fn an_offer_of_length_zero_is_an_offer_without_a_body() {
    let origin = echoing();
    let lb = Origin::balanced(&[&origin], &[]);
    for method in ["POST", "GET"] {
        let mut client = Wire::connect(lb.traffic);
        let offer = OFFER.replace("GET", method).replace("Host: h\r\n", "Host: h\r\nContent-Length: 0\r\n");
        client.say(offer);
        assert!(client.head().unwrap().starts_with("HTTP/1.1 101 "), "{method}");
        assert!(goes_through(&mut client, b"hello"), "{method}");
        let request = origin.next();
        assert_eq!(
            (request.fields("upgrade"), request.fields("content-length")),
            (vec!["websocket"], vec!["0"])
        );
    }
}

#[test]
fn any_protocol_will_do_and_each_side_ends_by_itself() {
    let origin = Origin::new(|peer| {
        let offer = peer.head()?;
        peer.wire.say(ACCEPT.replace("websocket", offer.fields("upgrade")[0]));
        let all = peer.wire.rest().ok()?;
        peer.wire.say(format!("{} bytes", all.len()));
        None
    });
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);
    // Not all wait for the 101.
    client.say(OFFER.replace("websocket", "my/1"));
    client.say("GET / HTTP/1.1\r\n\r\n");
    let head = client.head().unwrap();
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("\r\nupgrade: my/1\r\n"), "{head}");
    client.say("more");
    client.half_close();
    assert_eq!(client.rest().unwrap(), b"22 bytes");
}

#[test]
fn each_direction_goes_on_while_the_other_is_stuck() {
    const SIZE: usize = 8 << 20;
    let origin = Origin::new(|peer| {
        peer.head()?;
        peer.wire.say(ACCEPT);
        let mut sending = peer.wire.twin();
        let sender = thread::spawn(move || sending.say(vec![b'r'; SIZE]));
        assert!(peer.wire.bytes(SIZE)? == vec![b'c'; SIZE]);
        sender.join().unwrap().then_some(())
    });
    let lb = Origin::balanced(&[&origin], &[]);
    let (mut client, _) = open(&lb);
    // Nothing is read before all is sent.
    assert!(client.say(vec![b'c'; SIZE]));
    assert!(client.bytes(SIZE).unwrap() == vec![b'r'; SIZE]);
    assert!(client.closed(), "the replica's end is the tunnel's");
}

#[test]
fn a_replica_that_declines_gives_an_ordinary_reply() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    for (reply, offer, offered) in [
        (OK, "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x", true),
        (chunked, "Connection: Upgrade\r\nUpgrade: websocket", true),
        (chunked, "Upgrade: websocket", false),
    ] {
        let origin = Origin::saying(reply);
        let lb = Origin::balanced(&[&origin], &[]);
        let mut client = Wire::connect(lb.traffic);
        client.say(format!("GET / HTTP/1.1\r\nHost: h\r\n{offer}\r\n\r\n"));
        let request = origin.next();
        assert_eq!(request.fields("upgrade").len(), usize::from(offered), "{request:?}");
        assert_eq!(request.fields("connection").len(), usize::from(offered), "{request:?}");
        assert!(request.fields("http2-settings").is_empty(), "{request:?}");
        let reply = client.reply().unwrap();
        assert_eq!((reply.text(), reply.fields("connection")), ("ok", vec!["close"]), "{offer}");
        assert!(client.closed());
        origin.until_open(usize::from(!offered));
    }
}

#[test]
fn an_old_client_offers_nothing_and_a_101_that_nobody_asked_for_is_no_reply() {
    let origin = Origin::saying(ACCEPT);
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);
    client.say("GET / HTTP/1.0\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    assert_eq!(client.reply().unwrap().status(), 502);
    assert!(origin.next().fields("upgrade").is_empty());
}

#[test]
fn who_will_close_or_asks_for_a_head_offers_nothing() {
    let origin = Origin::saying_once(OK);
    let lb = Origin::balanced(&[&origin], &[]);
    for offer in [OFFER.replace("keep-alive", "close"), OFFER.replace("GET", "HEAD")] {
        let mut client = Wire::connect(lb.traffic);
        client.say(&offer);
        assert!(origin.next().fields("upgrade").is_empty(), "{offer}");
        assert!(client.head().unwrap().starts_with("HTTP/1.1 200 "));
    }
}

#[test]
fn an_offer_goes_to_the_next_seat_where_the_first_refuses() {
    let mut origins = [echoing(), echoing()];
    let lb = Origin::balanced(&[&origins[0], &origins[1]], &[]);
    origins[0].refuse();
    for _ in 0..4 {
        assert!(goes_through(&mut open(&lb).0, b"hello"));
    }
    origins[1].until_open(0);
}

#[test]
fn a_web_socket_keeps_its_protocol_and_its_messages() {
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
    io.set_read_timeout(Some(PATIENCE)).unwrap();
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
    let lb = Balancer::start(&["--replica-command", &helper::command(), "--replicas", "1"]);
    let (mut client, _) = open(&lb);
    assert_eq!(lb.control("POST", "/add", r#"{"n":2,"hostnames":["a","b"]}"#).0, 200);
    assert!(goes_through(&mut client, b"added"));
    assert_eq!(lb.control("DELETE", "/rm", r#"{"n":2,"hostnames":["server1","a"]}"#).0, 200);
    assert!(goes_through(&mut client, b"removed, and draining"));
    let draining = lb.state()["others"].as_array().unwrap().clone();
    let mine = draining.iter().find(|replica| replica["name"] == "server1").unwrap();
    assert_eq!((&mine["phase"], &mine["in_flight"]), (&"draining".into(), &1.into()));
    crate::balancer::signal_pid(mine["id"].as_str().unwrap().parse().unwrap(), Signal::KILL);
    assert!(client.closed());
}

#[test]
fn a_tunnel_is_closed_last_when_the_balancer_ends() {
    let mut lb = Balancer::start(&["--replica-command", &helper::command(), "--drain", "3s"]);
    let (mut client, _) = open(&lb);
    lb.signal(Signal::TERM);
    lb.wait_for("stopping drain_ms");
    until("no new connection is taken", || TcpStream::connect(lb.traffic).is_err());
    assert!(goes_through(&mut client, b"still here"));
    assert!(client.closed());
    assert_eq!(lb.ended().code(), Some(0));
}
