//! ManualRollout replacement of adopted replicas with an outdated specification.

use super::*;

/// Seats 1 to 3, adopted as incarnations 1 to 3; the first two are outdated.
fn adopted() -> Stage {
    let mut stage = Stage::new(settings());
    let outdated = |id, called, incarnation| Found {
        standing: Standing::Outdated,
        ..found(id, called, incarnation, true)
    };
    let all = vec![outdated(1, "one", 1), outdated(2, "two", 2), found(3, "three", 3, true)];
    stage.hold = is_launch;
    stage.feed(Event::Listed(all));
    stage.pass(10 * MS);
    stage
}

/// Seats of the launches, in order.
fn launched(stage: &Stage) -> Vec<u32> {
    stage.launches().iter().map(|launch| launch.seat.get()).collect()
}

#[test]
fn outdated_replicas_are_adopted_and_then_replaced_one_by_one() {
    let mut stage = adopted();
    assert_eq!(stage.names(), ["one", "two", "three"]);
    stage.pass(20 * SECOND);
    assert_eq!(launched(&stage), [1]);
    stage.busy = vec![(RouterId(0), Incarnation(1))];
    stage.release();
    stage.pass(SECOND);
    assert_eq!(launched(&stage), [1, 2]);
    let [one, two] = [0, 1].map(|at| stage.launches()[at].name.to_string());
    assert_eq!(stage.names(), [one.as_str(), &two, "three"]);
    assert_eq!(stage.handovers(), [(4, 1), (5, 2)]);
    assert!(!stage.changes().iter().any(|change| matches!(change, Change::Vacate(_))), "nothing is aborted");

    // The first replica still has requests in flight.
    assert_eq!(stage.stops(), [(2, 10 * SECOND)]);
    stage.feed(Event::Router { router: RouterId(0), event: RouterEvent::Idle(Incarnation(1)) });
    assert_eq!(stage.stops(), [(2, 10 * SECOND), (1, 10 * SECOND)]);
    stage.pass(60 * SECOND);
    assert_eq!((launched(&stage).len(), stage.fleet.members.len()), (2, 3));
}

#[test]
fn a_seat_is_listed_without_a_gap() {
    let mut stage = adopted();
    stage.release();
    stage.hold = is_ring;
    stage.pass(SECOND);
    assert_eq!(stage.names().len(), 3);
    assert_ne!(stage.names()[0], "one");
}

#[test]
fn a_successor_that_fails_is_retried_while_the_old_replica_serves() {
    let mut stage = adopted();
    stage.broken = Some(RuntimeError::Refused("no such image".to_owned()));
    stage.release();
    stage.pass(300 * SECOND);
    assert_eq!(stage.names(), ["one", "two", "three"]);
    assert!(launched(&stage).iter().all(|seat| *seat == 1), "one at a time");
    assert!((5..12).contains(&launched(&stage).len()), "{:?}", launched(&stage));
    stage.broken = None;
    stage.pass(120 * SECOND);
    assert!(!stage.names().contains(&"one".to_owned()) && !stage.names().contains(&"two".to_owned()));
}

#[test]
fn if_it_dies_first_its_successor_is_its_replacement() {
    let mut stage = adopted();
    stage.exit(1);
    assert_eq!(launched(&stage), [1]);
    stage.release();
    stage.pass(SECOND);
    assert_eq!(stage.seats()[0], (1, Some((4, Phase::Ready))));
    assert_eq!(launched(&stage), [1, 2]);
}

#[test]
fn a_rollout_waits_until_the_fleet_is_settled() {
    let mut stage = Stage::new(Settings { replicas: 2, ..settings() });
    let one = Found { standing: Standing::Outdated, ..found(1, "one", 1, true) };
    stage.hang(2);
    stage.feed(Event::Listed(vec![one, found(2, "two", 2, true)]));
    stage.pass(10 * SECOND);
    assert_eq!(stage.launches(), []);
    stage.heartbeats.clear();
    stage.pass(SECOND);
    assert_eq!(launched(&stage), [1]);
}

#[test]
fn rm_removes_the_outdated_replica_and_its_successor() {
    let mut stage = adopted();
    stage.rm(1, 1, &["one"]);
    stage.release();
    stage.pass(SECOND);
    assert!(stage.reply(1).unwrap().is_ok());
    assert_eq!(stage.seats().iter().map(|(seat, _)| *seat).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(stage.fleet.members.len(), 2);
}
