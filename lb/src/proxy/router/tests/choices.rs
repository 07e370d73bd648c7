//! Bounded load and the other policies.

use super::*;

#[actix::test]
async fn a_hot_key_spills_along_its_walk_and_no_request_is_refused() {
    let bound = Bound { load: 1250, floor: 2 };
    let fixture = Fixture::new(3, |settings| settings.bound = Some(bound)).await;
    let mut in_flight = Vec::new();
    let mut loads = std::collections::BTreeMap::new();
    for n in 1..=60usize {
        let one = fixture.get().await;
        let load = loads.entry(one.endpoint().incarnation()).or_insert(0);
        *load += 1;
        assert!(*load <= bound.limit(n, 100, 300), "{load} of {n}");
        in_flight.push(one);
        if n == 2 {
            assert_eq!(fixture.skips().len(), 1, "one replica has reached the floor");
        }
    }
    let spills = fixture.router.statistics.routing().spills;
    assert_eq!(spills, 60 - *loads.values().max().unwrap() as u64);
    let first = in_flight[0].endpoint().incarnation();
    drop(in_flight);
    assert_eq!((fixture.first(GET).await, fixture.skips()), (first, vec![]));

    // The available replicas share the load of an ejected one.
    let walk = fixture.walk().await;
    fixture.get().await.failed(&late());
    let all: Vec<_> = join_all((0..60).map(|_| fixture.get())).await;
    let second = all.iter().filter(|one| one.endpoint().incarnation() == walk[1]).count();
    assert_eq!(second, 38, "ceil(1.25 * 60 / 2)");
}

#[actix::test]
async fn the_explanation_equals_the_choice_even_if_every_replica_is_skipped() {
    tokio::time::pause();
    // The bound allows no request anywhere: the least loaded replica is chosen, never an ejected one.
    let fixture = Fixture::new(3, |settings| settings.bound = Some(Bound { load: 0, floor: 0 })).await;
    let mut in_flight = Vec::new();
    for n in 0..12 {
        if n == 4 {
            let mut failing = fixture.get().await;
            failing.failed(&late());
        }
        assert_eq!(fixture.skips().len(), 3);
        let explained = fixture.explained().await;
        let acquired = fixture.get().await;
        assert_eq!(explained, Some(acquired.endpoint().incarnation()), "request {n}");
        in_flight.push(acquired);
    }
    let before = fixture.router.statistics.routing();
    for pause in 0..30 {
        advance(Duration::from_secs(pause)).await;
        let explained = fixture.explained().await;
        assert_eq!(explained, Some(fixture.first(GET).await), "includes probes that are due");
    }
    assert_eq!(
        fixture.router.endpoints.borrow().in_flight(),
        in_flight.len(),
        "an explanation counts no request"
    );
    assert!(fixture.router.statistics.routing().spills > before.spills);
    let spills = fixture.router.statistics.routing().spills;
    fixture.explained().await;
    assert_eq!(fixture.router.statistics.routing().spills, spills);
    assert_eq!(Fixture::new(0, |_| {}).await.explained().await, None);
    let fixture = Fixture::new(3, |settings| settings.policy = Policy::RoundRobin).await;
    assert_eq!(fixture.explained().await, None, "round robin does not use the key");
}

#[actix::test]
async fn a_policy_spreads_one_key_and_a_retry_follows_its_walk() {
    tokio::time::pause();
    for policy in Policy::ALL.into_iter().filter(|policy| *policy != Policy::Hash) {
        let fixture = Fixture::new(4, |settings| settings.policy = policy).await;
        let walk = fixture.ring.lookup(fixture.slot, 0).await.unwrap().walk;
        let walk: Vec<_> = walk.iter().map(|replica| replica.incarnation).collect();
        let all: Vec<_> = join_all((0..40).map(|_| fixture.get())).await;
        for replica in &walk {
            let share = all.iter().filter(|one| one.endpoint().incarnation() == *replica).count();
            assert!((5..=15).contains(&share), "{policy:?} {share}");
        }
        let retry = fixture.acquire(&[walk[0], walk[2]], GET).await.unwrap();
        assert_eq!(retry.endpoint().incarnation(), walk[1], "{policy:?}");
        drop(all);

        let mut failing = fixture.get().await;
        let ejected = failing.endpoint().incarnation();
        failing.failed(&late());
        for _ in 0..20 {
            assert_ne!(fixture.first(GET).await, ejected, "{policy:?}");
        }
        advance(Duration::from_secs(11)).await;
        assert_eq!(fixture.first(GET).await, ejected, "its probe, {policy:?}");
    }
}
