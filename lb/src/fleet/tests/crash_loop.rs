//! Restart intensity: how fast a seat is refilled.

use super::*;

/// Lets the replicas of seat 1 exit as soon as they are ready.
fn crash(stage: &mut Stage, time: Duration) {
    let end = stage.now + time;
    while stage.now < end {
        stage.pass(10 * MS);
        if let (1, Some((incarnation, Phase::Ready))) = stage.seats()[0] {
            stage.exit(incarnation);
        }
    }
}

#[test]
fn delays_grow_to_at_most_five_launches_a_minute_and_other_seats_are_untouched() {
    let mut stage = Stage::ready(3);
    crash(&mut stage, 300 * SECOND);
    let mine = stage.launches().into_iter().zip(stage.times(is_launch));
    let mine: Vec<Duration> = mine.filter(|(launch, _)| launch.seat == seat(1)).map(|(_, at)| at).collect();
    let pauses: Vec<u64> = mine.windows(2).map(|two| (two[1] - two[0]).as_secs()).collect();
    assert_eq!(pauses, [0, 0, 1, 2, 60, 60, 60, 60]);
    assert!(mine.windows(6).all(|six| six[5] - six[0] >= 60 * SECOND));
    assert_eq!(stage.launches().len(), 2 + mine.len());
    assert_eq!(stage.names(), ["server2", "server3"]);
    assert!(stage.fleet.members.len() <= 4, "dead replicas are removed");
}

#[test]
fn failed_launches_leave_no_members_behind() {
    let mut stage = Stage::new(Settings { replicas: 1, ..settings() });
    stage.broken = Some(RuntimeError::Refused("no such image".to_owned()));
    stage.feed(Event::Listed(Vec::new()));
    stage.pass(600 * SECOND);
    assert!((13..=15).contains(&stage.launches().len()), "{}", stage.launches().len());
    assert_eq!(stage.fleet.members.len(), 0);
    stage.broken = None;
    stage.pass(61 * SECOND);
    assert_eq!(stage.seats()[0].1.map(|(_, phase)| phase), Some(Phase::Ready));
}

#[test]
fn launches_that_fail_outside_the_replica_are_retried_every_second_without_back_off() {
    let mut stage = Stage::ready(1);
    stage.broken = Some(RuntimeError::Unavailable("the engine does not answer".to_owned()));
    stage.exit(1);
    stage.pass(50 * SECOND);
    assert!((48..=52).contains(&stage.launches().len()), "{}", stage.launches().len());
    stage.broken = None;
    stage.pass(SECOND + 100 * MS);
    assert!(matches!(stage.seats()[0].1, Some((_, Phase::Ready))));
}

#[test]
fn only_launches_that_failed_outside_the_replica_are_retried_at_once_when_the_engine_is_back() {
    let mut stage = Stage::ready(2);
    stage.broken = Some(RuntimeError::Refused("no such image".to_owned()));
    stage.exit(2);
    stage.pass(10 * SECOND);
    stage.broken = Some(RuntimeError::Unavailable("the engine is away".to_owned()));
    stage.exit(1);
    stage.pass(10 * SECOND + 500 * MS);
    stage.broken = None;
    let before = stage.launches().len();
    stage.feed(Event::Runtime(RuntimeEvent::Available));
    let after = stage.launches().split_off(before);
    assert_eq!(after.iter().map(|launch| launch.seat).collect::<Vec<_>>(), [seat(1)]);
}

/// Phases of a seat's replicas, as published.
fn published(stage: &Stage, of: u32) -> Vec<Option<&'static str>> {
    let published = stage.log.iter().filter_map(|(_, action)| match action {
        Action::Tell(transition) => (transition.seat == seat(of)).then_some(transition.now),
        _ => None,
    });
    published.collect()
}

#[test]
fn an_outage_is_published_once_however_long_it_lasts() {
    let mut stage = Stage::ready(1);
    stage.broken = Some(RuntimeError::Unavailable("the engine is away".to_owned()));
    let before = published(&stage, 1).len();
    stage.exit(1);
    stage.pass(600 * SECOND);
    let during = published(&stage, 1).split_off(before);
    assert_eq!(during, [Some("dead"), Some("starting"), Some("dead")]);
    stage.broken = None;
    stage.pass(2 * SECOND);
    let after = published(&stage, 1).split_off(before + during.len());
    assert_eq!(after.first(), Some(&Some("starting")));
    assert!(after.contains(&Some("ready")), "{after:?}");
}

#[test]
fn in_a_full_network_a_hung_replica_is_killed_before_its_successor_starts() {
    let mut stage = Stage::ready(2);
    stage.broken = Some(RuntimeError::NoAddress("the subnet is full".to_owned()));
    stage.hang(2);
    stage.hold = |action| matches!(action, Action::End(_));
    stage.pass(4 * SECOND);
    assert_eq!(stage.held.first(), Some(&Action::End(Incarnation(2))));
    assert_eq!(stage.fleet.members[&Incarnation(2)].phase(), Phase::Dead, "it keeps its seat");
    stage.call(1, Command::Replace(name("server1")));
    assert!(stage.held.iter().all(|action| *action == Action::End(Incarnation(2))), "{:?}", stage.held);
    assert!(matches!(stage.error(1), CommandError::NotReady { .. }));
    stage.broken = None;
    let ended = stage.now;
    stage.release();
    stage.pass(100 * MS);
    assert_eq!(stage.names().len(), 2);
    assert!(stage.times(is_launch).last().is_some_and(|at| *at <= ended - stage.start), "at once");
    assert_eq!(stage.stops(), [(2, Duration::ZERO)]);
}

#[test]
fn ten_seconds_in_ready_reset_the_count() {
    let mut stage = Stage::ready(1);
    for incarnation in 1..=2 {
        stage.exit(incarnation);
        stage.pass(100 * MS);
    }
    stage.pass(11 * SECOND);
    stage.exit(3);
    stage.pass(100 * MS);
    assert_eq!(stage.seats(), [(1, Some((4, Phase::Ready)))]);
    stage.exit(4);
    stage.pass(100 * MS);
    assert_eq!(stage.seats(), [(1, Some((5, Phase::Ready)))]);
}

#[test]
fn a_replica_terminated_from_outside_is_replaced_after_a_second() {
    let mut stage = Stage::ready(2);
    stage.feed(Event::Runtime(RuntimeEvent::Terminated { incarnation: Incarnation(1) }));
    stage.feed(Event::Runtime(RuntimeEvent::Terminated { incarnation: Incarnation(2) }));
    stage.pass(5 * SECOND);
    assert_eq!(stage.launches().len(), 2, "it has not ended yet");
    stage.exit(1);
    stage.heartbeats.insert(Incarnation(2), HeartbeatResult::Refused);
    let ended = stage.now;
    stage.pass(500 * MS);
    assert_eq!((stage.names().len(), stage.launches().len()), (0, 2));
    stage.pass(2 * SECOND);
    assert_eq!((stage.names().len(), stage.launches().len()), (2, 4));
    let after = ended + SECOND - stage.start;
    assert!(stage.times(is_launch)[2..].iter().all(|at| *at >= after));
}
