//! What a client receives of a reply: everything end-to-end, in a framing that it understands, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::origin::{OK, Origin};
use crate::support::until;
use crate::support::wire::{Message, Wire};

/// The reply that a client gets to GET / when the replica sends `reply`.
fn passed_on(reply: &str) -> Message {
    let origin = Origin::replying(reply);
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    client.reply().unwrap()
}

#[test]
fn end_to_end_fields_are_passed_on_and_hop_by_hop_fields_are_not() {
    let reply = passed_on(
        "HTTP/1.1 201 Whatever\r\nContent-Length: 2\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\n\
         Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nSet-Cookie: a=1\r\nX-Kept: 1\r\n\
         Via: 1.0 cache\r\n\
         Set-Cookie: b=2; Path=/\r\nSet-Cookie: a=3\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nServer: s\r\n\r\nok",
    );
    assert_eq!(reply.line(), "HTTP/1.1 201 Whatever");
    assert_eq!(reply.fields("set-cookie"), ["a=1", "b=2; Path=/", "a=3"]);
    let mut head: Vec<_> = reply.head.lines().skip(1).collect();
    head.sort_unstable();
    assert_eq!(
        head,
        [
            "Content-Length: 2",
            "Date: Mon, 01 Jan 2024 00:00:00 GMT",
            "Server: s",
            "Set-Cookie: a=1",
            "Set-Cookie: a=3",
            "Set-Cookie: b=2; Path=/",
            "Via: 1.0 cache",
            "X-Kept: 1",
            "via: 1.1 lb",
        ]
    );
}

#[test]
fn the_reason_phrase_of_the_replica_is_passed_on() {
    for (line, passed) in [
        ("HTTP/1.1 200 All's well: ok", "HTTP/1.1 200 All's well: ok"),
        ("HTTP/1.1 200 ", "HTTP/1.1 200 "),
        ("HTTP/1.1 200", "HTTP/1.1 200 "),
        ("HTTP/1.0 404 Not Found", "HTTP/1.1 404 Not Found"),
        ("HTTP/1.1 599 Odd", "HTTP/1.1 599 Odd"),
        ("HTTP/1.1 599", "HTTP/1.1 599 "),
    ] {
        assert_eq!(passed_on(&format!("{line}\r\nContent-Length: 2\r\n\r\nok")).line(), passed);
    }
}

#[test]
fn redirects_encodings_and_error_statuses_are_passed_on() {
    let moved = passed_on("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
    assert_eq!((moved.status(), moved.fields("location")), (302, vec!["http://127.0.0.1:1/"]));

    let zipped = passed_on(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\nVary: Accept-Encoding\r\n\r\n\u{1}notgz",
    );
    assert_eq!((zipped.fields("content-encoding"), zipped.text()), (vec!["gzip"], "\u{1}notgz"));
    let (length, vary) = (zipped.fields("content-length"), zipped.fields("vary"));
    assert_eq!((length, vary), (vec!["6"], vec!["Accept-Encoding"]));

    let late = passed_on("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!((late.status(), late.text()), (200, "ok"));
    for status in [400, 404, 429, 500, 503, 599] {
        let reply = passed_on(&format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nno"));
        assert_eq!((reply.status(), reply.text()), (status, "no"));
    }
}

#[test]
fn early_hints_reach_the_client_before_the_response() {
    const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: X-Gone\r\nX-Gone: 1\r\nLINK: </b.js>\r\n\r\n";
    let received = Arc::new(AtomicBool::new(false));
    let has_received = received.clone();
    let origin = Origin::new(move |peer| {
        loop {
            peer.request()?;
            peer.wire.send(HINTS);
            until("the client has the hints", || has_received.load(Ordering::SeqCst));
            peer.wire.send([&HINTS.replace("a.css", "c.css"), OK].concat());
        }
    });
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        for first in ["a.css", "c.css"] {
            let hints = client.head().unwrap();
            let lines: Vec<_> = hints.lines().collect();
            let link = format!("Link: </{first}>");
            assert_eq!(lines, ["HTTP/1.1 103 Early Hints", &link, "LINK: </b.js>", "via: 1.1 lb"]);
            received.store(true, Ordering::SeqCst);
        }
        let reply = client.reply().unwrap();
        assert_eq!((reply.status(), reply.text()), (200, "ok"));
    }
    // HTTP/1.0 has no interim responses.
    let mut old = Wire::connect(lb.traffic);
    old.send("GET / HTTP/1.0\r\nHost: h\r\n\r\n");
    assert_eq!(old.reply().unwrap().line(), "HTTP/1.0 200 OK");
}

#[test]
fn replies_without_a_body_leave_the_connection_usable() {
    let origin = Origin::new(|peer| {
        loop {
            let reply = match peer.request()?.line().split(' ').nth(1)? {
                "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
                "/304" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: \"e\"\r\n\r\n",
                "/head" => "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n",
                "/head-chunked" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                _ => OK,
            };
            peer.wire.send(reply);
        }
    });
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);
    for (method, path, status, length) in [
        ("GET", "/204", " 204 ", vec![]),
        ("GET", "/304", " 304 ", vec!["99"]),
        ("HEAD", "/304", " 304 ", vec!["99"]),
        ("HEAD", "/head", " 200 ", vec!["1234"]),
        ("HEAD", "/head-chunked", " 200 ", vec![]),
    ] {
        client.send(format!("{method} {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let reply = Message { head: client.head().unwrap(), body: Vec::new(), chunks: Vec::new() };
        assert!(reply.line().contains(status), "{reply:?}");
        assert_eq!(reply.fields("content-length"), length, "{reply:?}");
        client.send("GET /after HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(client.reply().unwrap().text(), "ok");
    }
}

#[test]
fn a_reply_delimited_by_close_arrives_complete_at_every_kind_of_client() {
    let bodies = ["HTTP/1.1 200 OK\r\n\r\nuntil close", "HTTP/1.0 200 OK\r\n\r\nuntil close"];
    for reply in bodies {
        let origin = Origin::replying_once(reply);
        let lb = Origin::balanced(&[&origin], &[]);
        let mut client = Wire::connect(lb.traffic);
        for _ in 0..3 {
            client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            let reply = client.reply().unwrap();
            assert_eq!((reply.text(), reply.fields("transfer-encoding")), ("until close", vec!["chunked"]));
        }
        for fields in ["", "Connection: keep-alive\r\n"] {
            let mut old = Wire::connect(lb.traffic);
            old.send(format!("GET / HTTP/1.0\r\n{fields}\r\n"));
            let reply = old.reply().unwrap();
            assert_eq!((reply.text(), reply.fields("transfer-encoding").len()), ("until close", 0));
            assert!(!reply.fields("connection").contains(&"keep-alive"), "{reply:?}");
            assert!(old.closed());
        }
    }
}

#[test]
fn chunked_replies_reach_http_1_0_clients_without_chunks() {
    let origin = Origin::replying(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n",
    );
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        let reply = client.reply().unwrap();
        assert_eq!((reply.text(), reply.fields("transfer-encoding")), ("abcde", vec!["chunked"]));
    }
    let mut old = Wire::connect(lb.traffic);
    old.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let reply = old.reply().unwrap();
    assert_eq!((reply.text(), reply.fields("transfer-encoding").len()), ("abcde", 0));
    assert!(!reply.fields("connection").contains(&"keep-alive"), "{reply:?}");
}

#[test]
fn a_truncated_reply_breaks_the_clients_connection_too() {
    for reply in [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nX",
    ] {
        let heads = Arc::new(AtomicUsize::new(0));
        let read = heads.clone();
        let origin = Origin::new(move |peer| {
            peer.request()?;
            let (head, rest) = reply.split_once("half").unwrap();
            peer.wire.send(format!("{head}half"));
            until("the client has read the head", || read.load(Ordering::SeqCst) > peer.number);
            peer.wire.send(rest);
            None
        });
        let lb = Origin::balanced(&[&origin], &[]);
        let mut client = Wire::connect(lb.traffic);
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        let head = client.head().unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        heads.fetch_add(1, Ordering::SeqCst);
        assert_eq!(client.body(head, true), None);
    }
}

#[test]
fn a_truncated_reply_delimited_by_close_resets_the_connection() {
    let heads = Arc::new(AtomicUsize::new(0));
    let read = heads.clone();
    let origin = Origin::new(move |peer| {
        peer.request()?;
        peer.wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
        until("the client has read the head", || read.load(Ordering::SeqCst) > 0);
        None
    });
    let lb = Origin::balanced(&[&origin], &[]);
    let mut old = Wire::connect(lb.traffic);
    old.send("GET / HTTP/1.0\r\n\r\n");
    assert!(old.head().unwrap().starts_with("HTTP/1.0 200 "));
    heads.fetch_add(1, Ordering::SeqCst);
    assert!(old.rest().is_err(), "a clean end would be the end of the reply");
}

#[test]
fn invalid_replies_are_502() {
    for reply in [
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let bad = passed_on(reply);
        assert_eq!(bad.status(), 502, "{reply:?}");
        let json: serde_json::Value = serde_json::from_slice(&bad.body).unwrap();
        assert_eq!(json["status"], "failure");
        assert!(json["message"].as_str().unwrap().starts_with("<Error> "), "{json}");
    }
}
