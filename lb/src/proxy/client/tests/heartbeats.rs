//! Tests of heartbeats, and of replies that count as progress.

use super::*;
use crate::fleet::HeartbeatResult;
use crate::runtime::heartbeat::{HeartbeatRequest, send};
use crate::statuses::Statuses;

fn heartbeat() -> HeartbeatRequest {
    HeartbeatRequest { path: "/heartbeat".parse().unwrap(), host: None, statuses: Statuses::default() }
}

#[actix_rt::test]
async fn heartbeats_are_good_refused_or_missed() {
    let request = heartbeat();
    let timeout = Duration::from_secs(30);
    let good = Replica::replying("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(send(good.address, Some(&request), timeout).await, HeartbeatResult::Good);
    assert_eq!(send(good.address, None, timeout).await, HeartbeatResult::Good);
    let head = format!(
        "GET /heartbeat HTTP/1.1\r\nhost: {}\r\nuser-agent: lb-heartbeat/{}\r\nconnection: close\r\n\r\n",
        good.address,
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(good.heads(), [head]);

    let down = Replica::replying("").await.address;
    tokio::task::yield_now().await;
    assert_eq!(send(down, Some(&request), timeout).await, HeartbeatResult::Refused);
    assert_eq!(send(down, None, timeout).await, HeartbeatResult::Refused);

    for reply in ["HTTP/1.1 500 Oh\r\n\r\n", "HTTP/1.1 400 Bad\r\n\r\n", "garbage"] {
        let bad = Replica::replying(reply).await;
        assert!(
            matches!(send(bad.address, Some(&request), timeout).await, HeartbeatResult::Missed(_)),
            "{reply:?}"
        );
    }
    let closing = Replica::new(|mut peer, _| async move { drop(peer.head().await) }).await;
    assert!(matches!(send(closing.address, Some(&request), timeout).await, HeartbeatResult::Missed(_)));

    let silent = Replica::new(|mut peer, _| async move { peer.closed().await }).await;
    tokio::time::pause();
    assert!(matches!(send(silent.address, Some(&request), timeout).await, HeartbeatResult::Missed(_)));
}

#[actix_rt::test]
async fn an_interim_reply_is_no_progress() {
    let replica = Replica::replying("HTTP/1.1 100 Continue\r\n\r\nnonsense").await;
    let rig = Rig::new(&replica);
    assert!(rig.get("/").await.is_err());
    assert!(rig.pool.activity(FIRST).last_progress.is_none());
}

#[actix_rt::test]
async fn the_host_and_the_good_statuses_of_a_heartbeat_can_be_set() {
    let timeout = Duration::from_secs(30);
    let moved = Replica::replying("HTTP/1.1 302 Found\r\n\r\n").await;
    assert_eq!(send(moved.address, Some(&heartbeat()), timeout).await, HeartbeatResult::Good);

    let statuses = Statuses::parse("204,401", &(200..=599)).unwrap();
    let request = HeartbeatRequest { host: Some("shop.example:8080".into()), statuses, ..heartbeat() };
    for (reply, good) in [
        ("HTTP/1.1 204 None\r\n\r\n", true),
        ("HTTP/1.1 401 No\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\n\r\n", false),
        ("HTTP/1.1 302 Found\r\n\r\n", false),
    ] {
        let replica = Replica::replying(reply).await;
        let beat = send(replica.address, Some(&request), timeout).await;
        assert_eq!(beat == HeartbeatResult::Good, good, "{reply}: {beat:?}");
        assert!(replica.heads()[0].contains("\r\nhost: shop.example:8080\r\n"), "{:?}", replica.heads());
    }
}
