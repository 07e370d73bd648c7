//! Tests of failures: truncated and malformed replies, timeouts, dead replicas.

use std::rc::Rc;

use futures::stream;

use super::replica::OK;
use super::*;

fn timed_out(error: &Error, phase: Phase) -> bool {
    matches!(error.kind, Kind::TimedOut(at) if at == phase)
}

/// The error of the layer inside a failed body.
fn cut(reply: &CompleteReply) -> &Error {
    let Err(PayloadError::Incomplete(Some(error))) = &reply.body else { panic!("{reply:?}") };
    error.get_ref().unwrap().downcast_ref().unwrap()
}

#[actix_rt::test]
async fn a_truncated_body_is_an_error() {
    for text in [
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhel",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ] {
        let replica = Replica::new(move |mut peer, _| async move {
            peer.head().await;
            peer.send(text).await;
        })
        .await;
        let reply = Rig::new(&replica).get("/").await.unwrap();
        assert!(matches!(cut(&reply).kind, Kind::Broke(_)), "{text:?}");
    }
}

#[actix_rt::test]
async fn a_reset_is_an_error_even_if_the_reply_ends_with_the_connection() {
    let gate = Rc::new(tokio::sync::Semaphore::new(0));
    let opened = gate.clone();
    let replica = Replica::new(move |mut peer, _| {
        let gate = opened.clone();
        async move {
            peer.head().await;
            peer.send("HTTP/1.1 200 OK\r\n\r\nhel").await;
            gate.acquire().await.unwrap().forget();
            peer.reset();
        }
    })
    .await;
    let mut reply = soon(Rig::new(&replica).begin(Method::GET, "/")).await.unwrap();
    assert_eq!(soon(reply.payload.next()).await.unwrap().unwrap(), "hel");
    gate.add_permits(1);
    assert!(soon(reply.payload.next()).await.unwrap().is_err());
    assert!(soon(reply.payload.next()).await.is_none());
}

#[actix_rt::test]
async fn a_malformed_chunk_after_the_head_is_an_error_in_the_body() {
    let gate = Rc::new(tokio::sync::Semaphore::new(0));
    let opened = gate.clone();
    let replica = Replica::new(move |mut peer, _| {
        let gate = opened.clone();
        async move {
            peer.head().await;
            peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n").await;
            gate.acquire().await.unwrap().forget();
            peer.send("nonsense\r\n").await;
            peer.closed().await;
        }
    })
    .await;
    let reply = soon(Rig::new(&replica).begin(Method::GET, "/")).await.unwrap();
    gate.add_permits(1);
    assert!(matches!(cut(&whole(reply).await).kind, Kind::Malformed(Malformed::Chunk)));
    until(|| replica.open() == 0).await;
}

#[actix_rt::test]
async fn a_malformed_reply_closes_only_its_connection() {
    for text in
        ["garbage", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", "\0\r\n\r\n"]
    {
        let replica = Replica::new(move |mut peer, number| async move {
            while peer.head().await.is_some() {
                peer.send(if number == 0 { text } else { OK }).await;
            }
        })
        .await;
        let rig = Rig::new(&replica);
        let result = rig.get("/").await;
        assert!(matches!(error(&result).kind, Kind::Malformed(_)), "{text:?}: {result:?}");
        assert!(error(&result).sent && error(&result).received);
        assert_eq!(rig.get_ok("/").await, "ok");
    }
}

#[actix_rt::test]
async fn a_post_that_was_sent_is_not_repeated() {
    let replica = Replica::new(|mut peer, _| async move {
        peer.head().await;
        peer.send(OK).await;
        peer.head().await;
    })
    .await;
    let rig = Rig::new(&replica);
    rig.get_ok("/").await;
    let result = rig.send(Method::POST, "/").await;
    assert!(error(&result).sent && !error(&result).received);
    assert_eq!(replica.heads().len(), 2);
}

#[actix_rt::test]
async fn sent_stays_true_if_the_repetition_cannot_connect() {
    let replica = Replica::new(|mut peer, _| async move {
        peer.head().await;
        peer.send(OK).await;
        peer.head().await;
    })
    .await;
    let rig = Rig::new(&replica);
    rig.get_ok("/").await;
    let address = rig.address;
    drop(replica);
    tokio::task::yield_now().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    let result = rig.get("/").await;
    assert!(matches!(error(&result).kind, Kind::Connect(_)), "{result:?}");
    assert!(error(&result).sent);
}

#[actix_rt::test]
async fn the_death_of_a_replica_aborts_only_requests_that_wait_for_a_head() {
    let replica = Replica::new(|mut peer, _| async move {
        if peer.head().await.is_some_and(|head| head.starts_with("GET /begun")) {
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha").await;
            peer.head().await;
        }
        peer.closed().await;
    })
    .await;
    let rig = Rig::new(&replica);
    let mut begun = soon(rig.begin(Method::GET, "/begun")).await.unwrap();
    assert_eq!(soon(begun.payload.next()).await.unwrap().unwrap(), "ha");
    let (pool, rig) = (rig.pool.clone(), Rc::new(rig));
    let send = |_| {
        let rig = rig.clone();
        tokio::task::spawn_local(async move { rig.get("/").await })
    };
    let waiting: Vec<_> = (0..5).map(send).collect();
    until(|| replica.heads().len() == 6).await;
    pool.retire(FIRST, true);
    let at_once = Duration::from_secs(20);
    for result in waiting {
        let result = tokio::time::timeout(at_once, result).await.unwrap().unwrap();
        let aborted = error(&result);
        assert!(matches!(aborted.kind, Kind::Aborted));
        assert_eq!((aborted.sent, aborted.received), (true, false));
    }
    until(|| replica.open() == 1).await;
    assert!(futures::poll!(begun.payload.next()).is_pending());
}

/// A replica that answers `/late` once for each permit of the semaphore, and anything else at once.
async fn gated() -> (Replica, Rc<tokio::sync::Semaphore>) {
    let gate = Rc::new(tokio::sync::Semaphore::new(0));
    let opened = gate.clone();
    let replica = Replica::new(move |mut peer, _| {
        let gate = opened.clone();
        async move {
            while let Some(head) = peer.head().await {
                if head.starts_with("GET /late") {
                    gate.acquire().await.unwrap().forget();
                }
                peer.send(OK).await;
            }
        }
    })
    .await;
    (replica, gate)
}

#[actix_rt::test]
async fn retirement_lets_exchanges_finish_and_closes_their_connections() {
    let (replica, gate) = gated().await;
    let rig = Rig::new(&replica);
    let (pool, first, second) = (rig.pool.clone(), rig.get("/late"), rig.get("/late"));
    let (mut first, mut second) = (Box::pin(first), Box::pin(second));
    assert!(futures::poll!(&mut first).is_pending());
    assert!(futures::poll!(&mut second).is_pending());
    rig.get_ok("/idle").await;
    assert_eq!(replica.open(), 3);

    pool.retire(FIRST, false);
    until(|| replica.open() == 2).await;
    gate.add_permits(1);
    let (reply, other) = futures::future::select(first, second).await.factor_first();
    assert_eq!(reply.unwrap().body.unwrap(), "ok");
    until(|| replica.open() == 1).await;
    gate.add_permits(1);
    assert_eq!(other.await.unwrap().body.unwrap(), "ok");
    until(|| replica.open() == 0).await;
}

#[actix_rt::test]
async fn a_new_incarnation_at_an_address_gets_new_connections() {
    let replica = Replica::replying(OK).await;
    let rig = Rig::new(&replica);
    rig.get_ok("/").await;
    rig.pool.admit(rig.address, Incarnation(2));
    until(|| replica.open() == 0).await;
    rig.get_ok("/").await;
    rig.pool.retire(FIRST, true);
    rig.get_ok("/").await;
    assert_eq!(replica.connections(), 2);
    assert!(rig.pool.activity(FIRST).last_progress.is_none());
    assert!(rig.pool.activity(Incarnation(2)).last_progress.is_some());
}

#[actix_rt::test]
async fn a_request_in_flight_survives_a_new_incarnation_at_its_address() {
    let (replica, gate) = gated().await;
    let rig = Rc::new(Rig::new(&replica));
    let sender = rig.clone();
    let late = tokio::task::spawn_local(async move { sender.get("/late").await });
    until(|| replica.heads().len() == 1).await;
    rig.pool.admit(rig.address, Incarnation(2));
    gate.add_permits(1);
    assert_eq!(soon(late).await.unwrap().unwrap().body.unwrap(), "ok");
}

#[actix_rt::test]
async fn a_stalled_exchange_times_out_in_its_phase() {
    let replica = Replica::new(|mut peer, _| async move {
        if peer.head().await.is_some_and(|head| head.starts_with("GET /body")) {
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha").await;
        }
        peer.closed().await;
    })
    .await;
    let rig = Rig::new(&replica);
    tokio::time::pause();
    let result = rig.get("/head").await;
    assert!(timed_out(error(&result), Phase::Head), "{result:?}");
    assert_eq!((error(&result).sent, error(&result).received), (true, false));
    assert!(timed_out(cut(&rig.get("/body").await.unwrap()), Phase::Body));
    let stalled = body(BodySize::Sized(9), stream::iter([Ok("x".into())]).chain(stream::pending()));
    let result = soon(rig.upload(Method::POST, "/upload", stalled)).await;
    assert!(timed_out(error(&result), Phase::Upload), "{:?}", error(&result));
    until(|| replica.open() == 0).await;
}

#[actix_rt::test]
async fn a_replica_that_does_not_accept_times_out() {
    // A full backlog: connections to it neither succeed nor fail.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let _listener = socket.listen(0).unwrap();
    let _filler = tokio::net::TcpStream::connect(address).await.unwrap();
    let rig = Rig::with(address, Settings::default());
    tokio::time::pause();
    let result = rig.get("/").await;
    assert!(timed_out(error(&result), Phase::Connect), "{result:?}");
    assert_eq!((error(&result).sent, error(&result).received), (false, false));
}

#[actix_rt::test]
async fn a_slow_but_steady_body_does_not_time_out() {
    let replica = Replica::new(|mut peer, _| async move {
        peer.head().await;
        peer.body(10).await;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n").await;
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(20)).await;
            peer.send("x").await;
        }
        peer.closed().await;
    })
    .await;
    let rig = Rig::new(&replica);
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let slow = stream::iter(0..10).then(|_| async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        Ok(Bytes::from_static(b"x"))
    });
    let upload = body(BodySize::Sized(10), slow);
    let sent = rig.upload(Method::POST, "/", upload);
    let reply = tokio::time::timeout(Duration::from_secs(900), sent).await.unwrap().unwrap();
    assert_eq!(whole(reply).await.body.unwrap(), "xxxxxxxxxx");
    assert!(begun.elapsed() >= Duration::from_secs(400));
}

#[actix_rt::test]
async fn idle_connections_are_closed_at_the_maximum_age() {
    let replica = Replica::replying(OK).await;
    let rig = Rig::new(&replica);
    rig.get_ok("/").await;
    assert_eq!(replica.open(), 1);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    until(|| replica.open() == 0).await;
    rig.get_ok("/").await;
    assert_eq!(replica.connections(), 2);
}

#[actix_rt::test]
async fn a_dropped_request_or_a_failed_body_ends_the_exchange() {
    let replica = Replica::new(|mut peer, _| async move {
        peer.head().await;
        peer.closed().await;
    })
    .await;
    let rig = Rig::new(&replica);
    let sending = Box::pin(rig.get("/"));
    let seen = Box::pin(until(|| replica.heads().len() == 1));
    futures::future::select(sending, seen).await;
    until(|| replica.open() == 0).await;

    let short = body(BodySize::Sized(9), stream::iter([Ok("x".into())]));
    let long = body(BodySize::Sized(1), stream::iter([Ok("xyz".into())]));
    let failed = body(BodySize::Stream, stream::iter([Ok("x".into()), Err(PayloadError::Overflow)]));
    for upload in [short, long, failed] {
        let result = soon(rig.upload(Method::POST, "/", upload)).await;
        assert!(matches!(error(&result).kind, Kind::Client(_)), "{:?}", error(&result));
    }
    until(|| replica.open() == 0).await;
}
