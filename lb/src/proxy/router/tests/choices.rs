//! Bounded load and the other policies.

use super::*;

#[actix::test]
async fn a_hot_key_spills_to_the_next_of_its_walk_and_nobody_is_refused() {
    let bound = Bound { load: 1250, floor: 2 };
    let scene = Scene::new(3, |settings| settings.bound = Some(bound)).await;
    let mut in_flight = Vec::new();
    let mut loads = std::collections::BTreeMap::new();
    for n in 1..=60usize {
        let one = scene.get().await;
        let load = loads.entry(one.upstream().incarnation).or_insert(0);
        *load += 1;
        assert!(*load <= bound.limit(n, 100, 300), "{load} of {n}");
        in_flight.push(one);
        if n == 2 {
            assert_eq!(scene.skips().len(), 1, "the floor is reached, and seen");
        }
    }
    let spills = scene.router.counts.get().spills;
    assert_eq!(spills, 60 - *loads.values().max().unwrap() as u64);
    let first = in_flight[0].upstream().incarnation;
    drop(in_flight);
    assert_eq!((scene.first(GET).await, scene.skips()), (first, vec![]));

    // Those that may be chosen share what an ejected one would have had.
    let walk = scene.walk().await;
    scene.get().await.failed(&late());
    let all: Vec<_> = join_all((0..60).map(|_| scene.get())).await;
    let second = all.iter().filter(|one| one.upstream().incarnation == walk[1]).count();
    assert_eq!(second, 38, "ceil(1.25 * 60 / 2)");
}

#[actix::test]
async fn what_is_explained_is_what_happens_also_when_every_seat_has_a_reason_against_it() {
    tokio::time::pause();
    // Nobody may have anything: the least loaded takes it, and never an ejected one.
    let scene = Scene::new(3, |settings| settings.bound = Some(Bound { load: 0, floor: 0 })).await;
    let mut in_flight = Vec::new();
    for n in 0..12 {
        if n == 4 {
            let mut sick = scene.get().await;
            sick.failed(&late());
        }
        assert_eq!(scene.skips().len(), 3);
        let told = scene.explained().await;
        let entered = scene.get().await;
        assert_eq!(told, Some(entered.upstream().incarnation), "request {n}");
        in_flight.push(entered);
    }
    let before = scene.router.counts.get();
    for pause in 0..30 {
        advance(Duration::from_secs(pause)).await;
        let told = scene.explained().await;
        assert_eq!(told, Some(scene.first(GET).await), "a probe that is due among them");
    }
    assert_eq!(scene.router.in_flight.get(), in_flight.len(), "an explanation is no request");
    assert!(scene.router.counts.get().spills > before.spills);
    let spills = scene.router.counts.get().spills;
    scene.explained().await;
    assert_eq!(scene.router.counts.get().spills, spills);
    assert_eq!(Scene::new(0, |_| {}).await.explained().await, None);
    let scene = Scene::new(3, |settings| settings.policy = Policy::RoundRobin).await;
    assert_eq!(scene.explained().await, None, "its turn decides");
}

#[actix::test]
async fn a_policy_spreads_one_key_and_a_retry_follows_its_walk() {
    tokio::time::pause();
    for policy in [Policy::RoundRobin, Policy::LeastRequests, Policy::PeakEwma] {
        let scene = Scene::new(4, |settings| settings.policy = policy).await;
        let walk: Vec<_> =
            scene.ring.send(crate::control::ring::Lookup { slot: scene.slot, offset: 0 }).await.unwrap().walk;
        let walk: Vec<_> = walk.iter().map(|replica| replica.incarnation).collect();
        let all: Vec<_> = join_all((0..40).map(|_| scene.get())).await;
        for replica in &walk {
            let share = all.iter().filter(|one| one.upstream().incarnation == *replica).count();
            assert!((5..=15).contains(&share), "{policy:?} {share}");
        }
        let retry = scene.acquire(&[walk[0], walk[2]], GET).await.unwrap();
        assert_eq!(retry.upstream().incarnation, walk[1], "{policy:?}");
        drop(all);

        let mut sick = scene.get().await;
        let ejected = sick.upstream().incarnation;
        sick.failed(&late());
        for _ in 0..20 {
            assert_ne!(scene.first(GET).await, ejected, "{policy:?}");
        }
        advance(Duration::from_secs(11)).await;
        assert_eq!(scene.first(GET).await, ejected, "its one request, {policy:?}");
    }
}
