//! Tests of the activity of a replica: progress and waiting requests.

use std::time::Instant;

use futures::stream;
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::*;
use crate::fleet::Activity;

const PAUSE: Duration = Duration::from_millis(10);

impl Rig {
    fn activity(&self) -> Activity {
        self.pool.activity(FIRST)
    }

    /// Waits for progress from now on.
    async fn progress(&self) {
        let start = Instant::now();
        until(|| self.activity().last_progress.is_some_and(|at| at >= start)).await;
    }
}

/// A replica that reads requests and never replies.
async fn silent() -> Replica {
    Replica::new(|mut peer, _| async move { peer.closed().await }).await
}

#[actix_rt::test]
async fn a_request_waits_until_its_reply_head_or_until_it_is_dropped() {
    let replica = silent().await;
    let rig = Rig::new(&replica);
    assert_eq!(rig.activity(), Activity::default());
    let request = spawn_local(rig.begin(Method::GET, "/"));
    until(|| rig.activity().waiting_since.is_some()).await;
    let since = rig.activity().waiting_since;
    assert_eq!(
        rig.activity(),
        Activity { last_progress: None, waiting_since: since },
        "sending the request head is no progress"
    );
    request.abort();
    until(|| rig.activity().waiting_since.is_none()).await;

    let replica = Replica::replying("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n").await;
    let rig = Rig::new(&replica);
    let reply = soon(rig.begin(Method::GET, "/")).await.unwrap();
    let Activity { last_progress, waiting_since } = rig.activity();
    assert!(
        last_progress.is_some() && waiting_since.is_none(),
        "the reply head is progress and ends the waiting"
    );
    drop(reply);
}

#[actix_rt::test]
async fn a_timed_out_request_counts_while_others_wait() {
    let replica = silent().await;
    let settings = Settings { head_timeout: Some(Duration::from_millis(300)), ..Settings::default() };
    let rig = Rig::with(replica.address, settings);
    let start = Instant::now();
    assert!(rig.get("/").await.is_err());
    assert_eq!(rig.activity().waiting_since, None);
    let next = Instant::now();
    let request = spawn_local(rig.begin(Method::GET, "/"));
    until(|| rig.activity().waiting_since.is_some()).await;
    let since = rig.activity().waiting_since.unwrap();
    assert!(start <= since && since < next, "the start of the first request counts");
    request.abort();
}

#[actix_rt::test]
async fn bytes_of_a_reply_are_progress() {
    let replica = Replica::new(|mut peer, _| async move {
        peer.head().await;
        peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        loop {
            peer.send("1\r\nx\r\n").await;
            sleep(PAUSE).await;
        }
    })
    .await;
    let rig = Rig::new(&replica);
    let mut reply = soon(rig.begin(Method::GET, "/")).await.unwrap();
    let reading = spawn_local(async move { while let Some(Ok(_)) = reply.payload.next().await {} });
    rig.progress().await;
    rig.progress().await;
    reading.abort();
}

#[actix_rt::test]
async fn bytes_of_a_request_are_progress_once_it_is_a_second_old() {
    let replica = silent().await;
    let rig = Rig::new(&replica);
    let chunks = stream::unfold((), |()| async {
        sleep(PAUSE).await;
        Some((Ok(Bytes::from_static(b"x")), ()))
    });
    let start = Instant::now();
    let request = spawn_local(rig.upload(Method::POST, "/", body(BodySize::Stream, chunks)));
    rig.progress().await;
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert!(rig.activity().waiting_since.is_some());
    request.abort();
}

#[actix_rt::test]
async fn bytes_of_a_tunnel_are_progress_in_both_directions_and_an_idle_tunnel_is_none() {
    const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    let replica = Replica::new(|mut peer, _| async move {
        peer.head().await;
        peer.send(ACCEPTED).await;
        // Input with a `t` is answered; other input is only read.
        loop {
            let input = peer.first().await;
            match input.contains(&b't') {
                true => peer.send("x").await,
                false if input.is_empty() => break,
                false => {}
            }
        }
    })
    .await;
    let rig = Rig::new(&replica);
    let (client, sent) = mpsc::unbounded_channel::<Bytes>();
    let sent = stream::unfold(sent, |mut sent| async { Some((Ok(sent.recv().await?), sent)) });
    let offer = Fields::from([("connection", "upgrade"), ("upgrade", "x")]);
    let sent = ReplayBody::offer(None, Payload::Stream { payload: Box::pin(sent) });
    let offer = rig.with_fields(Method::GET, "/", offer, Some(sent));
    let mut reply = soon(offer).await.unwrap();
    assert_eq!(reply.status, 101);
    let idle = rig.activity();
    assert!(idle.last_progress.is_some() && idle.waiting_since.is_none());
    // After another sweep the activity is unchanged.
    sleep(Duration::from_millis(600)).await;
    assert_eq!(rig.activity(), idle);

    client.send(Bytes::from_static(b"q")).unwrap();
    rig.progress().await;
    client.send(Bytes::from_static(b"t")).unwrap();
    rig.progress().await;
    soon(reply.payload.next()).await.unwrap().unwrap();
    rig.progress().await;
}
