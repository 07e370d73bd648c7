//! Leases and recalls: no request reaches a replica that has left, and its last request is told.

use super::*;

#[actix::test]
async fn an_answer_that_a_recall_overtook_is_not_believed() {
    let scene = Scene::new(3, |_| {}).await;
    let first = scene.first(POST).await;
    let epoch = scene.ring.send(Snapshot).await.unwrap().epoch;
    scene.router.recall(epoch, &seated(1..=3), &[], false);

    let mut late = Box::pin(scene.router.acquire(scene.slot, &[], POST));
    assert!(poll_immediate(&mut late).await.is_none(), "it has asked");
    let seat = u32::try_from(first.0).unwrap();
    let changed = scene.ring.send(Vacate(SeatId::new(seat).unwrap())).await.unwrap().unwrap();
    let left = seated((1..=3).filter(|n| *n != seat));
    scene.router.recall(changed.epoch, &left, &[first], true);
    assert_ne!(late.await.unwrap().unwrap().upstream().incarnation, first);
}

#[actix::test]
async fn a_recall_drops_the_lease_and_the_last_request_is_told() {
    let scene = Scene::new(3, |settings| settings.max_in_flight = 2).await;
    let (one, two) = (scene.get().await, scene.get().await);
    let third = scene.router.acquire(scene.slot, &[], GET).await;
    assert!(matches!(third, Err(Error::Overloaded)), "the limit is 2");
    let gone = one.upstream().incarnation;
    assert_eq!(scene.router.recall(7, &seated([2]), &[gone], false), [gone]);
    drop(one);
    scene.settle().await;
    assert!(scene.told.idle.borrow().is_empty(), "one is still in flight");
    drop(two);
    scene.settle().await;
    assert_eq!(*scene.told.idle.borrow(), [gone]);
    assert_eq!(scene.router.loaded().replicas.len(), 2, "of the three replicas");
    assert_eq!(scene.router.recall(8, &seated([2]), &[Incarnation(99)], false), []);
}

#[actix::test]
async fn who_is_drained_and_comes_back_is_not_told_as_idle() {
    let scene = Scene::new(2, |_| {}).await;
    let one = scene.get().await;
    let drained = one.upstream().incarnation;
    let rest = seated((1..=2).filter(|n| u64::from(*n) != drained.0));
    assert_eq!(scene.router.recall(2, &rest, &[drained], false), [drained]);
    scene.router.recall(3, &seated(1..=2), &[], false);
    drop(one);
    scene.settle().await;
    assert!(scene.told.idle.borrow().is_empty());
    assert_eq!(scene.router.loaded().replicas.len(), 2, "it is known");
}

#[actix::test]
async fn the_walk_goes_on_past_what_was_tried() {
    let scene = Scene::new(10, |_| {}).await;
    let all: std::collections::BTreeSet<_> = scene.walk().await.into_iter().collect();
    assert_eq!(all.len(), 10, "more than a page");
}

#[actix::test]
async fn a_burst_that_waits_for_one_lease_stays_within_the_limit() {
    let scene = Scene::new(3, |settings| settings.max_in_flight = 2).await;
    let entered = join_all((0..9).map(|_| scene.router.acquire(scene.slot, &[], GET))).await;
    let (admitted, refused): (Vec<_>, Vec<_>) = entered.into_iter().partition(Result::is_ok);
    assert_eq!((admitted.len(), refused.len()), (2, 7));
    assert!(refused.iter().all(|refused| matches!(refused, Err(Error::Overloaded))));
    drop(admitted);
    assert!(scene.router.acquire(scene.slot, &[], GET).await.is_ok());
}
