//! Faults of awc's own connector that this layer avoids, one test or more for each. The ninth, a `ServiceConfig` per
//! request, cannot occur and has no test.

use std::rc::Rc;

use futures::future::join_all;
use futures::stream;
use tokio::sync::Semaphore;

use super::replica::OK;
use super::*;

#[actix_rt::test]
async fn fault_1_an_unframed_reply_ends_with_its_connection() {
    let replica = Replica::new(|mut peer, number| async move {
        peer.head().await;
        peer.send(format!("HTTP/1.1 200 OK\r\n\r\nreply {number}")).await;
    })
    .await;
    let rig = Rig::new(&replica);
    for number in 0..5 {
        assert_eq!(rig.get_ok("/").await, format!("reply {number}"));
    }
    assert_eq!(replica.connections(), 5);
}

#[actix_rt::test]
async fn fault_1_unsolicited_bytes_reach_no_other_client() {
    for left in ["HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", "\r\n", "x"] {
        let replica = Replica::new(move |mut peer, _| async move {
            while peer.head().await.is_some() {
                peer.send(format!("{OK}{left}")).await;
            }
        })
        .await;
        let rig = Rig::new(&replica);
        for _ in 0..5 {
            assert_eq!(rig.get_ok("/").await, "ok");
        }
        assert_eq!(replica.connections(), 5, "{left:?}");
    }
}

#[actix_rt::test]
async fn fault_1_late_bytes_close_the_idle_connection() {
    let gate = Rc::new(Semaphore::new(0));
    let opened = gate.clone();
    let replica = Replica::new(move |mut peer, number| {
        let gate = opened.clone();
        async move {
            peer.head().await;
            peer.send(OK).await;
            if number == 0 {
                gate.acquire().await.unwrap().forget();
                peer.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil").await;
            }
            peer.closed().await;
        }
    })
    .await;
    let rig = Rig::new(&replica);
    rig.get_ok("/").await;
    gate.add_permits(1);
    until(|| replica.open() == 0).await;
    assert_eq!(rig.get_ok("/").await, "ok");
    assert_eq!(replica.connections(), 2);
}

#[actix_rt::test]
async fn fault_2_interim_replies_are_discarded() {
    let replica = Replica::replying(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n\
         HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    )
    .await;
    let rig = Rig::new(&replica);
    assert_eq!(rig.get_ok("/").await, "ok");
    assert_eq!(rig.get_ok("/").await, "ok");
    assert_eq!(replica.connections(), 1);
}

#[actix_rt::test]
async fn fault_2_neither_101_nor_endless_interim_replies_are_accepted() {
    for (reply, times) in
        [("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", 1), ("HTTP/1.1 102 P\r\n\r\n", 99)]
    {
        let replica = Replica::new(move |mut peer, _| async move {
            peer.head().await;
            peer.send(reply.repeat(times)).await;
            peer.closed().await;
        })
        .await;
        let result = Rig::new(&replica).get("/").await;
        assert!(matches!(error(&result).kind, Kind::Malformed(Malformed::Interim)), "{result:?}");
    }
}

#[actix_rt::test]
async fn fault_3_a_connection_closed_while_idle_fails_no_request() {
    let replica = Replica::new(|mut peer, _| async move {
        peer.head().await;
        peer.send(OK).await;
    })
    .await;
    let rig = Rig::new(&replica);
    for _ in 0..200 {
        assert_eq!(rig.get_ok("/").await, "ok");
    }
    assert_eq!(replica.connections(), 200);
}

#[actix_rt::test]
async fn fault_3_a_connection_that_closes_on_use_is_replaced() {
    let replica = Replica::new(|mut peer, number| async move {
        peer.head().await;
        peer.send(OK).await;
        peer.head().await;
        if number > 0 {
            peer.send(OK).await;
        }
    })
    .await;
    let rig = Rig::new(&replica);
    rig.get_ok("/").await;
    let put = body(BodySize::Sized(4), stream::iter([Ok("da".into()), Ok("ta".into())]));
    let reply = soon(rig.upload(Method::PUT, "/", put)).await.unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(replica.connections(), 2);
}

#[actix_rt::test]
async fn fault_4_repeated_fields_are_kept_in_both_directions() {
    let replica = Replica::replying(
        "HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let rig = Rig::new(&replica);
    let fields = Fields::from([("x-a", "1"), ("x-a", "2")]);
    let reply = soon(rig.with_fields(Method::GET, "/", fields, None)).await.unwrap();
    let cookies: Vec<_> = reply.fields.values("set-cookie").collect();
    assert_eq!(cookies, [b"a=1", b"b=2"]);
    assert!(replica.heads()[0].contains("x-a: 1\r\nx-a: 2\r\n"), "{:?}", replica.heads());
}

#[actix_rt::test]
async fn fault_4_nothing_is_added_to_a_request() {
    let replica = Replica::replying(OK).await;
    Rig::new(&replica).get_ok("/a//b?c=%2f").await;
    assert_eq!(replica.heads(), ["GET /a//b?c=%2f HTTP/1.1\r\nhost: lb\r\n\r\n"]);
}

#[actix_rt::test]
async fn fault_4_a_sized_body_stays_sized_and_a_stream_is_chunked() {
    for (size, field, wire) in [
        (BodySize::Sized(5), "content-length: 5\r\n", "hello"),
        (BodySize::Stream, "transfer-encoding: chunked\r\n", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
        (BodySize::Sized(0), "content-length: 0\r\n", ""),
    ] {
        let replica = Replica::new(move |mut peer, _| async move {
            peer.head().await;
            assert_eq!(peer.body(wire.len()).await.unwrap(), wire.as_bytes());
            peer.send(OK).await;
            peer.closed().await;
        })
        .await;
        let rig = Rig::new(&replica);
        let chunks: &[&str] = if wire.is_empty() { &[] } else { &["he", "", "llo"] };
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::from(*chunk))).collect();
        let post = body(size, stream::iter(chunks));
        let reply = whole(soon(rig.upload(Method::POST, "/", post)).await.unwrap()).await;
        assert_eq!(reply.body.unwrap(), "ok");
        let head = &replica.heads()[0];
        assert!(head.contains(field), "{head:?}");
        assert_eq!(head.contains("content-length") as u8 + head.contains("transfer-encoding") as u8, 1);
    }
}

#[actix_rt::test]
async fn fault_4_redirects_are_passed_on() {
    let replica =
        Replica::replying("HTTP/1.1 302 Found\r\nlocation: /there\r\ncontent-length: 0\r\n\r\n").await;
    let reply = Rig::new(&replica).get("/").await.unwrap();
    assert_eq!(reply.status, 302);
    assert_eq!(reply.fields.text("location"), Some("/there"));
    assert_eq!(replica.heads().len(), 1);
}

#[actix_rt::test]
async fn fault_4_bodies_are_not_decompressed() {
    let replica =
        Replica::replying("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nraw").await;
    let reply = Rig::new(&replica).get("/").await.unwrap();
    assert_eq!(reply.body.unwrap(), "raw");
    assert_eq!(reply.fields.text("content-encoding"), Some("gzip"));
}

#[actix_rt::test]
async fn fault_5_more_than_100_requests_run_at_once() {
    let gate = Rc::new(Semaphore::new(0));
    let opened = gate.clone();
    let replica = Replica::new(move |mut peer, _| {
        let gate = opened.clone();
        async move {
            peer.head().await;
            gate.acquire().await.unwrap().forget();
            peer.send(OK).await;
            peer.closed().await;
        }
    })
    .await;
    let rig = Rc::new(Rig::new(&replica));
    let mut replies = Vec::new();
    for batch in 1..=6 {
        // In batches that fit into a short backlog.
        for _ in 0..50 {
            let rig = rig.clone();
            replies.push(tokio::task::spawn_local(async move { rig.get_ok("/").await }));
        }
        until(|| replica.heads().len() == batch * 50).await;
    }
    gate.add_permits(300);
    for reply in replies {
        assert_eq!(soon(reply).await.unwrap(), "ok");
    }
}

#[actix_rt::test]
async fn fault_6_an_error_records_what_was_sent_and_received() {
    let closed = Replica::replying(OK).await.address;
    until(|| std::net::TcpListener::bind(closed).is_ok()).await;
    let result = Rig::with(closed, Settings::default()).get("/").await;
    let refused = error(&result);
    assert!(matches!(&refused.kind, Kind::Connect(e) if e.kind() == std::io::ErrorKind::ConnectionRefused));
    assert_eq!((refused.sent, refused.received), (false, false));

    for (reply, received) in [("", false), ("HTTP/1.1 2", true), ("HTTP/1.1 100 Continue\r\n\r\n", true)] {
        let replica = Replica::new(move |mut peer, _| async move {
            peer.head().await;
            peer.send(reply).await;
        })
        .await;
        let result = Rig::new(&replica).get("/").await;
        let broke = error(&result);
        assert!(matches!(broke.kind, Kind::Broke(_)), "{broke:?}");
        assert_eq!((broke.sent, broke.received), (true, received));
        assert_eq!(replica.connections(), 1);
    }
}

#[actix_rt::test]
async fn fault_7_idle_connections_close_when_their_replica_retires() {
    let replica = Replica::replying(OK).await;
    let rig = Rig::new(&replica);
    join_all((0..3).map(|_| rig.get("/"))).await;
    assert_eq!(replica.open(), 3);
    rig.pool.retire(FIRST, false);
    until(|| replica.open() == 0).await;
    let result = rig.get("/").await;
    assert!(matches!(error(&result).kind, Kind::Unknown(address) if address == rig.address));
}

#[actix_rt::test]
async fn fault_8_an_early_413_reaches_the_client_while_it_uploads() {
    let replica = Replica::new(|mut peer, _| async move {
        peer.head().await;
        peer.send("HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig").await;
        peer.closed().await;
    })
    .await;
    let rig = Rig::new(&replica);
    // One client stalls after one byte, the other sends without end.
    let stalls = body(BodySize::Sized(1 << 30), stream::iter([Ok("x".into())]).chain(stream::pending()));
    let floods = body(BodySize::Stream, stream::repeat_with(|| Ok(Bytes::from_static(&[0; 65536]))));
    for upload in [stalls, floods] {
        let reply = whole(soon(rig.upload(Method::POST, "/", upload)).await.unwrap()).await;
        assert_eq!((reply.status, &reply.body.unwrap()[..]), (413, &b"big"[..]));
        until(|| replica.open() == 0).await;
    }
}

#[actix_rt::test]
async fn fault_8_a_reply_takes_precedence_over_a_reset_of_the_upload() {
    let replica = Replica::new(|mut peer, _| async move {
        peer.head().await;
        peer.send("HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    })
    .await;
    let rig = Rig::new(&replica);
    for _ in 0..20 {
        let flood = body(BodySize::Stream, stream::repeat_with(|| Ok(Bytes::from_static(&[0; 65536]))));
        let reply = soon(rig.upload(Method::POST, "/", flood)).await.unwrap();
        assert_eq!(reply.status, 413);
    }
}
