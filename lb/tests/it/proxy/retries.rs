//! Which failed attempts are repeated, at which replica, and what the client gets after the last one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::keyed::{breaking, failure, send, walk};
use crate::support::origin::{OK, Origin};
use crate::support::wire::Wire;

#[test]
fn any_method_is_repeated_after_a_refused_connection() {
    let mut origins = [Origin::replying(OK), Origin::replying(OK), Origin::replying(OK)];
    let lb = Origin::balanced(&[&origins[0], &origins[1], &origins[2]], &[]);
    let walk = walk(&lb);
    origins[walk[0]].refuse();
    origins[walk[1]].refuse();
    for (method, body) in [("GET", vec![]), ("POST", b"hello".to_vec()), ("POST", vec![b'x'; 100_000])] {
        let reply = send(&lb, method, &body);
        assert_eq!((reply.status(), reply.text()), (200, "ok"), "{method}");
        let seen = origins[walk[2]].next();
        assert!(seen.body == body, "{method}");
    }
}

#[test]
fn with_all_connections_refused_the_response_is_the_contracts_502() {
    let mut origins = [Origin::replying(OK), Origin::replying(OK)];
    let lb = Origin::balanced(&[&origins[0], &origins[1]], &[]);
    origins.iter_mut().for_each(Origin::refuse);
    for method in ["GET", "POST"] {
        let reply = send(&lb, method, b"");
        assert_eq!(reply.status(), 502);
        assert!(failure(&reply).contains("refused"), "{reply:?}");
    }
}

#[test]
fn after_sending_only_idempotent_requests_are_repeated() {
    for (method, size, repeated) in [
        ("GET", 0, true),
        ("DELETE", 0, true),
        ("PUT", 64 * 1024, true),
        ("PUT", 64 * 1024 + 1, false),
        ("POST", 0, false),
        ("POST", 5, false),
        ("PATCH", 5, false),
    ] {
        let broken = Arc::new(AtomicUsize::new(0));
        let origins = [breaking(&broken), breaking(&broken), breaking(&broken), breaking(&broken)];
        let all: Vec<_> = origins.iter().collect();
        let lb = Origin::balanced(&all, &["--retries", "2"]);
        let body = vec![b'b'; size];
        let reply = send(&lb, method, &body);
        assert_eq!(reply.status(), 502, "{method} {size}");
        failure(&reply);
        // The request may be the cause of the breaks: after a loss it is sent only once more, whatever --retries allows.
        let attempts = if repeated { 2 } else { 1 };
        assert_eq!(broken.load(Ordering::SeqCst), attempts, "{method} {size}");
        for seat in &walk(&lb)[..attempts] {
            let seen = origins[*seat].seen();
            assert_eq!(seen.len(), 1, "{method} {size}: each attempt at another replica");
            assert!(seen[0].body == body, "{method} {size}: each attempt is whole");
        }
    }
}

#[test]
fn a_repeated_request_is_the_same_request() {
    let broken = Arc::new(AtomicUsize::new(0));
    let origins = [breaking(&broken), breaking(&broken)];
    let lb = Origin::balanced(&[&origins[0], &origins[1]], &["--retries", "20"]);
    let mut client = Wire::connect(lb.traffic);
    client.send(
        "PUT /a%2fb?c HTTP/1.1\r\nHost: h\r\nX-Request-Id: k\r\nCookie: a\r\nCookie: b\r\n\
         Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
    assert_eq!(client.reply().unwrap().status(), 502);
    let (first, second) = (origins[0].seen(), origins[1].seen());
    assert_eq!((first.len(), &first), (1, &second));
    assert_eq!((first[0].line(), first[0].text()), ("PUT /a%2fb?c HTTP/1.1", "abc"));
    assert_eq!(first[0].fields("cookie"), ["a", "b"]);
}

#[test]
fn after_a_reused_connection_was_closed_no_further_post_is_lost_that_way() {
    // Closes each connection when its second request arrives, as a server that times out at this moment.
    let origin = Origin::new(|peer| {
        peer.request()?;
        peer.wire.send(OK);
        peer.head().map(drop)
    });
    let lb = Origin::balanced(&[&origin], &["--workers", "1"]);
    let mut client = Wire::connect(lb.traffic);
    let mut status = |request: &str| {
        client.send(request);
        client.reply().unwrap().status()
    };
    let post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx";
    let statuses: Vec<u16> = (0..10).map(|_| status(post)).collect();
    assert_eq!(statuses, [&[200, 502][..], &[200; 8]].concat());
    assert_eq!(status("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), 200, "a GET uses the pool, and is repeated");
}

#[test]
fn posts_share_the_connection_of_a_server_that_keeps_it() {
    let origin = Origin::replying(OK);
    let lb = Origin::balanced(&[&origin], &["--workers", "1"]);
    for _ in 0..5 {
        assert_eq!(send(&lb, "POST", b"x").status(), 200);
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_broken_pooled_connection_is_first_replaced_at_the_same_replica() {
    // Each connection answers once and breaks at its second request.
    let one_each = || {
        Origin::new(|peer| {
            peer.request()?;
            peer.wire.send(OK);
            peer.wire.head()?;
            None
        })
    };
    let origins = [one_each(), one_each()];
    let lb = Origin::balanced(&[&origins[0], &origins[1]], &["--workers", "1", "--retries", "0"]);
    let first = walk(&lb)[0];
    for connections in 1..=4 {
        assert_eq!(send(&lb, "GET", b"").status(), 200);
        assert_eq!(origins[first].connections(), connections);
    }
    assert_eq!(origins[1 - first].connections(), 0);
    // A POST could not be repeated: it gets a new connection.
    assert_eq!(send(&lb, "POST", b"x").status(), 200);
    assert_eq!(origins[first].connections(), 5);
}

#[test]
fn nothing_is_repeated_once_a_reply_has_begun() {
    let broken = Arc::new(AtomicUsize::new(0));
    let count = broken.clone();
    let half = move || {
        let count = count.clone();
        Origin::new(move |peer| {
            peer.request()?;
            count.fetch_add(1, Ordering::SeqCst);
            peer.wire.send("HTTP/1.1 200 OK\r\nX-Half:");
            None
        })
    };
    let origins = [half(), half()];
    let lb = Origin::balanced(&[&origins[0], &origins[1]], &[]);
    assert_eq!(send(&lb, "GET", b"").status(), 502);
    assert_eq!(broken.load(Ordering::SeqCst), 1);
}

#[test]
fn a_head_timeout_is_504() {
    let silent = Origin::new(|peer| {
        peer.request()?;
        peer.wire.closed().then_some(())
    });
    let trickling = Origin::new(|peer| {
        peer.request()?;
        peer.wire.send("HTTP/1.1 200 OK\r\nX: ");
        while peer.wire.silent(std::time::Duration::from_millis(10)) && peer.wire.send("x") {}
        None
    });
    for origin in [&silent, &trickling] {
        let lb = Origin::balanced(&[origin], &["--head-timeout", "300ms"]);
        let reply = send(&lb, "GET", b"");
        assert_eq!(reply.status(), 504);
        failure(&reply);
        origin.until_open(0);
    }
}
