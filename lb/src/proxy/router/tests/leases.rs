//! Leases and recalls: no request reaches a replica that has left, and the end of its last request is reported.

use super::*;

#[actix::test]
async fn a_look_up_answer_overtaken_by_a_recall_is_discarded() {
    let fixture = Fixture::new(3, |_| {}).await;
    let first = fixture.first(POST).await;
    let epoch = fixture.ring.snapshot().await.unwrap().epoch;
    fixture.recall(epoch, &seated(1..=3), &[], false);

    let mut late = Box::pin(walk::acquire(&fixture.router, fixture.slot, &[], POST));
    assert!(poll_immediate(&mut late).await.is_none(), "the look-up is sent");
    let seat = u32::try_from(first.0).unwrap();
    let changed = fixture.ring.apply(Change::Vacate(SeatId::new(seat).unwrap())).await.unwrap();
    let left = seated((1..=3).filter(|n| *n != seat));
    fixture.recall(changed.epoch, &left, &[first], true);
    assert_ne!(late.await.unwrap().unwrap().endpoint().incarnation(), first);
}

#[actix::test]
async fn a_recall_drops_the_lease_and_the_end_of_the_last_request_is_reported() {
    let fixture = Fixture::new(3, |settings| settings.max_in_flight = 2).await;
    let (one, two) = (fixture.get().await, fixture.get().await);
    let third = walk::acquire(&fixture.router, fixture.slot, &[], GET).await;
    assert!(matches!(third, Err(Error::Overloaded)), "the limit is 2");
    let gone = one.endpoint().incarnation();
    assert_eq!(fixture.recall(7, &seated([2]), &[gone], false), [gone]);
    drop(one);
    fixture.settle().await;
    assert!(fixture.notices.idle.borrow().is_empty(), "one is still in flight");
    drop(two);
    fixture.settle().await;
    assert_eq!(*fixture.notices.idle.borrow(), [gone]);
    assert_eq!(fixture.router.loaded().replicas.len(), 2, "of the three replicas");
    assert_eq!(fixture.recall(8, &seated([2]), &[Incarnation(99)], false), []);
}

#[actix::test]
async fn a_drained_replica_that_returns_is_not_reported_as_idle() {
    let fixture = Fixture::new(2, |_| {}).await;
    let one = fixture.get().await;
    let drained = one.endpoint().incarnation();
    let rest = seated((1..=2).filter(|n| u64::from(*n) != drained.0));
    assert_eq!(fixture.recall(2, &rest, &[drained], false), [drained]);
    fixture.recall(3, &seated(1..=2), &[], false);
    drop(one);
    fixture.settle().await;
    assert!(fixture.notices.idle.borrow().is_empty());
    assert_eq!(fixture.router.loaded().replicas.len(), 2, "the returned replica is listed");
}

#[actix::test]
async fn the_walk_continues_past_tried_replicas() {
    let fixture = Fixture::new(10, |_| {}).await;
    let all: std::collections::BTreeSet<_> = fixture.walk().await.into_iter().collect();
    assert_eq!(all.len(), 10, "the walk is longer than a page");
}

#[actix::test]
async fn a_burst_that_waits_for_one_lease_stays_within_the_limit() {
    let fixture = Fixture::new(3, |settings| settings.max_in_flight = 2).await;
    let acquired = join_all((0..9).map(|_| walk::acquire(&fixture.router, fixture.slot, &[], GET))).await;
    let (admitted, refused): (Vec<_>, Vec<_>) = acquired.into_iter().partition(Result::is_ok);
    assert_eq!((admitted.len(), refused.len()), (2, 7));
    assert!(refused.iter().all(|refused| matches!(refused, Err(Error::Overloaded))));
    drop(admitted);
    assert!(walk::acquire(&fixture.router, fixture.slot, &[], GET).await.is_ok());
}
