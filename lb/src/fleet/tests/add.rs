//! /add.

use super::*;

#[test]
fn all_join_in_one_epoch_and_then_the_call_is_answered() {
    let mut scenario = Scenario::ready(2);
    scenario.heartbeats.insert(Incarnation(4), HeartbeatResult::Refused);
    scenario.add(1, 3, &["S5", "S 4"]);
    scenario.pass(SECOND);
    assert_eq!(scenario.names(), ["server1", "server2"]);
    assert_eq!(scenario.fleet.view().target, 2);
    scenario.heartbeats.clear();
    scenario.hold = is_ring;
    scenario.pass(SECOND);
    let Some(Change::Join(joined)) = scenario.changes().pop() else { panic!("no join") };
    assert_eq!(joined.iter().map(|(id, ..)| id.get()).collect::<Vec<_>>(), [3, 4, 5]);
    assert!(joined.iter().all(|(id, _, of)| of.as_ref().is_some_and(|of| of.seat == *id)));
    assert_eq!(scenario.reply(1), None);
    scenario.release();
    let random = scenario.launches()[4].name.clone();
    assert!(is_random(&random));
    let all = ["server1", "server2", "S5", "S 4", random.as_str()].map(str::to_owned);
    assert_eq!(scenario.reply(1), Some(Ok(all.to_vec())));
    assert_eq!(scenario.names(), all);
}

#[test]
fn names_and_seats_are_reserved_when_the_call_is_accepted() {
    let mut scenario = Scenario::ready(2);
    scenario.hold = is_launch;
    scenario.add(1, 1, &["S5"]);
    scenario.add(2, 1, &["S5"]);
    assert_eq!(scenario.error(2), CommandError::Exists(name("S5")));
    scenario.add(3, 1, &[]);
    assert_eq!(scenario.launches().iter().map(|launch| launch.seat.get()).collect::<Vec<_>>(), [1, 2, 3, 4]);
    scenario.rm(4, 1, &["S5"]);
    assert_eq!(scenario.error(4), CommandError::Unknown(name("S5")));
    scenario.release();
    scenario.pass(SECOND);
    assert_eq!(scenario.reply(1).unwrap().unwrap().len(), 3);
    assert_eq!(scenario.reply(3).unwrap().unwrap().len(), 4);
}

/// Neither the ring nor the target has changed, and every name and seat is free.
fn assert_nothing_changed(scenario: &mut Scenario) {
    assert_eq!(scenario.fleet.view().target, 2);
    assert_eq!(scenario.names(), ["server1", "server2"]);
    scenario.pass(SECOND);
    assert_eq!((scenario.fleet.members.len(), scenario.fleet.seats.len()), (2, 2));
    scenario.broken = None;
    scenario.heartbeats.clear();
    scenario.add(99, 2, &["A", "B"]);
    scenario.pass(SECOND);
    assert_eq!(scenario.reply(99).unwrap().unwrap(), ["server1", "server2", "A", "B"]);
}

fn not_ready(name: &str, reason: &str) -> CommandError {
    CommandError::NotReady { name: self::name(name), reason: reason.to_owned() }
}

#[test]
fn it_is_rolled_back_when_a_launch_fails() {
    let mut scenario = Scenario::ready(2);
    scenario.broken = Some(RuntimeError::Refused("no such image".to_owned()));
    scenario.add(1, 2, &["A", "B"]);
    assert_eq!(scenario.error(1), not_ready("A", "no such image"));
    assert_nothing_changed(&mut scenario);
}

#[test]
fn it_is_rolled_back_when_an_unmanaged_container_has_the_name() {
    let mut scenario = Scenario::ready(2);
    scenario.hold = is_launch;
    scenario.add(1, 2, &["A", "B"]);
    let result = Err(RuntimeError::NameTaken(name("B")));
    scenario.dispatch(Event::Launched { incarnation: Incarnation(4), result });
    assert_eq!(scenario.error(1), CommandError::Exists(name("B")));
    scenario.release();
    assert_nothing_changed(&mut scenario);
}

#[test]
fn it_is_rolled_back_when_one_replica_exits_while_another_starts() {
    let mut scenario = Scenario::ready(2);
    scenario.heartbeats.insert(Incarnation(4), HeartbeatResult::Refused);
    scenario.add(1, 2, &["A", "B"]);
    scenario.pass(SECOND);
    scenario.exit(4);
    assert_eq!(scenario.error(1), not_ready("B", "exit status: 1"));
    assert_eq!(scenario.stops(), [(3, 10 * SECOND), (4, Duration::ZERO)]);
    assert_nothing_changed(&mut scenario);
}

#[test]
fn it_is_rolled_back_when_a_good_replica_exits_before_the_others_are_good() {
    let mut scenario = Scenario::ready(2);
    scenario.heartbeats.insert(Incarnation(4), HeartbeatResult::Refused);
    scenario.add(1, 2, &["A", "B"]);
    scenario.pass(SECOND);
    scenario.exit(3);
    assert_eq!(scenario.error(1), not_ready("A", "exit status: 1"));
    assert_nothing_changed(&mut scenario);
}

#[test]
fn it_is_rolled_back_at_the_start_timeout_with_the_reason() {
    let mut scenario = Scenario::ready(2);
    scenario.heartbeats.insert(Incarnation(3), HeartbeatResult::Missed("status 500".to_owned()));
    scenario.add(1, 2, &["A", "B"]);
    scenario.pass(29 * SECOND);
    assert_eq!(scenario.reply(1), None);
    scenario.pass(2 * SECOND);
    assert_eq!(
        scenario.error(1),
        not_ready("A", "not ready within 30s: status 500; its last line: still thinking")
    );
    assert_nothing_changed(&mut scenario);
}

#[test]
fn a_pending_launch_is_stopped_when_the_engine_answers_after_a_rollback() {
    let mut scenario = Scenario::ready(2);
    scenario.hold = is_launch;
    scenario.add(1, 2, &["A", "B"]);
    scenario.dispatch(Event::Launched {
        incarnation: Incarnation(3),
        result: Err(RuntimeError::Refused("no".into())),
    });
    assert_eq!(scenario.error(1), not_ready("A", "no"));
    assert_eq!(scenario.stops(), []);
    scenario.held.remove(0);
    scenario.release();
    assert_eq!(scenario.stops(), [(4, Duration::ZERO)]);
    assert_nothing_changed(&mut scenario);
}

#[test]
fn a_taken_port_is_retried_a_limited_number_of_times() {
    let mut scenario = Scenario::ready(2);
    scenario.heartbeats.extend((3..=7).map(|n| (Incarnation(n), HeartbeatResult::Refused)));
    scenario.add(1, 1, &["A"]);
    for incarnation in 3..=6 {
        scenario.dispatch(Event::Runtime(RuntimeEvent::Exited {
            incarnation: Incarnation(incarnation),
            exit: Exit::PortTaken,
        }));
        assert_eq!(scenario.reply(1), None);
        assert_eq!(scenario.launches().last().unwrap().name, name("A"));
    }
    scenario.dispatch(Event::Runtime(RuntimeEvent::Exited {
        incarnation: Incarnation(7),
        exit: Exit::PortTaken,
    }));
    assert_eq!(scenario.error(1), not_ready("A", "its port is taken again and again"));
    assert_nothing_changed(&mut scenario);
}

#[test]
fn a_death_after_the_join_does_not_fail_the_call() {
    let mut scenario = Scenario::ready(1);
    scenario.hold = is_ring;
    scenario.add(1, 1, &["A"]);
    scenario.pass(SECOND);
    scenario.exit(2);
    scenario.release();
    assert_eq!(scenario.reply(1), Some(Ok(vec!["server1".to_owned()])));
    scenario.pass(SECOND);
    assert_eq!(scenario.seats(), [(1, Some((1, Phase::Ready))), (2, Some((3, Phase::Ready)))]);
}

#[test]
fn invalid_calls_are_rejected() {
    let mut scenario = Scenario::ready(2);
    scenario.add(1, 2, &["A", "A"]);
    assert_eq!(scenario.error(1).to_string(), "Duplicate hostname 'A'");
    scenario.add(2, 2, &["a b", "a_b"]);
    assert_eq!(scenario.error(2), CommandError::Duplicate(name("a_b")));
    scenario.add(3, 1, &["server2"]);
    assert_eq!(scenario.error(3).to_string(), "Hostname 'server2' already exists");
    scenario.add(4, 7, &[]);
    assert_eq!(scenario.error(4), CommandError::TooMany { n: 7, free: 6, max: 8 });
    assert_eq!(scenario.launches().len(), 2);
    scenario.add(5, 6, &[]);
    scenario.pass(SECOND);
    assert!(scenario.reply(5).unwrap().is_ok());
}

#[test]
fn the_name_of_a_dead_replica_is_taken_while_it_stores_the_seat() {
    let mut scenario = Scenario::ready(2);
    scenario.hold = is_launch;
    scenario.exit(1);
    scenario.add(1, 1, &["server1"]);
    assert_eq!(scenario.error(1), CommandError::Exists(name("server1")));
    scenario.release();
    scenario.add(2, 1, &["server1"]);
    scenario.pass(SECOND);
    assert!(scenario.reply(2).unwrap().unwrap().contains(&"server1".to_owned()));
}
