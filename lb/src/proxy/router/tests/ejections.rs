//! Ejections, probes and stalls.

use super::*;

#[actix::test]
async fn three_failures_in_a_row_eject_and_one_get_after_ten_seconds_readmits() {
    tokio::time::pause();
    let fixture = Fixture::new(3, |_| {}).await;
    let walk = fixture.walk().await;
    for _ in 0..3 {
        let mut one = fixture.get().await;
        assert_eq!(one.endpoint().incarnation(), walk[0]);
        one.failed(&reset());
    }
    fixture.settle().await;
    assert_eq!(*fixture.notices.ejected.borrow(), [walk[0]]);
    assert_eq!(fixture.skips(), [walk[0]]);
    assert_eq!(fixture.first(GET).await, walk[1]);

    advance(Duration::from_secs(11)).await;
    assert_eq!(fixture.first(POST).await, walk[1], "a POST is never a probe");
    let mut probe = fixture.get().await;
    assert_eq!(probe.endpoint().incarnation(), walk[0]);
    assert_eq!(fixture.first(GET).await, walk[1], "one probe at a time");
    probe.replied(StatusCode::OK);
    assert_eq!(fixture.first(GET).await, walk[1], "not before the reply is complete");
    probe.completed();
    assert_eq!(fixture.first(POST).await, walk[0]);
    assert_eq!(fixture.router.statistics.routing().ejections, 1);
    fixture.settle().await;
    assert_eq!(*fixture.notices.readmitted.borrow(), [walk[0]]);
}

#[actix::test]
async fn a_readmission_because_too_few_are_left_is_reported_too() {
    let fixture = Fixture::new(2, |_| {}).await;
    let walk = fixture.walk().await;
    fixture.get().await.failed(&late());
    assert_eq!(fixture.skips(), [walk[0]]);
    let remaining = u32::try_from(walk[0].0).unwrap();
    fixture.recall(2, &seated([remaining]), &[walk[1]], false);
    fixture.settle().await;
    assert_eq!(*fixture.notices.readmitted.borrow(), [walk[0]]);
}

#[actix::test]
async fn a_failed_probe_doubles_the_pause_and_a_probe_of_a_disconnected_client_does_not_count() {
    tokio::time::pause();
    let fixture = Fixture::new(3, |_| {}).await;
    let walk = fixture.walk().await;
    fixture.get().await.failed(&late());
    for pause in [11, 22] {
        assert_eq!(fixture.first(GET).await, walk[1]);
        advance(Duration::from_secs(pause - 2)).await;
        assert_eq!(fixture.first(GET).await, walk[1]);
        advance(Duration::from_secs(2)).await;
        assert_eq!(fixture.first(GET).await, walk[0], "and its client disconnects");
        let mut probe = fixture.get().await;
        assert_eq!(probe.endpoint().incarnation(), walk[0]);
        probe.replied(StatusCode::INTERNAL_SERVER_ERROR);
        probe.completed();
    }
    assert_eq!(fixture.first(GET).await, walk[1]);
}

#[actix::test]
async fn faults_of_client_and_balancer_do_not_count_against_a_replica() {
    let fixture = Fixture::new(3, |_| {}).await;
    let first = fixture.first(GET).await;
    for _ in 0..9 {
        for kind in [Kind::Client("gone".into()), Kind::Request("x"), Kind::TimedOut(Phase::Upload)] {
            fixture.get().await.failed(&Failure { kind, sent: true, received: false });
        }
        let mut not_found = fixture.get().await;
        not_found.replied(StatusCode::NOT_FOUND);
        not_found.completed();
    }
    let local = Kind::Connect(io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error()));
    fixture.get().await.failed(&Failure { kind: local, sent: false, received: false });
    assert_eq!((fixture.first(GET).await, fixture.skips()), (first, vec![]));
}

#[actix::test]
async fn at_most_half_is_ejected_and_never_the_last_one() {
    for (seats, most) in [(1, 0), (2, 1), (3, 1), (4, 2)] {
        let fixture = Fixture::new(seats, |_| {}).await;
        for _ in 0..20 {
            let mut one = fixture.get().await;
            one.failed(&late());
        }
        assert_eq!(fixture.skips().len(), most, "of {seats}");
        assert!(fixture.acquire(&[], POST).await.is_some());
    }
}

#[actix::test]
async fn when_others_leave_the_earliest_ejected_replica_is_readmitted() {
    tokio::time::pause();
    let fixture = Fixture::new(4, |_| {}).await;
    for _ in 0..2 {
        fixture.get().await.failed(&late());
        advance(ms(1)).await;
    }
    let ejected = fixture.skips();
    let walk = fixture.walk().await;
    assert_eq!(ejected.len(), 2);
    let stays = |seat: &u32| ejected.contains(&Incarnation((*seat).into()));
    let gone: Vec<_> = walk.iter().copied().filter(|incarnation| !ejected.contains(incarnation)).collect();
    fixture.recall(9, &seated((1..=4).filter(stays)), &gone, false);
    assert_eq!(fixture.skips().len(), 1);
}

#[actix::test]
async fn a_new_incarnation_starts_with_empty_health() {
    let fixture = Fixture::new(3, |_| {}).await;
    let first = fixture.first(GET).await;
    fixture.get().await.failed(&late());
    assert_eq!(fixture.skips(), [first]);
    let replaced: Arc<[Seated]> = seated(1..=3)
        .iter()
        .map(|seated| match seated.replica.incarnation {
            old if old == first => {
                let replica = Replica { incarnation: Incarnation(9), ..(*seated.replica).clone() };
                Seated { replica: Arc::new(replica), ..seated.clone() }
            }
            _ => seated.clone(),
        })
        .collect();
    fixture.recall(9, &replaced, &[first], true);
    assert_eq!(fixture.skips(), []);
}

#[actix::test]
async fn a_replica_stalls_when_several_requests_wait_and_others_answer() {
    tokio::time::pause();
    let fixture = Fixture::new(3, |_| {}).await;
    let walk = fixture.walk().await;
    let waiting = [fixture.get().await, fixture.get().await, fixture.get().await];
    advance(ms(500)).await;
    assert_eq!(fixture.first(GET).await, walk[0], "no other replica has answered either");
    fixture.acquire(&walk[..1], GET).await.unwrap().replied(StatusCode::OK);
    assert_eq!(fixture.first(POST).await, walk[1]);
    assert!(waiting.iter().all(InFlight::is_abandoned));
    let [mut one, two, three] = waiting;
    drop((two, three));
    assert_eq!(fixture.first(GET).await, walk[1], "one still waits");
    assert!(one.is_last());
    one.replied(StatusCode::OK);
    assert_eq!(fixture.first(GET).await, walk[0]);
    assert_eq!(fixture.router.statistics.routing().stalls, 1);
}

#[actix::test]
async fn slow_requests_do_not_stall_a_replica_that_answers_others() {
    tokio::time::pause();
    let fixture = Fixture::new(3, |_| {}).await;
    let walk = fixture.walk().await;
    let polls = [fixture.get().await, fixture.get().await, fixture.get().await, fixture.get().await];
    for _ in 0..200 {
        advance(ms(20)).await;
        for seat in &walk {
            let others: Vec<_> = walk.iter().copied().filter(|other| other != seat).collect();
            fixture.acquire(&others, GET).await.unwrap().replied(StatusCode::OK);
        }
        assert_eq!(fixture.first(GET).await, walk[0]);
    }
    assert!(!polls.iter().any(InFlight::is_abandoned));
}
