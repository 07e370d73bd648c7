//! Bodies on their way: large, slow, both ways at once, and broken off by either side.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::balancer::until;
use crate::origin::{OK, Origin};
use crate::wire::Wire;

/// 64 MB.
const LARGE: usize = 64_000_000;
/// What the balancer may grow by meanwhile, allocator and all, in kB: a body that it held whole would be more.
const BOUND: u64 = 48_000;

/// Bytes that differ all along, so that none can be lost, doubled or swapped unseen.
fn content(n: usize) -> Vec<u8> {
    (0..n as u64).map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}

/// The most memory that a process ever held, in kB.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn sixty_four_megabytes_pass_either_way_in_bounded_memory() {
    let origin = Origin::new(|peer| {
        loop {
            let request = peer.wire.request()?;
            assert!(request.body == content(LARGE), "the upload arrives whole");
            peer.wire.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"));
            peer.wire.say(&request.body);
        }
    });
    let lb = Origin::balanced(&[&origin], &[]);
    let before = peak(lb.child.id());
    let large = content(LARGE);
    for chunked in [false, true] {
        let mut client = Wire::connect(lb.traffic);
        if chunked {
            client.say("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
            for chunk in large.chunks(70_001) {
                client.say(format!("{:x}\r\n", chunk.len()));
                client.say(chunk);
                client.say("\r\n");
            }
            client.say("0\r\n\r\n");
        } else {
            client.say(format!("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: {LARGE}\r\n\r\n"));
            client.say(&large);
        }
        // Nothing of the reply is read until all of it could have been buffered.
        let head = client.head().unwrap();
        assert!(head.contains(&format!("content-length: {LARGE}")), "{head}");
        assert!(client.bytes(LARGE).unwrap() == large, "the reply arrives whole");
    }
    let grown = peak(lb.child.id()) - before;
    assert!(grown < BOUND, "the balancer grew by {grown} kB");
}

#[test]
fn a_replica_can_answer_each_piece_before_the_next_is_sent() {
    let origin = Origin::new(|peer| {
        peer.head()?;
        peer.wire.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        loop {
            let chunk = peer.wire.chunk()?;
            peer.wire.say(format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(&chunk)));
            if chunk.is_empty() {
                return peer.wire.closed().then_some(());
            }
        }
    });
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);
    client.say("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    let head = client.head().unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    for piece in 0..200 {
        let piece = format!("piece {piece}");
        client.say(format!("{:x}\r\n{piece}\r\n", piece.len()));
        assert_eq!(client.chunk().unwrap(), piece.as_bytes());
    }
    client.say("0\r\n\r\n");
    assert_eq!(client.chunk().unwrap(), b"");
}

#[test]
fn bodies_that_come_byte_by_byte_arrive_whole() {
    let origin = Origin::new(|peer| {
        loop {
            let request = peer.request()?;
            for byte in format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.body.len()).bytes() {
                peer.wire.say([byte]);
            }
            for byte in request.body {
                peer.wire.say([byte]);
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
            client.say([byte]);
        }
        assert_eq!(client.reply().unwrap().text(), "one bytes");
    }
}

/// The kernel takes megabytes for a replica, and would tell us of room only when a third of them is gone.
#[test]
fn a_replica_that_reads_slowly_is_not_taken_for_a_hung_one() {
    let origin = Origin::new(|peer| {
        peer.head()?;
        for _ in 0..30 {
            peer.wire.bytes(32 << 10)?;
            thread::sleep(Duration::from_millis(100)); // its pace: three times the limit in all
        }
        peer.wire.bytes(LARGE - 30 * (32 << 10))?;
        peer.wire.say(OK);
        None
    });
    let lb = Origin::balanced(&[&origin], &["--head-timeout", "1s"]);
    let mut client = Wire::connect(lb.traffic);
    client.say(format!("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: {LARGE}\r\n\r\n"));
    client.say(vec![b'x'; LARGE]);
    assert_eq!(client.reply().unwrap().status(), 200);
}

#[test]
fn an_early_413_reaches_a_client_that_is_still_uploading() {
    let origin = Origin::new(|peer| {
        peer.head()?;
        peer.wire.say("HTTP/1.1 413 Payload Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig");
        None
    });
    let lb = Origin::balanced(&[&origin], &[]);
    for framing in [format!("Content-Length: {LARGE}"), "Transfer-Encoding: chunked".into()] {
        let mut client = Wire::connect(lb.traffic);
        client.say(format!("POST / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n"));
        let mut uploading = client.twin();
        let upload = thread::spawn(move || {
            let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
            // It stops where the balancer has had enough.
            (0..LARGE / 0x10000).take_while(|_| uploading.say(&chunk)).count()
        });
        let reply = client.reply().unwrap();
        assert_eq!((reply.status(), reply.text(), reply.fields("connection")), (413, "big", vec!["close"]));
        upload.join().unwrap();
    }
    origin.until_open(0);
}

#[test]
fn a_request_that_is_refused_before_its_body_came_ends_its_connection() {
    let origin = Origin::saying(OK);
    let lb = Origin::balanced(&[&origin], &["--idle-timeout", "300ms"]);
    for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let mut client = Wire::connect(lb.traffic);
        client.say(format!("POST / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n"));
        let reply = client.reply().unwrap();
        assert_eq!((reply.status(), reply.fields("connection")), (408, vec!["close"]), "{reply:?}");
        assert!(client.closed(), "a client that sends nothing more holds no connection");
    }
    origin.until_open(0);
}

#[test]
fn a_client_that_leaves_takes_its_request_along() {
    let origin = Origin::new(|peer| {
        peer.head()?;
        peer.wire.closed().then_some(())
    });
    let lb = Origin::balanced(&[&origin], &["--retries", "0"]);
    let in_flight = || lb.replicas()[0]["in_flight"].as_u64().unwrap();
    for (request, resets) in [
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", true),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf", false),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", true),
    ] {
        let mut client = Wire::connect(lb.traffic);
        client.say(request);
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

#[test]
fn a_client_that_leaves_in_the_middle_of_a_reply_ends_it() {
    let stalled = Arc::new(AtomicBool::new(false));
    let told = stalled.clone();
    let origin = Origin::new(move |peer| {
        peer.head()?;
        peer.wire.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while peer.wire.say(format!("10000\r\n{}\r\n", "x".repeat(0x10000))) {
            told.store(true, Ordering::SeqCst);
        }
        None
    });
    let lb = Origin::balanced(&[&origin], &[]);
    let mut client = Wire::connect(lb.traffic);
    client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(client.chunk().is_none(), "the head is no chunk");
    until("the reply is under way", || stalled.load(Ordering::SeqCst));
    drop(client);
    origin.until_open(0);
    lb.until("nothing is in flight", |lb| lb.replicas()[0]["in_flight"] == 0);
}
