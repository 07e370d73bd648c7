//! From the first start to readiness.

use super::*;

#[test]
fn a_first_start_seats_all_vacant_in_one_epoch_and_launches_all_at_once() {
    let mut stage = Stage::new(settings());
    stage.hold = |_| true;
    stage.feed(Event::Listed(Vec::new()));
    let seats = (1..=3).map(|id| (seat(id), Weight::DEFAULT, None)).collect();
    assert_eq!(stage.changes(), [Change::Join(seats)]);
    let launched: Vec<_> =
        stage.launches().iter().map(|l| (l.seat.get(), l.name.to_string(), l.incarnation.0)).collect();
    let server = |n: u32| (n, format!("server{n}"), u64::from(n));
    assert_eq!(launched, [server(1), server(2), server(3)]);
    assert_eq!(stage.names(), [""; 0]);
    assert_eq!(stage.fleet.view().target, 3);
}

#[test]
fn a_replica_is_listed_when_the_ring_has_answered_its_first_good_heartbeat() {
    let mut stage = Stage::new(Settings { replicas: 1, ..settings() });
    stage.feed(Event::Listed(Vec::new()));
    stage.hold = is_ring;
    stage.pass(10 * MS);
    let replica = Replica {
        seat: seat(1),
        name: name("server1"),
        incarnation: Incarnation(1),
        address: instance(1).address,
    };
    assert_eq!(stage.changes().last(), Some(&Change::Occupy(replica.into())));
    assert_eq!(stage.names(), [""; 0]);
    stage.release();
    assert_eq!(stage.names(), ["server1"]);
}

#[test]
fn heartbeats_begin_at_5_ms_and_double_up_to_the_interval() {
    let mut stage = Stage::new(Settings { replicas: 1, ..settings() });
    stage.heartbeats.insert(Incarnation(1), HeartbeatResult::Refused);
    stage.feed(Event::Listed(Vec::new()));
    stage.pass(3 * SECOND);
    let heartbeats = stage.times(|action| matches!(action, Action::Heartbeat(_)));
    let pauses: Vec<u128> = heartbeats.windows(2).map(|two| (two[1] - two[0]).as_millis()).collect();
    assert_eq!(heartbeats[0], 5 * MS);
    assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 500, 500, 500, 500]);
    assert_eq!(stage.seats(), [(1, Some((1, Phase::Starting)))]);
}

#[test]
fn a_start_takes_from_the_launch_to_the_first_good_heartbeat() {
    let mut stage = Stage::new(Settings { replicas: 1, ..settings() });
    stage.heartbeats.insert(Incarnation(1), HeartbeatResult::Refused);
    stage.feed(Event::Listed(Vec::new()));
    stage.pass(2 * SECOND);
    assert_eq!(stage.fleet.start_time(), None);
    stage.heartbeats.clear();
    stage.pass(SECOND);
    let took = stage.fleet.start_time().unwrap();
    assert!((2 * SECOND..3 * SECOND).contains(&took), "{took:?}");
}

#[test]
fn serving_is_announced_once_when_the_whole_target_is_ready() {
    let mut stage = Stage::new(settings());
    let serving = |stage: &Stage| stage.times(|action| *action == Action::Serving).len();
    stage.heartbeats.insert(Incarnation(3), HeartbeatResult::Refused);
    stage.feed(Event::Listed(Vec::new()));
    stage.pass(SECOND);
    assert_eq!((stage.names().len(), serving(&stage)), (2, 0));
    stage.heartbeats.clear();
    stage.pass(SECOND);
    assert_eq!(serving(&stage), 1);
    stage.exit(1);
    stage.pass(SECOND);
    assert_eq!((stage.names().len(), serving(&stage)), (3, 1));
}

#[test]
fn a_replica_that_is_not_ready_in_time_is_removed_when_its_successor_exists() {
    let mut stage = Stage::new(Settings { replicas: 1, ..settings() });
    stage.heartbeats.insert(Incarnation(1), HeartbeatResult::Refused);
    stage.feed(Event::Listed(Vec::new()));
    stage.hold = is_launch;
    stage.pass(31 * SECOND);
    assert_eq!(stage.launches().len(), 2);
    assert_eq!(stage.stops(), []);
    stage.release();
    stage.pass(SECOND);
    assert_eq!(stage.stops(), [(1, Duration::ZERO)]);
    assert_eq!(stage.seats(), [(1, Some((2, Phase::Ready)))]);
}

#[test]
fn an_exit_that_overtakes_the_answer_to_its_launch_is_one_crash() {
    let mut stage = Stage::new(Settings { replicas: 1, ..settings() });
    stage.hold = is_launch;
    stage.feed(Event::Listed(Vec::new()));
    stage.exit(1);
    assert_eq!(stage.launches().len(), 2);
    stage.feed(Event::Launched {
        incarnation: Incarnation(1),
        result: Err(RuntimeError::Refused("gone".into())),
    });
    assert_eq!(stage.launches().len(), 2);
    stage.held.remove(0);
    stage.release();
    stage.pass(SECOND);
    assert_eq!(stage.seats(), [(1, Some((2, Phase::Ready)))]);
}

#[test]
fn a_taken_port_is_no_crash_and_keeps_the_name() {
    let mut stage = Stage::new(Settings { replicas: 1, ..settings() });
    stage.feed(Event::Listed(Vec::new()));
    stage.feed(Event::Runtime(RuntimeEvent::Exited { incarnation: Incarnation(1), exit: Exit::PortTaken }));
    stage.pass(SECOND);
    assert_eq!(stage.names(), ["server1"]);
    for incarnation in 2..=4 {
        stage.exit(incarnation);
        stage.pass(1100 * MS);
    }
    // The third crash waits a second; if the taken port counted, it would be the fourth, and wait two.
    assert_eq!(stage.seats(), [(1, Some((5, Phase::Ready)))]);
}

#[test]
fn a_process_that_took_the_port_may_answer_the_heartbeat() {
    let mut stage = Stage::new(Settings { replicas: 1, ..settings() });
    stage.feed(Event::Listed(Vec::new()));
    stage.hold = is_ring;
    stage.pass(5 * MS);
    stage.feed(Event::Runtime(RuntimeEvent::Exited { incarnation: Incarnation(1), exit: Exit::PortTaken }));
    assert_eq!(stage.changes().last(), Some(&Change::Vacate(seat(1))));
    stage.release();
    stage.pass(SECOND);
    assert_eq!(stage.names(), ["server1"]);
    assert_eq!(stage.seats(), [(1, Some((2, Phase::Ready)))]);
}
