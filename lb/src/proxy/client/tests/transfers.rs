//! Tests of complete transfers in both directions, with all framings and splits.

use std::rc::Rc;

use futures::stream;

use super::replica::OK;
use super::*;

#[actix_rt::test]
async fn replies_arrive_whole_at_any_split_and_leave_the_connection_clean() {
    for text in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nx-t: 1\r\n\r\n",
    ] {
        let replica = Replica::new(move |mut peer, _| async move {
            while let Some(head) = peer.head().await {
                let at: usize = head[5..].split(' ').next().unwrap().parse().unwrap();
                peer.send(&text[..at]).await;
                tokio::task::yield_now().await;
                peer.send(&text[at..]).await;
            }
        })
        .await;
        let rig = Rig::new(&replica);
        for at in 0..=text.len() {
            assert_eq!(rig.get_ok(&format!("/{at}")).await, "hello", "split at {at}");
        }
        assert_eq!(replica.connections(), 1);
    }
}

#[actix_rt::test]
async fn the_size_of_a_reply_is_exact() {
    for (method, text, stream, length) in [
        (Method::GET, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok", true, Some("2")),
        (
            Method::GET,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            true,
            None,
        ),
        (Method::GET, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false, Some("0")),
        (Method::HEAD, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n", false, Some("2")),
        (Method::HEAD, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", false, None),
        (Method::GET, "HTTP/1.1 204 No Content\r\ncontent-length: 9\r\n\r\n", false, None),
        (Method::GET, "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", false, Some("9")),
    ] {
        let replica = Replica::replying(text).await;
        let rig = Rig::new(&replica);
        for _ in 0..2 {
            let request = rig.begin(method.clone(), "/");
            let reply = soon(request).await.unwrap();
            assert_eq!(!matches!(reply.payload, Payload::None), stream, "{text:?}");
            let lengths: Vec<_> = reply.fields.all(Known::ContentLength).collect();
            assert_eq!(lengths, Vec::from_iter(length.map(str::as_bytes)), "{text:?}");
            assert!(!reply.fields.has(Known::TransferEncoding));
        }
        assert_eq!(replica.connections(), 1, "{text:?}");
    }
}

#[actix_rt::test]
async fn a_complete_small_reply_frees_its_connection_before_it_is_read() {
    let replica = Replica::replying(OK).await;
    let rig = Rig::new(&replica);
    let unread = soon(rig.begin(Method::GET, "/")).await.unwrap();
    rig.get_ok("/").await;
    assert_eq!(replica.connections(), 1);
    assert_eq!(whole(unread).await.body.unwrap(), "ok");
}

#[actix_rt::test]
async fn connections_are_not_reused_after_close() {
    let replica =
        Replica::replying("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").await;
    let rig = Rig::new(&replica);
    rig.get_ok("/").await;
    rig.get_ok("/").await;
    assert_eq!(replica.connections(), 2);

    let old =
        Replica::replying("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok").await;
    let rig = Rig::new(&old);
    rig.get_ok("/").await;
    rig.get_ok("/").await;
    assert_eq!(old.connections(), 2);
}

#[actix_rt::test]
async fn a_large_body_passes_unchanged_both_ways_at_once() {
    const CHUNKS: usize = 400;
    let chunk = |i: usize| Bytes::from(vec![i as u8; 5000 + i]);
    let total: usize = (0..CHUNKS).map(|i| chunk(i).len()).sum();
    let replica = Replica::new(move |mut peer, _| async move {
        peer.head().await;
        peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {total}\r\n\r\n")).await;
        let mut left = total;
        while left > 0 {
            let n = left.min(3000);
            let echo = peer.body(n).await.unwrap();
            peer.send(echo).await;
            left -= n;
        }
        peer.send(OK).await;
        peer.closed().await;
    })
    .await;
    let rig = Rig::new(&replica);
    let upload = body(BodySize::Sized(total as u64), stream::iter((0..CHUNKS).map(move |i| Ok(chunk(i)))));
    let reply = soon(rig.upload(Method::POST, "/", upload)).await.unwrap();
    let echoed = whole(reply).await.body.unwrap();
    assert!(echoed == (0..CHUNKS).map(chunk).collect::<Vec<_>>().concat(), "the echo differs");
}

#[actix_rt::test]
async fn an_upload_continues_after_an_early_reply_head() {
    let gate = Rc::new(tokio::sync::Semaphore::new(0));
    let opened = gate.clone();
    let replica = Replica::new(|mut peer, number| async move {
        if number > 0 {
            return;
        }
        peer.head().await;
        peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        let body = peer.body(8).await.unwrap();
        assert_eq!(body, b"abcdefgh");
        peer.send("2\r\nok\r\n0\r\n\r\n").await;
        peer.head().await;
        peer.send(OK).await;
        peer.closed().await;
    })
    .await;
    let rig = Rig::new(&replica);
    let late = stream::once(async move {
        opened.acquire().await.unwrap().forget();
        Ok(Bytes::from_static(b"efgh"))
    });
    let upload = body(BodySize::Sized(8), stream::iter([Ok("abcd".into())]).chain(late));
    let reply = soon(rig.upload(Method::POST, "/", upload)).await.unwrap();
    assert_eq!(reply.status, 200);
    gate.add_permits(1);
    assert_eq!(whole(reply).await.body.unwrap(), "ok");
    assert_eq!(rig.get_ok("/").await, "ok");
}

#[actix_rt::test]
async fn the_head_and_the_first_body_bytes_are_written_together() {
    let replica = Replica::new(|mut peer, _| async move {
        let first = peer.first().await;
        assert!(first.ends_with(b"\r\n\r\nhello"), "{:?}", String::from_utf8_lossy(&first));
        peer.send(OK).await;
        peer.closed().await;
    })
    .await;
    let rig = Rig::new(&replica);
    let upload = body(BodySize::Sized(5), stream::iter([Ok("hello".into())]));
    let reply = soon(rig.upload(Method::POST, "/", upload)).await.unwrap();
    assert_eq!(reply.status, 200);
}
