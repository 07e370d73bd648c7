//! Ejections, probes and stalls.

use super::*;

#[actix::test]
async fn three_failures_in_a_row_eject_and_one_get_after_ten_seconds_readmits() {
    tokio::time::pause();
    let scene = Scene::new(3, |_| {}).await;
    let walk = scene.walk().await;
    for _ in 0..3 {
        let mut one = scene.get().await;
        assert_eq!(one.upstream().incarnation, walk[0]);
        one.failed(&reset());
    }
    scene.settle().await;
    assert_eq!(*scene.told.suspected.borrow(), [walk[0]]);
    assert_eq!(scene.skips(), [walk[0]]);
    assert_eq!(scene.first(GET).await, walk[1]);

    advance(Duration::from_secs(11)).await;
    assert_eq!(scene.first(POST).await, walk[1], "no POST is risked");
    let mut probe = scene.get().await;
    assert_eq!(probe.upstream().incarnation, walk[0]);
    assert_eq!(scene.first(GET).await, walk[1], "one live request");
    probe.replied(StatusCode::OK);
    assert_eq!(scene.first(GET).await, walk[1], "not before its end");
    probe.completed();
    assert_eq!(scene.first(POST).await, walk[0]);
    assert_eq!(scene.router.counts.get().ejections, 1);
    scene.settle().await;
    assert_eq!(*scene.told.readmitted.borrow(), [walk[0]]);
}

#[actix::test]
async fn what_is_readmitted_because_too_few_are_left_is_told_too() {
    let scene = Scene::new(2, |_| {}).await;
    let walk = scene.walk().await;
    scene.get().await.failed(&late());
    assert_eq!(scene.skips(), [walk[0]]);
    let alone = u32::try_from(walk[0].0).unwrap();
    scene.router.recall(2, &seated([alone]), &[walk[1]], false);
    scene.settle().await;
    assert_eq!(*scene.told.readmitted.borrow(), [walk[0]]);
}

#[actix::test]
async fn a_probe_that_fails_waits_twice_as_long_and_one_whose_client_left_does_not_count() {
    tokio::time::pause();
    let scene = Scene::new(3, |_| {}).await;
    let walk = scene.walk().await;
    scene.get().await.failed(&late());
    for pause in [11, 22] {
        assert_eq!(scene.first(GET).await, walk[1]);
        advance(Duration::from_secs(pause - 2)).await;
        assert_eq!(scene.first(GET).await, walk[1]);
        advance(Duration::from_secs(2)).await;
        assert_eq!(scene.first(GET).await, walk[0], "and its client leaves");
        let mut probe = scene.get().await;
        assert_eq!(probe.upstream().incarnation, walk[0]);
        probe.replied(StatusCode::INTERNAL_SERVER_ERROR);
        probe.completed();
    }
    assert_eq!(scene.first(GET).await, walk[1]);
}

#[actix::test]
async fn what_the_client_did_counts_for_nothing() {
    let scene = Scene::new(3, |_| {}).await;
    let first = scene.first(GET).await;
    for _ in 0..9 {
        for kind in [Kind::Client("gone".into()), Kind::Request("x"), Kind::TimedOut(Phase::Upload)] {
            scene.get().await.failed(&Failure { kind, sent: true, received: false });
        }
        let mut not_found = scene.get().await;
        not_found.replied(StatusCode::NOT_FOUND);
        not_found.completed();
    }
    let ours = Kind::Connect(io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error()));
    scene.get().await.failed(&Failure { kind: ours, sent: false, received: false });
    assert_eq!((scene.first(GET).await, scene.skips()), (first, vec![]));
}

#[actix::test]
async fn at_most_half_is_ejected_and_the_last_is_never() {
    for (seats, most) in [(1, 0), (2, 1), (3, 1), (4, 2)] {
        let scene = Scene::new(seats, |_| {}).await;
        for _ in 0..20 {
            let mut one = scene.get().await;
            one.failed(&late());
        }
        assert_eq!(scene.skips().len(), most, "of {seats}");
        assert!(scene.acquire(&[], POST).await.is_some());
    }
}

#[actix::test]
async fn when_the_others_leave_who_was_ejected_first_comes_back() {
    tokio::time::pause();
    let scene = Scene::new(4, |_| {}).await;
    for _ in 0..2 {
        scene.get().await.failed(&late());
        advance(ms(1)).await;
    }
    let ejected = scene.skips();
    let walk = scene.walk().await;
    assert_eq!(ejected.len(), 2);
    let stays = |seat: &u32| ejected.contains(&Incarnation((*seat).into()));
    let gone: Vec<_> = walk.iter().copied().filter(|incarnation| !ejected.contains(incarnation)).collect();
    scene.router.recall(9, &seated((1..=4).filter(stays)), &gone, false);
    assert_eq!(scene.skips().len(), 1);
}

#[actix::test]
async fn a_new_incarnation_starts_clean() {
    let scene = Scene::new(3, |_| {}).await;
    let first = scene.first(GET).await;
    scene.get().await.failed(&late());
    assert_eq!(scene.skips(), [first]);
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
    scene.router.recall(9, &replaced, &[first], true);
    assert_eq!(scene.skips(), []);
}

#[actix::test]
async fn a_replica_stalls_when_several_wait_and_others_answer() {
    tokio::time::pause();
    let scene = Scene::new(3, |_| {}).await;
    let walk = scene.walk().await;
    let waiting = [scene.get().await, scene.get().await, scene.get().await];
    advance(ms(500)).await;
    assert_eq!(scene.first(GET).await, walk[0], "nobody else has answered either");
    scene.acquire(&walk[..1], GET).await.unwrap().replied(StatusCode::OK);
    assert_eq!(scene.first(POST).await, walk[1]);
    assert!(waiting.iter().all(InFlight::is_given_up));
    let [mut one, two, three] = waiting;
    drop((two, three));
    assert_eq!(scene.first(GET).await, walk[1], "one still waits");
    assert!(one.is_last());
    one.replied(StatusCode::OK);
    assert_eq!(scene.first(GET).await, walk[0]);
    assert_eq!(scene.router.counts.get().stalls, 1);
}

#[actix::test]
async fn slow_requests_do_not_stall_a_replica_that_answers_others() {
    tokio::time::pause();
    let scene = Scene::new(3, |_| {}).await;
    let walk = scene.walk().await;
    let polls = [scene.get().await, scene.get().await, scene.get().await, scene.get().await];
    for _ in 0..200 {
        advance(ms(20)).await;
        for seat in &walk {
            let others: Vec<_> = walk.iter().copied().filter(|other| other != seat).collect();
            scene.acquire(&others, GET).await.unwrap().replied(StatusCode::OK);
        }
        assert_eq!(scene.first(GET).await, walk[0]);
    }
    assert!(!polls.iter().any(InFlight::is_given_up));
}
