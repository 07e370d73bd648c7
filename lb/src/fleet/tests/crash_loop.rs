//! Restart intensity: how fast a seat is refilled.

use super::*;

/// Lets the replicas of seat 1 exit as soon as they are ready.
fn crash(scenario: &mut Scenario, time: Duration) {
    let end = scenario.now + time;
    while scenario.now < end {
        scenario.pass(10 * MS);
        if let (1, Some((incarnation, Phase::Ready))) = scenario.seats()[0] {
            scenario.exit(incarnation);
        }
    }
}

#[test]
fn delays_grow_to_at_most_five_launches_a_minute_and_other_seats_are_untouched() {
    let mut scenario = Scenario::ready(3);
    crash(&mut scenario, 300 * SECOND);
    let mine = scenario.launches().into_iter().zip(scenario.times(is_launch));
    let mine: Vec<Duration> = mine.filter(|(launch, _)| launch.seat == seat(1)).map(|(_, at)| at).collect();
    let pauses: Vec<u64> = mine.windows(2).map(|two| (two[1] - two[0]).as_secs()).collect();
    assert_eq!(pauses, [0, 0, 1, 2, 60, 60, 60, 60]);
    assert!(mine.windows(6).all(|six| six[5] - six[0] >= 60 * SECOND));
    assert_eq!(scenario.launches().len(), 2 + mine.len());
    assert_eq!(scenario.names(), ["server2", "server3"]);
    assert!(scenario.fleet.members.len() <= 4, "dead replicas are removed");
}

#[test]
fn failed_launches_leave_no_members_behind() {
    let mut scenario = Scenario::new(Settings { replicas: 1, ..settings() });
    scenario.broken = Some(RuntimeError::Refused("no such image".to_owned()));
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.pass(600 * SECOND);
    assert!((13..=15).contains(&scenario.launches().len()), "{}", scenario.launches().len());
    assert_eq!(scenario.fleet.members.len(), 0);
    scenario.broken = None;
    scenario.pass(61 * SECOND);
    assert_eq!(scenario.seats()[0].1.map(|(_, phase)| phase), Some(Phase::Ready));
}

#[test]
fn launches_that_fail_outside_the_replica_are_retried_every_second_without_back_off() {
    let mut scenario = Scenario::ready(1);
    scenario.broken = Some(RuntimeError::Unavailable("the engine does not answer".to_owned()));
    scenario.exit(1);
    scenario.pass(50 * SECOND);
    assert!((48..=52).contains(&scenario.launches().len()), "{}", scenario.launches().len());
    scenario.broken = None;
    scenario.pass(SECOND + 100 * MS);
    assert!(matches!(scenario.seats()[0].1, Some((_, Phase::Ready))));
}

#[test]
fn only_launches_that_failed_outside_the_replica_are_retried_at_once_when_the_engine_is_back() {
    let mut scenario = Scenario::ready(2);
    scenario.broken = Some(RuntimeError::Refused("no such image".to_owned()));
    scenario.exit(2);
    scenario.pass(10 * SECOND);
    scenario.broken = Some(RuntimeError::Unavailable("the engine is away".to_owned()));
    scenario.exit(1);
    scenario.pass(10 * SECOND + 500 * MS);
    scenario.broken = None;
    let before = scenario.launches().len();
    scenario.dispatch(Event::Runtime(RuntimeEvent::Available));
    let after = scenario.launches().split_off(before);
    assert_eq!(after.iter().map(|launch| launch.seat).collect::<Vec<_>>(), [seat(1)]);
}

/// Phases of a seat's replicas, as published.
fn published(scenario: &Scenario, of: u32) -> Vec<Option<&'static str>> {
    let published = scenario.log.iter().filter_map(|(_, action)| match action {
        Action::Publish(transition) => (transition.seat == seat(of)).then_some(transition.now),
        _ => None,
    });
    published.collect()
}

#[test]
fn an_outage_is_published_once_however_long_it_lasts() {
    let mut scenario = Scenario::ready(1);
    scenario.broken = Some(RuntimeError::Unavailable("the engine is away".to_owned()));
    let before = published(&scenario, 1).len();
    scenario.exit(1);
    scenario.pass(600 * SECOND);
    let during = published(&scenario, 1).split_off(before);
    assert_eq!(during, [Some("dead"), Some("starting"), Some("dead")]);
    scenario.broken = None;
    scenario.pass(2 * SECOND);
    let after = published(&scenario, 1).split_off(before + during.len());
    assert_eq!(after.first(), Some(&Some("starting")));
    assert!(after.contains(&Some("ready")), "{after:?}");
}

#[test]
fn in_a_full_network_a_hung_replica_is_killed_before_its_successor_starts() {
    let mut scenario = Scenario::ready(2);
    scenario.broken = Some(RuntimeError::NoAddress("the subnet is full".to_owned()));
    scenario.hang(2);
    scenario.hold = |action| matches!(action, Action::KillDead(_));
    scenario.pass(4 * SECOND);
    assert_eq!(scenario.held.first(), Some(&Action::KillDead(Incarnation(2))));
    assert_eq!(scenario.fleet.members[&Incarnation(2)].phase(), Phase::Dead, "it keeps its seat");
    scenario.call(1, Command::Replace(name("server1")));
    assert!(
        scenario.held.iter().all(|action| *action == Action::KillDead(Incarnation(2))),
        "{:?}",
        scenario.held
    );
    assert!(matches!(scenario.error(1), CommandError::NotReady { .. }));
    scenario.broken = None;
    let ended = scenario.now;
    scenario.release();
    scenario.pass(100 * MS);
    assert_eq!(scenario.names().len(), 2);
    assert!(scenario.times(is_launch).last().is_some_and(|at| *at <= ended - scenario.start), "at once");
    assert_eq!(scenario.stops(), [(2, Duration::ZERO)]);
}

#[test]
fn ten_seconds_in_ready_reset_the_count() {
    let mut scenario = Scenario::ready(1);
    for incarnation in 1..=2 {
        scenario.exit(incarnation);
        scenario.pass(100 * MS);
    }
    scenario.pass(11 * SECOND);
    scenario.exit(3);
    scenario.pass(100 * MS);
    assert_eq!(scenario.seats(), [(1, Some((4, Phase::Ready)))]);
    scenario.exit(4);
    scenario.pass(100 * MS);
    assert_eq!(scenario.seats(), [(1, Some((5, Phase::Ready)))]);
}

#[test]
fn a_replica_terminated_from_outside_is_replaced_after_a_second() {
    let mut scenario = Scenario::ready(2);
    scenario.dispatch(Event::Runtime(RuntimeEvent::Terminated { incarnation: Incarnation(1) }));
    scenario.dispatch(Event::Runtime(RuntimeEvent::Terminated { incarnation: Incarnation(2) }));
    scenario.pass(5 * SECOND);
    assert_eq!(scenario.launches().len(), 2, "it has not ended yet");
    scenario.exit(1);
    scenario.heartbeats.insert(Incarnation(2), HeartbeatResult::Refused);
    let ended = scenario.now;
    scenario.pass(500 * MS);
    assert_eq!((scenario.names().len(), scenario.launches().len()), (0, 2));
    scenario.pass(2 * SECOND);
    assert_eq!((scenario.names().len(), scenario.launches().len()), (2, 4));
    let after = ended + SECOND - scenario.start;
    assert!(scenario.times(is_launch)[2..].iter().all(|at| *at >= after));
}
