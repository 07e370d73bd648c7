//! How fast a seat is refilled.

use super::*;

/// A seat whose replicas exit as soon as they are ready.
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
fn delays_grow_and_never_more_than_five_launches_in_a_minute_and_others_are_untouched() {
    let mut stage = Stage::ready(3);
    crash(&mut stage, 300 * SECOND);
    let mine = stage.launches().into_iter().zip(stage.times(is_launch));
    let mine: Vec<Duration> = mine.filter(|(launch, _)| launch.seat == seat(1)).map(|(_, at)| at).collect();
    let pauses: Vec<u64> = mine.windows(2).map(|two| (two[1] - two[0]).as_secs()).collect();
    assert_eq!(pauses, [0, 0, 1, 2, 60, 60, 60, 60]);
    assert!(mine.windows(6).all(|six| six[5] - six[0] >= 60 * SECOND));
    assert_eq!(stage.launches().len(), 2 + mine.len());
    assert_eq!(stage.names(), ["server2", "server3"]);
    assert!(stage.fleet.members.len() <= 4, "the dead pile up");
}

#[test]
fn an_engine_that_launches_nothing_leaves_nothing_behind() {
    let mut stage = Stage::new(Settings { replicas: 1, ..settings() });
    stage.broken = Some(Error::Refused("no such image".to_owned()));
    stage.feed(Event::Listed(Vec::new()));
    stage.pass(600 * SECOND);
    assert!((13..=15).contains(&stage.launches().len()), "{}", stage.launches().len());
    assert_eq!(stage.fleet.members.len(), 0);
    stage.broken = None;
    stage.pass(61 * SECOND);
    assert_eq!(stage.seats()[0].1.map(|(_, phase)| phase), Some(Phase::Ready));
}

#[test]
fn launches_that_fail_outside_the_replica_are_tried_every_second_and_cause_no_back_off() {
    let mut stage = Stage::ready(1);
    stage.broken = Some(Error::Unavailable("the engine does not answer".to_owned()));
    stage.exit(1);
    stage.pass(50 * SECOND);
    assert!((48..=52).contains(&stage.launches().len()), "{}", stage.launches().len());
    stage.broken = None;
    stage.pass(SECOND + 100 * MS);
    assert!(matches!(stage.seats()[0].1, Some((_, Phase::Ready))));
}

#[test]
fn ten_seconds_in_ready_begin_a_new_count() {
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
fn what_somebody_else_told_to_end_is_replaced_after_a_second_however_it_is_noticed() {
    let mut stage = Stage::ready(2);
    stage.feed(Event::Terminated { incarnation: Incarnation(1) });
    stage.feed(Event::Terminated { incarnation: Incarnation(2) });
    stage.pass(5 * SECOND);
    assert_eq!(stage.launches().len(), 2, "it has not ended yet");
    stage.exit(1);
    stage.beats.insert(Incarnation(2), Beat::Refused);
    let ended = stage.now;
    stage.pass(500 * MS);
    assert_eq!((stage.names().len(), stage.launches().len()), (0, 2));
    stage.pass(2 * SECOND);
    assert_eq!((stage.names().len(), stage.launches().len()), (2, 4));
    let after = ended + SECOND - stage.start;
    assert!(stage.times(is_launch)[2..].iter().all(|at| *at >= after));
}
