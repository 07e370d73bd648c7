//! Suspect replicas: they move back in the walk, and a single silent request may be a stall.

use super::*;

/// An attempt that goes only to a healthy replica.
const HEDGE: AttemptOptions = AttemptOptions { healthy_only: true, ..GET };

#[actix::test]
async fn suspects_move_back_and_the_first_choice_is_the_last_resort() {
    let fixture = Fixture::new(3, |_| {}).await;
    let walk = fixture.walk().await;
    fixture.suspect(&walk[..1]);
    assert_eq!((fixture.first(GET).await, fixture.first(POST).await), (walk[1], walk[1]));
    assert_eq!((fixture.skips(), fixture.explained().await), (vec![walk[0]], Some(walk[1])));
    assert_eq!(fixture.walk().await, [walk[1], walk[2], walk[0]], "retries go there last");
    assert!(fixture.acquire(&walk[1..], HEDGE).await.is_none(), "no hedge goes there");

    fixture.suspect(&walk);
    for _ in 0..10 {
        assert_eq!((fixture.first(GET).await, fixture.first(POST).await), (walk[0], walk[0]));
    }
    let load: Vec<_> = join_all((0..40).map(|_| fixture.get())).await;
    assert!(load.iter().all(|one| one.endpoint().incarnation() == walk[0]), "not the least loaded");
    assert_eq!(fixture.walk().await, walk);
    fixture.suspect(&[]);
    assert_eq!((fixture.first(GET).await, fixture.skips()), (walk[0], vec![]));
}

#[actix::test]
async fn a_request_always_finds_a_replica_while_a_seat_is_occupied() {
    tokio::time::pause();
    // Every combination of ejected, suspect, stalled and over bound, in fleets of up to 4.
    for seats in 1..=4u32 {
        for states in 0..4u32.pow(seats) {
            let bound = Bound { load: 1000, floor: 1 };
            let fixture = Fixture::new(seats, |settings| settings.bound = Some(bound)).await;
            let walk = fixture.walk().await;
            let state = |at: usize| states / 4u32.pow(at as u32) % 4;
            let mut held = Vec::new();
            for (at, replica) in walk.iter().enumerate() {
                let others: Vec<_> = walk.iter().copied().filter(|other| other != replica).collect();
                let mut one = fixture.acquire(&others, GET).await.unwrap();
                match state(at) {
                    1 => one.failed(&late()),
                    2 => held.push(one),
                    _ => {}
                }
            }
            let suspects: Vec<_> = (0..walk.len()).filter(|at| state(*at) == 3).map(|at| walk[at]).collect();
            fixture.suspect(&suspects);
            for options in [GET, POST] {
                assert!(fixture.acquire(&[], options).await.is_some(), "{seats} {states}");
                assert_eq!(fixture.acquire(&walk, options).await.map(drop), None, "all were tried");
            }
        }
    }
}

#[actix::test]
async fn an_ejected_replica_ranks_behind_a_suspect_one() {
    let fixture = Fixture::new(3, |_| {}).await;
    let walk = fixture.walk().await;
    fixture.get().await.failed(&late());
    assert_eq!(fixture.skips(), [walk[0]]);
    fixture.suspect(&walk[1..]);
    assert_eq!(fixture.walk().await, [walk[1], walk[2], walk[0]]);
}

#[actix::test]
async fn a_healthy_replica_over_its_bound_ranks_before_a_suspect_one() {
    let fixture = Fixture::new(3, |settings| settings.bound = Some(Bound { load: 0, floor: 0 })).await;
    let walk = fixture.walk().await;
    fixture.suspect(&walk[..1]);
    let load: Vec<_> = join_all((0..40).map(|_| fixture.get())).await;
    for replica in &walk[1..] {
        assert_eq!(load.iter().filter(|one| one.endpoint().incarnation() == *replica).count(), 20);
    }
}

#[actix::test]
async fn no_policy_picks_a_suspect_replica_while_another_is_available() {
    for policy in Policy::ALL.into_iter().filter(|policy| *policy != Policy::Hash) {
        let fixture = Fixture::new(3, |settings| settings.policy = policy).await;
        fixture.suspect(&[Incarnation(1), Incarnation(3)]);
        for _ in 0..20 {
            assert_eq!(fixture.first(GET).await, Incarnation(2), "{policy:?}");
        }
        fixture.suspect(&[Incarnation(1), Incarnation(2), Incarnation(3)]);
        assert!(fixture.acquire(&[], GET).await.is_some(), "{policy:?}");
    }
}

#[actix::test]
async fn one_slow_request_is_no_stall_while_heartbeats_succeed() {
    tokio::time::pause();
    let fixture = Fixture::new(3, |_| {}).await;
    let walk = fixture.walk().await;
    let slow = fixture.get().await;
    for _ in 0..600 {
        advance(ms(100)).await;
        for seat in 1..3 {
            let others: Vec<_> = walk.iter().copied().filter(|other| *other != walk[seat]).collect();
            fixture.acquire(&others, GET).await.unwrap().replied(StatusCode::OK);
        }
        fixture.suspect(&[]);
        assert!(!slow.is_abandoned() && fixture.skips().is_empty());
    }
}

#[actix::test]
async fn one_silent_request_beside_failed_heartbeats_is_a_stall() {
    tokio::time::pause();
    let fixture = Fixture::new(3, |_| {}).await;
    let walk = fixture.walk().await;
    let mut slow = fixture.get().await;
    fixture.suspect(&walk[..1]);
    assert!(!slow.is_abandoned(), "not at once");
    advance(ms(500)).await;
    // No further request is needed: the supervisor repeats the list with each missed heartbeat.
    fixture.suspect(&walk[..1]);
    assert!(slow.is_abandoned());
    let hedge = fixture.acquire(&walk[..1], HEDGE).await.unwrap();
    assert_eq!(hedge.endpoint().incarnation(), walk[1]);
    // The second replica is silent too, but at most one of three may be unavailable.
    advance(ms(2000)).await;
    fixture.suspect(&walk[..2]);
    assert!(!hedge.is_abandoned());
    slow.replied(StatusCode::OK);
    fixture.suspect(&[]);
    assert_eq!((fixture.first(GET).await, fixture.router.statistics.routing().stalls), (walk[0], 1));
}

#[actix::test]
async fn if_all_replicas_are_suspect_no_hedge_is_started() {
    tokio::time::pause();
    let fixture = Fixture::new(3, |_| {}).await;
    let walk = fixture.walk().await;
    let slow = fixture.get().await;
    advance(ms(5000)).await;
    fixture.suspect(&walk);
    assert!(!slow.is_abandoned());
}

#[actix::test]
async fn a_stall_is_detected_within_a_second_after_all_replicas_were_slow() {
    tokio::time::pause();
    let fixture = Fixture::new(3, |_| {}).await;
    let walk = fixture.walk().await;
    let others =
        |seat: usize| -> Vec<_> { walk.iter().copied().filter(|other| *other != walk[seat]).collect() };
    // All replies take 6 s once, and 1 ms afterwards.
    for seat in 0..3 {
        let mut late = Vec::new();
        for _ in 0..10 {
            late.push(fixture.acquire(&others(seat), GET).await.unwrap());
        }
        advance(ms(6000)).await;
        for mut one in late {
            one.replied(StatusCode::OK);
            one.completed();
        }
        for _ in 0..100 {
            let mut one = fixture.acquire(&others(seat), GET).await.unwrap();
            advance(ms(1)).await;
            one.replied(StatusCode::OK);
        }
    }
    let waiting = [fixture.get().await, fixture.get().await, fixture.get().await];
    advance(ms(1001)).await;
    fixture.acquire(&others(1), GET).await.unwrap().replied(StatusCode::OK);
    assert_eq!(fixture.first(GET).await, walk[1]);
    assert!(waiting.iter().all(InFlight::is_abandoned));
}
