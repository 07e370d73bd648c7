//! Bodies: large, slow, in both directions at once, and broken off by either side.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::origin::{OK, Origin};
use crate::support::until;
use crate::support::wire::Wire;

/// Size of the large bodies: 64 MB.
const LARGE: usize = 64_000_000;
/// Allowed growth of the balancer, in kB, including the allocator: less than a whole body.
const BOUND: u64 = 48_000;

/// Bytes without repetition, so that lost, doubled or swapped ones are detected.
fn content(n: usize) -> Vec<u8> {
    (0..n as u64).map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}

/// Peak memory of a process, in kB.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn bodies_of_64_mb_pass_in_both_directions_in_bounded_memory() {
    let origin = Origin::new(|peer| {
        loop {
            let request = peer.wire.request()?;
            assert!(request.body == content(LARGE), "the upload arrives whole");
            peer.wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"));
            peer.wire.send(&request.body);
        }
    });
    let lb = Origin::balanced(&[&origin], &[]);
    let before = peak(lb.child.id());
    let large = content(LARGE);
    for chunked in [false, true] {
        let mut client = Wire::connect(lb.traffic);
        if chunked {
            client.send("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
            for chunk in large.chunks(70_001) {
                client.send(format!("{:x}\r\n", chunk.len()));
                client.send(chunk);
                client.send("\r\n");
            }
            client.send("0\r\n\r\n");
        } else {
            client.send(format!("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: {LARGE}\r\n\r\n"));
            client.send(&large);
        }
        // The client reads nothing until the whole reply could have been buffered.
        let head = client.head().unwrap();
        assert!(head.contains(&format!("Content-Length: {LARGE}")), "{head}");
        assert!(client.bytes(LARGE).unwrap() == large, "the reply arrives whole");
    }
    let grown = peak(lb.child.id()) - before;
    assert!(grown < BOUND, "the balancer grew by {grown} kB");
}

#[test]
fn a_replica_can_answer_each_chunk_before_the_next_is_sent() {
    let origin = Origin::new(|peer| {
        peer.head()?;
        peer.wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        loop {
            let chunk = peer.wire.chunk()?;
            peer.wire.send(format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(&chunk)));
            if chunk.is_empty() {
                return peer.wire.closed().then_some(());
            }
        }
    });
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);
    client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    let head = client.head().unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    for piece in 0..200 {
        let piece = format!("piece {piece}");
        client.send(format!("{:x}\r\n{piece}\r\n", piece.len()));
        assert_eq!(client.chunk().unwrap(), piece.as_bytes());
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.chunk().unwrap(), b"");
}

#[test]
fn bodies_sent_byte_by_byte_arrive_complete() {
    let origin = Origin::new(|peer| {
        loop {
            let request = peer.request()?;
            for byte in format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.body.len()).bytes() {
                peer.wire.send([byte]);
            }
            for byte in request.body {
                peer.wire.send([byte]);
            }
        }
    });
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);
    for request in [
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\none bytes",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n8\r\nne bytes\r\n0\r\n\r\n",
    ] {
        for byte in request.bytes() {
            client.send([byte]);
        }
        assert_eq!(client.reply().unwrap().text(), "one bytes");
    }
}

/// The kernel buffers megabytes for a replica, and would report the socket writable only when a third of them is gone.
#[test]
fn a_replica_that_reads_slowly_is_not_considered_hung() {
    let origin = Origin::new(|peer| {
        peer.head()?;
        for _ in 0..30 {
            peer.wire.bytes(32 << 10)?;
            thread::sleep(Duration::from_millis(100)); // three times the limit in total
        }
        peer.wire.bytes(LARGE - 30 * (32 << 10))?;
        peer.wire.send(OK);
        None
    });
    let lb = Origin::balanced(&[&origin], &["--head-timeout", "1s"]);
    let mut client = Wire::connect(lb.traffic);
    client.send(format!("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: {LARGE}\r\n\r\n"));
    client.send(vec![b'x'; LARGE]);
    assert_eq!(client.reply().unwrap().status(), 200);
}

#[test]
fn an_early_413_reaches_a_client_that_is_still_uploading() {
    let origin = Origin::new(|peer| {
        peer.head()?;
        peer.wire.send("HTTP/1.1 413 Payload Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig");
        None
    });
    let lb = Origin::balanced(&[&origin], &[]);
    for framing in [format!("Content-Length: {LARGE}"), "Transfer-Encoding: chunked".into()] {
        let mut client = Wire::connect(lb.traffic);
        client.send(format!("POST / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n"));
        let mut uploading = client.try_clone();
        let upload = thread::spawn(move || {
            let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
            // The upload stops when the balancer stops reading.
            (0..LARGE / 0x10000).take_while(|_| uploading.send(&chunk)).count()
        });
        let reply = client.reply().unwrap();
        assert_eq!((reply.status(), reply.text(), reply.fields("connection")), (413, "big", vec!["close"]));
        upload.join().unwrap();
    }
    origin.until_open(0);
}

#[test]
fn a_request_that_is_refused_before_its_body_closes_the_connection() {
    let origin = Origin::replying(OK);
    let lb = Origin::balanced(&[&origin], &["--idle-timeout", "300ms"]);
    for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let mut client = Wire::connect(lb.traffic);
        client.send(format!("POST / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n"));
        let reply = client.reply().unwrap();
        assert_eq!((reply.status(), reply.fields("connection")), (408, vec!["close"]), "{reply:?}");
        assert!(client.closed(), "a client that sends nothing more holds no connection");
    }
    origin.until_open(0);
}

#[test]
fn a_client_that_leaves_cancels_its_request() {
    let origin = Origin::new(|peer| {
        peer.head()?;
        peer.wire.closed().then_some(())
    });
    let lb = Origin::balanced(&[&origin], &["--retries", "0"]);
    let in_flight = || lb.replicas()[0]["in_flight"].as_u64().unwrap();
    for (request, resets) in [
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", true),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf", false),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", false),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", true),
    ] {
        let mut client = Wire::connect(lb.traffic);
        client.send(request);
        origin.next();
        assert_eq!(in_flight(), 1, "{request:?}");
        if resets {
            client.reset();
        } else {
            drop(client);
        }
        origin.until_open(0);
        until("nothing is in flight", || in_flight() == 0);
    }
}

/// The FIN of a client ends further requests, not the one that is complete (RFC 9112 §9.6).
#[test]
fn a_client_that_closes_its_direction_gets_its_responses() {
    let origin = Origin::new(|peer| {
        loop {
            let message = peer.request()?;
            thread::sleep(Duration::from_millis(20)); // the FIN arrives before the reply
            let body = format!("{} {}", message.line(), message.body.len());
            peer.wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        }
    });
    let lb = Origin::balanced(&[&origin], &[]);
    for (requests, bodies) in [
        ("GET /a HTTP/1.1\r\nHost: h\r\n\r\n", &["GET /a HTTP/1.1 0"][..]),
        ("GET /a HTTP/1.0\r\nHost: h\r\n\r\n", &["GET /a HTTP/1.1 0"]),
        ("POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody", &["POST /b HTTP/1.1 4"]),
        (
            "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
            &["POST /c HTTP/1.1 4"],
        ),
        (
            "GET /d HTTP/1.1\r\nHost: h\r\n\r\nGET /e HTTP/1.1\r\nHost: h\r\n\r\nGET /f HTTP",
            &["GET /d HTTP/1.1 0", "GET /e HTTP/1.1 0"],
        ),
    ] {
        let mut client = Wire::connect(lb.traffic);
        client.send(requests);
        client.half_close();
        for body in bodies {
            let reply = client.reply().unwrap_or_else(|| panic!("no response to {requests:?}"));
            assert_eq!((reply.status(), reply.text()), (200, *body));
        }
        assert!(client.closed(), "{requests:?}");
    }
}

#[test]
fn a_client_that_leaves_during_a_reply_ends_it() {
    let stalled = Arc::new(AtomicBool::new(false));
    let flag = stalled.clone();
    let origin = Origin::new(move |peer| {
        peer.head()?;
        peer.wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while peer.wire.send(format!("10000\r\n{}\r\n", "x".repeat(0x10000))) {
            flag.store(true, Ordering::SeqCst);
        }
        None
    });
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(client.chunk().is_none(), "the head is no chunk");
    until("the reply is under way", || stalled.load(Ordering::SeqCst));
    drop(client);
    origin.until_open(0);
    lb.until("nothing is in flight", |lb| lb.replicas()[0]["in_flight"] == 0);
}
