//! The admin listener under attack: slow, large, malformed and too many requests.

use crate::support::wire::Wire;
use crate::support::{Balancer, answer, raw, until};

fn balancer(more: &[&str]) -> Balancer {
    Balancer::start(&[&["--replicas", "1"], more].concat())
}

#[test]
fn malformed_requests_get_a_reason_and_are_closed() {
    let mut lb = balancer(&["--max-header-size", "1KiB", "--max-target", "128"]);
    let long = "x".repeat(65_536);
    for (request, status, why) in [
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\n{long}: 1\r\n\r\n"), 431, "--max-header-size"),
        (format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"), 414, "--max-target"),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n".to_owned(), 400, "malformed"),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx".to_owned(), 400, "malformed"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 505, "HTTP/1.1"),
    ] {
        let reply = answer(&raw(lb.admin, request.as_bytes()), false);
        assert_eq!(reply.status, status, "{reply:?}");
        assert!(reply.json()["message"].as_str().unwrap().contains(why), "{reply:?}");
        assert_eq!(reply.header("content-security-policy").len(), 1);
        assert_eq!(reply.header("cache-control"), ["no-store"]);
    }
    assert_eq!(lb.state()["target"], 1);
    assert!(lb.log().iter().all(|line| !line.contains("panic")), "{:?}", lb.seen);
}

#[test]
fn inactive_connections_are_closed() {
    let lb = balancer(&["--client-head-timeout", "300ms", "--client-idle-timeout", "300ms"]);
    let end = |bytes: &str| {
        let mut client = Wire::connect(lb.admin);
        client.send(bytes);
        String::from_utf8(client.read_until_end()).unwrap()
    };
    assert_eq!(end(""), "");
    assert!(end("GET /livez HTTP/1.1\r\nHost: loc").starts_with("HTTP/1.1 408 "));
    assert!(end("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").starts_with("HTTP/1.1 200 "));
    let unread =
        "POST /livez HTTP/1.1\r\nHost: localhost\r\nX-LB-Admin: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert!(end(unread).starts_with("HTTP/1.1 405 "));
    let slow = "POST /api/plan HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{";
    assert!(end(slow).starts_with("HTTP/1.1 408 "));
}

#[test]
fn exhausted_admin_connections_do_not_affect_traffic() {
    let lb = balancer(&[]);
    // A connection that has sent nothing would be closed in favour of a new one.
    let begun = || {
        let mut client = Wire::connect(lb.admin);
        client.send("GET /livez HTTP/1.1\r\n");
        client
    };
    let mut held: Vec<_> = (0..1024).map(|_| begun()).collect();
    let state =
        || answer(&raw(lb.admin, b"GET /api/state HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), false);
    until("all connections are in use", || {
        // Replaces those that were closed before their first bytes were read.
        held.push(begun());
        state().status == 503
    });
    assert_eq!(lb.get("/home").status, 200);
    held.truncate(1000);
    until("there is room again", || state().status == 421);
}

/// A stream may be silent, so that no write would find out that its client has closed the connection.
#[test]
fn a_fin_ends_a_stream_and_no_other_response() {
    let lb = balancer(&[]);
    for stream in ["/api/events", "/api/replicas/server1/logs?follow=1"] {
        // More than the limit of subscribers, one after the other.
        for _ in 0..65 {
            let mut client = Wire::connect(lb.admin);
            client.send(format!("GET {stream} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            assert!(client.head().unwrap().starts_with("HTTP/1.1 200 "), "{stream}");
            client.half_close();
            client.read_until_end();
        }
    }
    let mut client = Wire::connect(lb.admin);
    client.send("GET /api/state HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.half_close();
    assert_eq!(client.reply().unwrap().status(), 200);
}

#[test]
fn an_event_stream_is_not_closed_because_its_client_sends_nothing() {
    let lb = balancer(&["--client-head-timeout", "100ms", "--client-idle-timeout", "100ms"]);
    let mut events = Wire::connect(lb.admin);
    events.send("GET /api/events?traffic=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(events.head().unwrap().starts_with("HTTP/1.1 200 "));
    // One event each second.
    let mut traffic = 0;
    while traffic < 3 {
        let chunk = String::from_utf8(events.chunk().unwrap()).unwrap();
        traffic += chunk.matches("event: traffic").count();
    }
}
