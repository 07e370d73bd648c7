//! Heartbeats, and the replies that may stand in for them.

use super::*;
use crate::fleet::Beat;

#[actix_rt::test]
async fn probes_tell_good_from_refused_from_missed() {
    let path = "/heartbeat".parse().unwrap();
    let patience = Duration::from_secs(30);
    let good = Replica::saying("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(probe(good.address, Some(&path), patience).await, Beat::Good);
    assert_eq!(probe(good.address, None, patience).await, Beat::Good);
    let head = format!("GET /heartbeat HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", good.address);
    assert_eq!(good.heads(), [head]);

    let down = Replica::saying("").await.address;
    tokio::task::yield_now().await;
    assert_eq!(probe(down, Some(&path), patience).await, Beat::Refused);
    assert_eq!(probe(down, None, patience).await, Beat::Refused);

    for reply in ["HTTP/1.1 500 Oh\r\n\r\n", "HTTP/1.1 302 Found\r\n\r\n", "garbage"] {
        let bad = Replica::saying(reply).await;
        assert!(matches!(probe(bad.address, Some(&path), patience).await, Beat::Missed(_)), "{reply:?}");
    }
    let closing = Replica::new(|mut peer, _| async move { drop(peer.head().await) }).await;
    assert!(matches!(probe(closing.address, Some(&path), patience).await, Beat::Missed(_)));

    let silent = Replica::new(|mut peer, _| async move { peer.closed().await }).await;
    tokio::time::pause();
    assert!(matches!(probe(silent.address, Some(&path), patience).await, Beat::Missed(_)));
}

#[actix_rt::test]
async fn only_a_final_head_counts_as_a_reply() {
    let replica = Replica::saying("HTTP/1.1 100 Continue\r\n\r\nnonsense").await;
    let rig = Rig::new(&replica);
    assert!(rig.get("/").await.is_err());
    assert!(rig.pool.activity(FIRST).last_progress.is_none());
}
