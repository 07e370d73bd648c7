//! ManualRollout replacement of adopted replicas with an outdated specification.

use super::*;

/// Seats 1 to 3, adopted as incarnations 1 to 3; the first two are outdated.
fn adopted() -> Scenario {
    let mut scenario = Scenario::new(settings());
    let outdated = |id, called, incarnation| Found {
        standing: Standing::Outdated,
        ..found(id, called, incarnation, true)
    };
    let all = vec![outdated(1, "one", 1), outdated(2, "two", 2), found(3, "three", 3, true)];
    scenario.hold = is_launch;
    scenario.dispatch(Event::Listed(all));
    scenario.pass(10 * MS);
    scenario
}

/// Seats of the launches, in order.
fn launched(scenario: &Scenario) -> Vec<u32> {
    scenario.launches().iter().map(|launch| launch.seat.get()).collect()
}

#[test]
fn outdated_replicas_are_adopted_and_then_replaced_one_by_one() {
    let mut scenario = adopted();
    assert_eq!(scenario.names(), ["one", "two", "three"]);
    scenario.pass(20 * SECOND);
    assert_eq!(launched(&scenario), [1]);
    scenario.busy = vec![(RouterId(0), Incarnation(1))];
    scenario.release();
    scenario.pass(SECOND);
    assert_eq!(launched(&scenario), [1, 2]);
    let [one, two] = [0, 1].map(|at| scenario.launches()[at].name.to_string());
    assert_eq!(scenario.names(), [one.as_str(), &two, "three"]);
    assert_eq!(scenario.handovers(), [(4, 1), (5, 2)]);
    assert!(
        !scenario.changes().iter().any(|change| matches!(change, Change::Vacate(_))),
        "nothing is aborted"
    );

    // The first replica still has requests in flight.
    assert_eq!(scenario.stops(), [(2, 10 * SECOND)]);
    scenario.dispatch(Event::Router { router: RouterId(0), event: RouterEvent::Idle(Incarnation(1)) });
    assert_eq!(scenario.stops(), [(2, 10 * SECOND), (1, 10 * SECOND)]);
    scenario.pass(60 * SECOND);
    assert_eq!((launched(&scenario).len(), scenario.fleet.members.len()), (2, 3));
}

#[test]
fn a_seat_is_listed_without_a_gap() {
    let mut scenario = adopted();
    scenario.release();
    scenario.hold = is_ring;
    scenario.pass(SECOND);
    assert_eq!(scenario.names().len(), 3);
    assert_ne!(scenario.names()[0], "one");
}

#[test]
fn a_successor_that_fails_is_retried_while_the_old_replica_serves() {
    let mut scenario = adopted();
    scenario.broken = Some(RuntimeError::Refused("no such image".to_owned()));
    scenario.release();
    scenario.pass(300 * SECOND);
    assert_eq!(scenario.names(), ["one", "two", "three"]);
    assert!(launched(&scenario).iter().all(|seat| *seat == 1), "one at a time");
    assert!((5..12).contains(&launched(&scenario).len()), "{:?}", launched(&scenario));
    scenario.broken = None;
    scenario.pass(120 * SECOND);
    assert!(!scenario.names().contains(&"one".to_owned()) && !scenario.names().contains(&"two".to_owned()));
}

#[test]
fn if_it_dies_first_its_successor_is_its_replacement() {
    let mut scenario = adopted();
    scenario.exit(1);
    assert_eq!(launched(&scenario), [1]);
    scenario.release();
    scenario.pass(SECOND);
    assert_eq!(scenario.seats()[0], (1, Some((4, Phase::Ready))));
    assert_eq!(launched(&scenario), [1, 2]);
}

#[test]
fn a_rollout_waits_until_the_fleet_is_settled() {
    let mut scenario = Scenario::new(Settings { replicas: 2, ..settings() });
    let one = Found { standing: Standing::Outdated, ..found(1, "one", 1, true) };
    scenario.hang(2);
    scenario.dispatch(Event::Listed(vec![one, found(2, "two", 2, true)]));
    scenario.pass(10 * SECOND);
    assert_eq!(scenario.launches(), []);
    scenario.heartbeats.clear();
    scenario.pass(SECOND);
    assert_eq!(launched(&scenario), [1]);
}

#[test]
fn rm_removes_the_outdated_replica_and_its_successor() {
    let mut scenario = adopted();
    scenario.rm(1, 1, &["one"]);
    scenario.release();
    scenario.pass(SECOND);
    assert!(scenario.reply(1).unwrap().is_ok());
    assert_eq!(scenario.seats().iter().map(|(seat, _)| *seat).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(scenario.fleet.members.len(), 2);
}
