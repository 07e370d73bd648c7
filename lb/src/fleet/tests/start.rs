//! From the first start to readiness.

use super::*;

#[test]
fn a_first_start_seats_all_vacant_in_one_epoch_and_launches_all_at_once() {
    let mut scenario = Scenario::new(settings());
    scenario.hold = |_| true;
    scenario.dispatch(Event::Listed(Vec::new()));
    let seats = (1..=3).map(|id| (seat(id), Weight::DEFAULT, None)).collect();
    assert_eq!(scenario.changes(), [Change::Join(seats)]);
    let launched: Vec<_> =
        scenario.launches().iter().map(|l| (l.seat.get(), l.name.to_string(), l.incarnation.0)).collect();
    let server = |n: u32| (n, format!("server{n}"), u64::from(n));
    assert_eq!(launched, [server(1), server(2), server(3)]);
    assert_eq!(scenario.names(), [""; 0]);
    assert_eq!(scenario.fleet.view().target, 3);
}

#[test]
fn a_replica_is_listed_when_the_ring_has_answered_its_first_good_heartbeat() {
    let mut scenario = Scenario::new(Settings { replicas: 1, ..settings() });
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.hold = is_ring;
    scenario.pass(10 * MS);
    let replica = Replica {
        seat: seat(1),
        name: name("server1"),
        incarnation: Incarnation(1),
        address: instance(1).address,
    };
    assert_eq!(scenario.changes().last(), Some(&Change::Occupy(replica.into())));
    assert_eq!(scenario.names(), [""; 0]);
    scenario.release();
    assert_eq!(scenario.names(), ["server1"]);
}

#[test]
fn heartbeats_begin_at_5_ms_and_double_up_to_the_interval() {
    let mut scenario = Scenario::new(Settings { replicas: 1, ..settings() });
    scenario.heartbeats.insert(Incarnation(1), HeartbeatResult::Refused);
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.pass(3 * SECOND);
    let heartbeats = scenario.times(|action| matches!(action, Action::Heartbeat(_)));
    let pauses: Vec<u128> = heartbeats.windows(2).map(|two| (two[1] - two[0]).as_millis()).collect();
    assert_eq!(heartbeats[0], 5 * MS);
    assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 500, 500, 500, 500]);
    assert_eq!(scenario.seats(), [(1, Some((1, Phase::Starting)))]);
}

#[test]
fn a_start_takes_from_the_launch_to_the_first_good_heartbeat() {
    let mut scenario = Scenario::new(Settings { replicas: 1, ..settings() });
    scenario.heartbeats.insert(Incarnation(1), HeartbeatResult::Refused);
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.pass(2 * SECOND);
    assert_eq!(scenario.fleet.start_duration(), None);
    scenario.heartbeats.clear();
    scenario.pass(SECOND);
    let took = scenario.fleet.start_duration().unwrap();
    assert!((2 * SECOND..3 * SECOND).contains(&took), "{took:?}");
}

#[test]
fn serving_is_announced_once_when_the_whole_target_is_ready() {
    let mut scenario = Scenario::new(settings());
    let serving = |scenario: &Scenario| scenario.times(|action| *action == Action::Serving).len();
    scenario.heartbeats.insert(Incarnation(3), HeartbeatResult::Refused);
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.pass(SECOND);
    assert_eq!((scenario.names().len(), serving(&scenario)), (2, 0));
    scenario.heartbeats.clear();
    scenario.pass(SECOND);
    assert_eq!(serving(&scenario), 1);
    scenario.exit(1);
    scenario.pass(SECOND);
    assert_eq!((scenario.names().len(), serving(&scenario)), (3, 1));
}

#[test]
fn a_replica_that_is_not_ready_in_time_is_removed_when_its_successor_exists() {
    let mut scenario = Scenario::new(Settings { replicas: 1, ..settings() });
    scenario.heartbeats.insert(Incarnation(1), HeartbeatResult::Refused);
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.hold = is_launch;
    scenario.pass(31 * SECOND);
    assert_eq!(scenario.launches().len(), 2);
    assert_eq!(scenario.stops(), []);
    scenario.release();
    scenario.pass(SECOND);
    assert_eq!(scenario.stops(), [(1, Duration::ZERO)]);
    assert_eq!(scenario.seats(), [(1, Some((2, Phase::Ready)))]);
}

#[test]
fn an_exit_that_overtakes_the_answer_to_its_launch_is_one_crash() {
    let mut scenario = Scenario::new(Settings { replicas: 1, ..settings() });
    scenario.hold = is_launch;
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.exit(1);
    assert_eq!(scenario.launches().len(), 2);
    scenario.dispatch(Event::Launched {
        incarnation: Incarnation(1),
        result: Err(RuntimeError::Refused("gone".into())),
    });
    assert_eq!(scenario.launches().len(), 2);
    scenario.held.remove(0);
    scenario.release();
    scenario.pass(SECOND);
    assert_eq!(scenario.seats(), [(1, Some((2, Phase::Ready)))]);
}

#[test]
fn a_taken_port_is_no_crash_and_keeps_the_name() {
    let mut scenario = Scenario::new(Settings { replicas: 1, ..settings() });
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.dispatch(Event::Runtime(RuntimeEvent::Exited {
        incarnation: Incarnation(1),
        exit: Exit::PortTaken,
    }));
    scenario.pass(SECOND);
    assert_eq!(scenario.names(), ["server1"]);
    for incarnation in 2..=4 {
        scenario.exit(incarnation);
        scenario.pass(1100 * MS);
    }
    // The third crash waits a second; if the taken port counted, it would be the fourth, and wait two.
    assert_eq!(scenario.seats(), [(1, Some((5, Phase::Ready)))]);
}

#[test]
fn a_process_that_took_the_port_may_answer_the_heartbeat() {
    let mut scenario = Scenario::new(Settings { replicas: 1, ..settings() });
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.hold = is_ring;
    scenario.pass(5 * MS);
    scenario.dispatch(Event::Runtime(RuntimeEvent::Exited {
        incarnation: Incarnation(1),
        exit: Exit::PortTaken,
    }));
    assert_eq!(scenario.changes().last(), Some(&Change::Vacate(seat(1))));
    scenario.release();
    scenario.pass(SECOND);
    assert_eq!(scenario.names(), ["server1"]);
    assert_eq!(scenario.seats(), [(1, Some((2, Phase::Ready)))]);
}
