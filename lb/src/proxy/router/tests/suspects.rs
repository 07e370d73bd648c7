//! Replicas whose heartbeats fail: they move back in the walk, and a single request on one may be a stall.

use super::*;

/// Worth while only at a replica that is well.
const HEDGE: AttemptOptions = AttemptOptions { well_only: true, ..GET };

#[actix::test]
async fn suspects_move_back_and_the_first_choice_is_the_last_resort() {
    let scene = Scene::new(3, |_| {}).await;
    let walk = scene.walk().await;
    scene.suspect(&walk[..1]);
    assert_eq!((scene.first(GET).await, scene.first(POST).await), (walk[1], walk[1]));
    assert_eq!((scene.skips(), scene.explained().await), (vec![walk[0]], Some(walk[1])));
    assert_eq!(scene.walk().await, [walk[1], walk[2], walk[0]], "retries go there last");
    assert!(scene.acquire(&walk[1..], HEDGE).await.is_none(), "no hedge goes there");

    scene.suspect(&walk);
    for _ in 0..10 {
        assert_eq!((scene.first(GET).await, scene.first(POST).await), (walk[0], walk[0]));
    }
    let load: Vec<_> = join_all((0..40).map(|_| scene.get())).await;
    assert!(load.iter().all(|one| one.upstream().incarnation == walk[0]), "not the least loaded");
    assert_eq!(scene.walk().await, walk);
    scene.suspect(&[]);
    assert_eq!((scene.first(GET).await, scene.skips()), (walk[0], vec![]));
}

#[actix::test]
async fn a_request_always_finds_a_replica_while_a_seat_is_occupied() {
    tokio::time::pause();
    // Every combination of ejected, suspect, stalled and over bound, in fleets of up to 4.
    for seats in 1..=4u32 {
        for states in 0..4u32.pow(seats) {
            let bound = Bound { load: 1000, floor: 1 };
            let scene = Scene::new(seats, |settings| settings.bound = Some(bound)).await;
            let walk = scene.walk().await;
            let state = |at: usize| states / 4u32.pow(at as u32) % 4;
            let mut held = Vec::new();
            for (at, replica) in walk.iter().enumerate() {
                let others: Vec<_> = walk.iter().copied().filter(|other| other != replica).collect();
                let mut one = scene.acquire(&others, GET).await.unwrap();
                match state(at) {
                    1 => one.failed(&late()),
                    2 => held.push(one),
                    _ => {}
                }
            }
            let suspects: Vec<_> = (0..walk.len()).filter(|at| state(*at) == 3).map(|at| walk[at]).collect();
            scene.suspect(&suspects);
            for options in [GET, POST] {
                assert!(scene.acquire(&[], options).await.is_some(), "{seats} {states}");
                assert_eq!(scene.acquire(&walk, options).await.map(drop), None, "all were tried");
            }
        }
    }
}

#[actix::test]
async fn an_ejected_replica_is_a_later_resort_than_a_suspect_one() {
    let scene = Scene::new(3, |_| {}).await;
    let walk = scene.walk().await;
    scene.get().await.failed(&late());
    assert_eq!(scene.skips(), [walk[0]]);
    scene.suspect(&walk[1..]);
    assert_eq!(scene.walk().await, [walk[1], walk[2], walk[0]]);
}

#[actix::test]
async fn one_that_is_well_and_over_its_bound_is_an_earlier_resort() {
    let scene = Scene::new(3, |settings| settings.bound = Some(Bound { load: 0, floor: 0 })).await;
    let walk = scene.walk().await;
    scene.suspect(&walk[..1]);
    let load: Vec<_> = join_all((0..40).map(|_| scene.get())).await;
    for replica in &walk[1..] {
        assert_eq!(load.iter().filter(|one| one.upstream().incarnation == *replica).count(), 20);
    }
}

#[actix::test]
async fn no_policy_picks_a_suspect_while_another_is_left() {
    for policy in [Policy::RoundRobin, Policy::LeastRequests, Policy::PeakEwma] {
        let scene = Scene::new(3, |settings| settings.policy = policy).await;
        scene.suspect(&[Incarnation(1), Incarnation(3)]);
        for _ in 0..20 {
            assert_eq!(scene.first(GET).await, Incarnation(2), "{policy:?}");
        }
        scene.suspect(&[Incarnation(1), Incarnation(2), Incarnation(3)]);
        assert!(scene.acquire(&[], GET).await.is_some(), "{policy:?}");
    }
}

#[actix::test]
async fn one_slow_request_is_no_stall_while_heartbeats_answer() {
    tokio::time::pause();
    let scene = Scene::new(3, |_| {}).await;
    let walk = scene.walk().await;
    let slow = scene.get().await;
    for _ in 0..600 {
        advance(ms(100)).await;
        for seat in 1..3 {
            let others: Vec<_> = walk.iter().copied().filter(|other| *other != walk[seat]).collect();
            scene.acquire(&others, GET).await.unwrap().replied(StatusCode::OK);
        }
        scene.suspect(&[]);
        assert!(!slow.is_given_up() && scene.skips().is_empty());
    }
}

#[actix::test]
async fn one_silent_request_beside_failed_heartbeats_is_a_stall() {
    tokio::time::pause();
    let scene = Scene::new(3, |_| {}).await;
    let walk = scene.walk().await;
    let mut slow = scene.get().await;
    scene.suspect(&walk[..1]);
    assert!(!slow.is_given_up(), "not at once");
    advance(ms(500)).await;
    // Without any further request: the supervisor repeats it with each missed heartbeat.
    scene.suspect(&walk[..1]);
    assert!(slow.is_given_up());
    let hedge = scene.acquire(&walk[..1], HEDGE).await.unwrap();
    assert_eq!(hedge.upstream().incarnation, walk[1]);
    // The request has made a second replica silent; there is no room for a second stall among three.
    advance(ms(2000)).await;
    scene.suspect(&walk[..2]);
    assert!(!hedge.is_given_up());
    slow.replied(StatusCode::OK);
    scene.suspect(&[]);
    assert_eq!((scene.first(GET).await, scene.router.counts.get().stalls), (walk[0], 1));
}

#[actix::test]
async fn if_all_are_suspect_nothing_is_repeated_elsewhere() {
    tokio::time::pause();
    let scene = Scene::new(3, |_| {}).await;
    let walk = scene.walk().await;
    let slow = scene.get().await;
    advance(ms(5000)).await;
    scene.suspect(&walk);
    assert!(!slow.is_given_up());
}

#[actix::test]
async fn a_stall_is_noticed_within_a_second_after_the_whole_machine_was_stalled() {
    tokio::time::pause();
    let scene = Scene::new(3, |_| {}).await;
    let walk = scene.walk().await;
    let others =
        |seat: usize| -> Vec<_> { walk.iter().copied().filter(|other| *other != walk[seat]).collect() };
    // All replies are 6 s late, once; then they come in time again.
    for seat in 0..3 {
        let mut late = Vec::new();
        for _ in 0..10 {
            late.push(scene.acquire(&others(seat), GET).await.unwrap());
        }
        advance(ms(6000)).await;
        for mut one in late {
            one.replied(StatusCode::OK);
            one.completed();
        }
        for _ in 0..100 {
            let mut one = scene.acquire(&others(seat), GET).await.unwrap();
            advance(ms(1)).await;
            one.replied(StatusCode::OK);
        }
    }
    let waiting = [scene.get().await, scene.get().await, scene.get().await];
    advance(ms(1001)).await;
    scene.acquire(&others(1), GET).await.unwrap().replied(StatusCode::OK);
    assert_eq!(scene.first(GET).await, walk[1]);
    assert!(waiting.iter().all(InFlight::is_given_up));
}
