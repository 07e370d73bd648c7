//! The traffic listener: refused requests, order of pipelined requests, limits of size and time.

use std::time::{Duration, Instant};

use crate::support::origin::{OK, Origin};
use crate::support::wire::{Message, Wire};
use crate::support::{Balancer, STATE_TIMEOUT};

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// Sends bytes on a new connection, and returns the reply; asserts that the connection then ends.
fn reply_to(lb: &Balancer, bytes: impl AsRef<[u8]>) -> Message {
    let mut client = Wire::connect(lb.traffic);
    client.send(&bytes);
    let shown = String::from_utf8_lossy(bytes.as_ref()).chars().take(200).collect::<String>();
    let reply = client.reply().unwrap_or_else(|| panic!("no reply to {shown:?}"));
    assert_eq!(reply.fields("connection"), ["close"], "{shown:?}: {reply:?}");
    assert!(client.closed(), "{shown:?}");
    reply
}

/// Asserts that the balancer itself made this response, with this status.
fn assert_own_response(reply: &Message, status: u16) {
    assert_eq!(
        (reply.status(), reply.fields("content-type")),
        (status, vec!["application/json"]),
        "{reply:?}"
    );
    let json: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(json["status"], "failure");
    assert!(json["message"].as_str().unwrap().starts_with("<Error> "), "{json}");
}

/// A replica that answers every request with the path and method of the request.
fn echo() -> Origin {
    Origin::new(|peer| {
        loop {
            let line = peer.request()?.line().to_owned();
            let (length, body) = (line.len(), if line.starts_with("HEAD") { "" } else { &line });
            peer.wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"));
        }
    })
}

#[test]
fn a_pipelined_head_request_does_not_affect_the_reply_before_it() {
    let origin = echo();
    let lb = Origin::balanced(&[&origin], &["--workers", "1"]);
    let mut client = Wire::connect(lb.traffic);
    for _ in 0..20 {
        client.send(
            "GET /a HTTP/1.1\r\nHost: h\r\n\r\n\r\nHEAD /b HTTP/1.1\r\nHost: h\r\n\r\n\
             HEAD /c HTTP/1.1\r\nHost: h\r\n\r\nGET /d HTTP/1.1\r\nHost: h\r\n\r\n",
        );
        assert_eq!(client.reply().unwrap().text(), "GET /a HTTP/1.1");
        for path in ["b", "c"] {
            let head = client.head().unwrap();
            assert!(
                head.contains(&format!("Content-Length: {}", "HEAD /b HTTP/1.1".len())),
                "{path}: {head}"
            );
        }
        assert_eq!(client.reply().unwrap().text(), "GET /d HTTP/1.1");
    }
    client.send("GET /old HTTP/1.1\r\nHost: h\r\n\r\nGET /last HTTP/1.0\r\n\r\nGET /never HTTP/1.1\r\n");
    let old = client.reply().unwrap();
    assert!(old.line().starts_with("HTTP/1.1 200") && old.fields("connection").is_empty(), "{old:?}");
    assert_eq!(client.reply().unwrap().text(), "GET /last HTTP/1.1");
    assert!(client.closed());
}

#[test]
fn ambiguous_requests_are_refused_and_not_forwarded() {
    let origin = Origin::replying(OK);
    let lb = Origin::balanced(&[&origin], &["--workers", "1"]);
    let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding:\u{b}chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer_Encoding: chunked\r\n",
        "Content_Length: 5\r\n",
        "X: a\r\n Transfer-Encoding: chunked\r\n",
        "X: a\rTransfer-Encoding: chunked\r\n",
        "X: a\nTransfer-Encoding: chunked\r\n",
        "X: a\0b\r\n",
        "X: a\u{7}b\r\n",
        "Host: other\r\n",
        "no colon\r\n",
    ] {
        assert_own_response(
            &reply_to(&lb, format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n{smuggled}")),
            400,
        );
    }
    for head in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\nHost: h\n\n",
        "GET / http/1.1\r\nHost: h\r\n\r\n",
        "GET /\r\n\r\n",
        "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /< HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /\u{e9} HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET h:1 HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: h\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\n",
    ] {
        assert_own_response(&reply_to(&lb, head), 400);
    }
    assert!(origin.seen().is_empty());
    for version in ["2.0", "0.9", "1.2", "3.0"] {
        assert_own_response(&reply_to(&lb, format!("GET / HTTP/{version}\r\nHost: h\r\n\r\n")), 505);
    }
    let connect = reply_to(&lb, "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_own_response(&connect, 405);
    assert_eq!(connect.fields("allow").len(), 1);
    assert_own_response(&reply_to(&lb, "GET / HTTP/1.1\r\nHost: h\r\nExpect: a-pony\r\n\r\n"), 417);
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_refused_head_request_has_no_body_and_earlier_requests_are_answered() {
    let origin = Origin::replying(OK);
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);
    client.send(format!("{GET}\r\nHEAD / HTTP/1.1\r\n\r\n{GET}"));
    assert_eq!(client.reply().unwrap().status(), 200);
    let head = client.head().unwrap();
    assert!(head.starts_with("HTTP/1.1 400 ") && head.contains("connection: close"), "{head}");
    assert!(client.closed());
    assert_eq!(origin.seen().len(), 1);
}

#[test]
fn the_authority_of_the_target_replaces_the_host_field() {
    let origin = Origin::replying(OK);
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);
    for (head, line, host) in [
        ("GET http://a:1/x?y HTTP/1.1\r\nHost: b\r\n\r\n", "GET /x?y HTTP/1.1", "a:1"),
        ("GET HTTP://a?y HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?y HTTP/1.1", "a"),
        ("\r\n\r\nGET http://[::1] HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1", "[::1]"),
    ] {
        client.send(head);
        assert_eq!(client.reply().unwrap().status(), 200);
        let seen = origin.next();
        assert_eq!((seen.line(), seen.fields("host")), (line, vec![host]));
    }
}

#[test]
fn each_size_limit_has_its_status() {
    let origin = Origin::replying(OK);
    let limits = ["--max-header-size", "2KiB", "--max-target", "256", "--max-body", "1KiB"];
    let lb = Origin::balanced(&[&origin], &limits);
    let target = |n: usize| format!("GET /{} HTTP/1.1\r\nHost: h\r\n", "x".repeat(n - 1));
    let header = |n: usize| format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(n - 16));
    let fields = |n: usize| format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(n - 1));
    let sized = |n: usize| format!("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: {n}\r\n\r\n");
    let chunked = |n: usize| {
        let chunks = format!("1\r\n{}\r\n", "x").repeat(n);
        format!("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
    };
    let mut client = Wire::connect(lb.traffic);
    for good in
        [target(256) + "\r\n", header(2048), fields(96), sized(1024) + &"x".repeat(1024), chunked(1024)]
    {
        client.send(&good);
        assert_eq!(client.reply().unwrap().status(), 200, "{good:?}");
    }
    for (bad, status) in [
        (target(257) + "\r\n", 414),
        (target(5000), 414),
        ("M".repeat(100_000), 400),
        (header(2049), 431),
        (header(100_000), 431),
        (fields(97), 431),
        (sized(1025), 413),
        (sized(usize::MAX), 413),
        (chunked(1025), 413),
        (chunked(1).replace("1\r\n", "1;\r\n"), 400),
        (chunked(1).replace("1\r\n", "1;a=b c\r\n"), 400),
        (chunked(1).replace("1\r\n", "1 \r\n"), 400),
    ] {
        assert_own_response(&reply_to(&lb, bad), status);
    }
}

#[test]
fn a_client_that_is_still_sending_can_read_its_refusal() {
    let origin = Origin::replying(OK);
    let lb = Origin::balanced(&[&origin], &["--max-body", "1KiB"]);
    for framing in ["Content-Length: 50000000", "Transfer-Encoding: chunked"] {
        let mut client = Wire::connect(lb.traffic);
        client.send(format!("PUT / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n"));
        let mut sending = client.try_clone();
        let sender = std::thread::spawn(move || {
            let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
            (0..200).take_while(|_| sending.send(&chunk)).count()
        });
        assert_own_response(&client.reply().unwrap(), 413);
        sender.join().unwrap();
    }
}

#[test]
fn a_bad_chunk_is_400_if_there_is_no_reply_yet() {
    let origin = Origin::replying(OK);
    let lb = Origin::balanced(&[&origin], &[]);
    for body in [
        "x\r\n",
        "-1\r\n",
        "0x1\r\na\r\n",
        "1\na\r\n",
        "1\r\naX\r\n",
        "11111111111111111\r\n",
        "1;\u{1}\r\na\r\n",
        "0\r\nno colon\r\n\r\n",
        "0\r\n\n",
    ] {
        let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n";
        assert_own_response(&reply_to(&lb, format!("{head}{body}")), 400);
    }
    assert_own_response(
        &reply_to(
            &lb,
            format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;{}", "x".repeat(5000)),
        ),
        400,
    );
}

#[test]
fn a_100_is_sent_only_when_the_body_is_needed() {
    let origin = Origin::replying(OK);
    let lb = Origin::balanced(&[&origin], &["--max-body", "10"]);
    let expecting = |length: usize| {
        format!("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n")
    };
    assert_own_response(&reply_to(&lb, expecting(11)), 413);
    let mut client = Wire::connect(lb.traffic);
    for _ in 0..2 {
        client.send(expecting(5));
        assert_eq!(client.head().unwrap(), "HTTP/1.1 100 Continue");
        client.send("hello");
        assert_eq!(client.reply().unwrap().status(), 200);
        assert_eq!(origin.next().text(), "hello");
    }
    // A client that does not wait gets no 100.
    client.send(expecting(5) + "hello");
    assert_eq!(client.reply().unwrap().status(), 200);
    let empty = Balancer::launch(&["--replicas", "0"]);
    assert_own_response(&reply_to(&empty, expecting(5)), 503);
}

#[test]
fn every_head_of_a_connection_has_a_deadline() {
    let origin = Origin::replying(OK);
    let lb = Origin::balanced(&[&origin], &["--client-head-timeout", "1s"]);
    for slow in ["G", "GET / HTT", "GET / HTTP/1.1\r\nHost: h\r\n"] {
        assert_own_response(&reply_to(&lb, slow), 408);
    }
    let mut client = Wire::connect(lb.traffic);
    client.send(GET);
    assert_eq!(client.reply().unwrap().status(), 200);
    client.send("GET / HTTP/1.1\r\n");
    assert_own_response(&client.reply().unwrap(), 408);
    assert!(client.closed());
    // Slow bytes do not extend the deadline.
    let (mut client, begun) = (Wire::connect(lb.traffic), Instant::now());
    let mut trickling = client.try_clone();
    let trickle = std::thread::spawn(move || {
        while begun.elapsed() < STATE_TIMEOUT && trickling.send("X") {
            std::thread::sleep(Duration::from_millis(20)); // the rate of the bytes
        }
    });
    assert_own_response(&client.reply().unwrap(), 408);
    drop(client);
    trickle.join().unwrap();
}

#[test]
fn an_idle_connection_is_closed_without_a_response() {
    let origin = Origin::replying(OK);
    let lb =
        Origin::balanced(&[&origin], &["--client-idle-timeout", "300ms", "--client-head-timeout", "100ms"]);
    let mut client = Wire::connect(lb.traffic);
    client.send(GET);
    assert_eq!(client.reply().unwrap().status(), 200);
    assert_eq!(client.rest().unwrap(), b"");
    // A 408 would be read as the response to the first request, if a client opens connections in advance.
    assert_eq!(Wire::connect(lb.traffic).rest().unwrap(), b"");
}

#[test]
fn a_body_that_stalls_is_408() {
    let origin = Origin::replying(OK);
    let lb = Origin::balanced(&[&origin], &["--client-idle-timeout", "300ms"]);
    for body in ["Content-Length: 9\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        assert_own_response(&reply_to(&lb, format!("POST / HTTP/1.1\r\nHost: h\r\n{body}")), 408);
    }
    origin.until_open(0);
}

#[test]
fn a_client_that_does_not_read_is_disconnected() {
    let origin = Origin::new(|peer| {
        peer.request()?;
        peer.wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
        while peer.wire.send([b'x'; 0x10000]) {}
        None
    });
    let lb = Origin::balanced(&[&origin], &["--client-idle-timeout", "1s", "--idle-timeout", "10m"]);
    let mut client = Wire::connect(lb.traffic);
    client.send(GET);
    assert!(client.head().unwrap().starts_with("HTTP/1.1 200 "));
    origin.until_open(0);
    lb.until("nothing is in flight", |lb| lb.replicas()[0]["in_flight"] == 0);
}

/// The kernel buffers megabytes for a client, and would report the socket writable only when a third of them is gone.
#[test]
fn a_client_that_reads_slowly_is_served_to_the_end() {
    const SIZE: usize = 32 << 20;
    let reply = [b"HTTP/1.1 200 OK\r\nContent-Length: 33554432\r\n\r\n".to_vec(), vec![b'x'; SIZE]].concat();
    let origin = Origin::replying(reply);
    let lb = Origin::balanced(&[&origin], &["--client-idle-timeout", "1s"]);
    let mut client = Wire::connect(lb.traffic);
    client.send(GET);
    client.head().unwrap();
    for _ in 0..30 {
        client.bytes(32 << 10).unwrap();
        std::thread::sleep(Duration::from_millis(100)); // three times the limit in total
    }
    assert_eq!(client.bytes(SIZE - 30 * (32 << 10)).map(|rest| rest.len()), Some(SIZE - 30 * (32 << 10)));
}

#[test]
fn a_client_that_breaks_off_is_not_an_error() {
    let origin = Origin::new(|peer| {
        peer.request()?;
        peer.wire.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
        None
    });
    let mut lb = Origin::balanced(&[&origin], &[]);
    let start = lb.log().len();
    let mut client = Wire::connect(lb.traffic);
    client.send(GET);
    let head = client.head().unwrap();
    // The client gets what arrived before the break.
    assert!(client.rest().is_ok_and(|rest| rest == b"half"), "{head}");
    for bytes in
        ["GET / HTTP/1.1\r\nHos", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx", GET, "\0\n"]
    {
        let mut client = Wire::connect(lb.traffic);
        client.send(bytes);
        client.reset();
    }
    lb.until("nothing is in flight", |lb| lb.replicas()[0]["in_flight"] == 0);
    let complains = |line: &String| line.contains("ERROR") || line.contains("WARN");
    assert!(!lb.log()[start..].iter().any(complains), "{:#?}", lb.seen);
}

#[test]
fn requests_in_single_bytes_and_in_one_piece_are_equivalent() {
    let origin = Origin::replying(OK);
    let lb = Origin::balanced(&[&origin], &["--workers", "1"]);
    let requests = "GET /1 HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc\
        \r\nPUT /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;e=1\r\na\r\n2\r\nbc\r\n0\r\nT: 1\r\n\r\n";
    let mut seen = Vec::new();
    for piece in [1, 7, requests.len()] {
        let mut client = Wire::connect(lb.traffic);
        for piece in requests.as_bytes().chunks(piece) {
            client.send(piece);
        }
        for _ in 0..3 {
            assert_eq!(client.reply().unwrap().status(), 200);
            let request = origin.next();
            seen.push((request.line().to_owned(), request.text().to_owned()));
        }
    }
    for three in seen.chunks(3) {
        let expected = [("GET /1 HTTP/1.1", ""), ("POST /2 HTTP/1.1", "abc"), ("PUT /3 HTTP/1.1", "abc")];
        assert_eq!(three, expected.map(|(line, body)| (line.to_owned(), body.to_owned())));
    }
}
