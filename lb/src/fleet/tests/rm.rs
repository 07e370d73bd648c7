//! /rm, and the drain that follows.

use super::*;

fn left(scenario: &Scenario) -> Vec<u32> {
    match scenario.changes().pop() {
        Some(Change::Leave(seats)) => seats.into_iter().map(SeatId::get).collect(),
        other => panic!("{other:?} is no leave"),
    }
}

#[test]
fn named_seats_go_first_then_vacant_then_fewest_in_flight_fewest_slots_highest_number() {
    let mut scenario = Scenario::ready(7);
    scenario.hold = is_launch;
    scenario.exit(2);
    let loads = [(1, (0, 9)), (2, (0, 99)), (3, (5, 1)), (4, (0, 8)), (5, (0, 9)), (6, (0, 9)), (7, (9, 9))];
    let loads = Loads::from_iter(loads.map(|(id, load)| (seat(id), load)));
    scenario.rm_by(1, 6, &["server7"], loads);
    assert_eq!(left(&scenario), [7, 2, 4, 6, 5, 1]);
    assert_eq!(scenario.reply(1), Some(Ok(vec!["server3".to_owned()])));
    assert_eq!(scenario.fleet.view().target, 1);
}

#[test]
fn a_seat_is_named_vacant_or_not() {
    let mut scenario = Scenario::ready(4);
    scenario.hold = is_launch;
    for dead in [2, 3] {
        scenario.exit(dead);
    }
    let seats =
        |n, ids: &[u32]| Removal { n, seats: ids.iter().copied().map(seat).collect(), names: Vec::new() };
    for (call, ids) in [(1, &[9][..]), (2, &[3, 3])] {
        scenario.remove(call, seats(2, ids), Loads::new());
        assert_eq!(scenario.error(call), CommandError::NoSeat(seat(*ids.last().unwrap())));
    }
    let both = Removal { names: vec![name("server4")], ..seats(2, &[4]) };
    scenario.remove(3, both, Loads::new());
    assert_eq!(scenario.error(3), CommandError::NoSeat(seat(4)));
    scenario.remove(4, seats(1, &[3]), Loads::new());
    assert_eq!(left(&scenario), [3]);
    scenario.remove(5, seats(2, &[1]), Loads::new());
    assert_eq!(left(&scenario), [1, 2]);
    assert_eq!(scenario.names(), ["server4"]);
}

#[test]
fn removing_more_than_exist_leaves_an_empty_fleet_that_can_grow() {
    let mut scenario = Scenario::ready(2);
    scenario.rm(1, 9, &[]);
    assert_eq!(scenario.reply(1), Some(Ok(Vec::new())));
    assert_eq!(scenario.fleet.view().target, 0);
    scenario.pass(60 * SECOND);
    assert_eq!(scenario.fleet.members.len(), 0);
    scenario.add(2, 1, &["A"]);
    scenario.pass(SECOND);
    assert_eq!(scenario.reply(2), Some(Ok(vec!["A".to_owned()])));
    assert_eq!(scenario.seats()[0].0, 1);
}

#[test]
fn strict_rm_rejects_more_than_exist() {
    let mut scenario = Scenario::new(Settings { replicas: 2, strict_rm: true, ..settings() });
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.pass(SECOND);
    scenario.rm(1, 3, &[]);
    assert_eq!(scenario.error(1).to_string(), "Cannot remove more instances than are present");
    assert_eq!(scenario.names().len(), 2);
    scenario.rm(2, 2, &[]);
    assert_eq!(scenario.reply(2), Some(Ok(Vec::new())));
}

#[test]
fn rejected_calls_change_nothing() {
    let mut scenario = Scenario::ready(2);
    scenario.rm(1, 2, &["server1", "absent"]);
    assert_eq!(scenario.error(1).to_string(), "Hostname 'absent' is not a managed replica");
    scenario.rm(2, 2, &["server1", "server1"]);
    assert_eq!(scenario.error(2), CommandError::Duplicate(name("server1")));
    assert_eq!(scenario.names(), ["server1", "server2"]);
    assert_eq!(scenario.stops(), []);
}

#[test]
fn it_is_answered_when_the_seat_has_left_the_ring_and_frees_the_name() {
    let mut scenario = Scenario::ready(2);
    scenario.hold = is_ring;
    scenario.rm(1, 1, &["server2"]);
    assert_eq!((scenario.reply(1), scenario.stops()), (None, Vec::new()));
    assert_eq!(scenario.names(), ["server1"]);
    scenario.add(2, 1, &["server2"]);
    assert_eq!(scenario.error(2), CommandError::Exists(name("server2")));
    scenario.busy = vec![(RouterId(0), Incarnation(2))];
    scenario.release();
    assert_eq!(scenario.reply(1), Some(Ok(vec!["server1".to_owned()])));
    assert_eq!(scenario.stops(), []);
    scenario.add(3, 1, &["server2"]);
    scenario.pass(SECOND);
    assert_eq!(scenario.reply(3), Some(Ok(vec!["server1".to_owned(), "server2".to_owned()])));
    assert_eq!(scenario.seats()[1], (2, Some((3, Phase::Ready))));
    assert_eq!(scenario.fleet.view().others.len(), 1);
}

#[test]
fn a_replica_is_stopped_when_its_last_router_is_idle() {
    let mut scenario = Scenario::ready(2);
    scenario.busy =
        vec![(RouterId(0), Incarnation(2)), (RouterId(1), Incarnation(2)), (RouterId(1), Incarnation(9))];
    scenario.rm(1, 1, &["server2"]);
    scenario.pass(SECOND);
    scenario.dispatch(Event::Router { router: RouterId(0), event: RouterEvent::Idle(Incarnation(2)) });
    assert_eq!(scenario.stops(), []);
    scenario.dispatch(Event::Router { router: RouterId(1), event: RouterEvent::Idle(Incarnation(2)) });
    assert_eq!(scenario.stops(), [(2, 10 * SECOND)]);
}

#[test]
fn an_idle_notice_may_overtake_the_rings_answer() {
    let mut scenario = Scenario::ready(2);
    scenario.hold = is_ring;
    scenario.rm(1, 1, &["server2"]);
    scenario.dispatch(Event::Router { router: RouterId(0), event: RouterEvent::Idle(Incarnation(2)) });
    assert_eq!(scenario.stops(), []);
    scenario.busy = vec![(RouterId(0), Incarnation(2))];
    scenario.release();
    assert_eq!(scenario.stops(), [(2, 10 * SECOND)]);
}

#[test]
fn the_drain_deadline_aborts_requests_in_flight() {
    let mut scenario = Scenario::ready(2);
    scenario.busy = vec![(RouterId(0), Incarnation(2))];
    scenario.rm(1, 1, &["server2"]);
    scenario.pass(29 * SECOND);
    assert_eq!(scenario.stops(), []);
    scenario.pass(2 * SECOND);
    assert_eq!(scenario.stops(), [(2, 10 * SECOND)]);
    assert_eq!(scenario.fleet.members.len(), 1);
}

#[test]
fn a_replica_that_exits_while_leaving_is_not_replaced() {
    let mut scenario = Scenario::ready(2);
    scenario.hold = is_ring;
    scenario.rm(1, 1, &["server2"]);
    scenario.exit(2);
    scenario.busy = vec![(RouterId(0), Incarnation(2))];
    scenario.release();
    scenario.pass(SECOND);
    assert_eq!((scenario.fleet.members.len(), scenario.launches().len()), (1, 2));
}

#[test]
fn removing_a_vacant_seat_removes_its_dead_and_its_starting_replica() {
    let mut scenario = Scenario::ready(2);
    scenario.hold = |action| is_launch(action) || is_ring(action);
    scenario.exit(2);
    scenario.rm(1, 1, &[]);
    assert_eq!(scenario.stops(), []);
    scenario.release();
    assert_eq!(scenario.reply(1), Some(Ok(vec!["server1".to_owned()])));
    let mut stops = scenario.stops();
    stops.sort_unstable();
    assert_eq!(stops, [(2, Duration::ZERO), (3, Duration::ZERO)]);
    scenario.pass(SECOND);
    assert_eq!(scenario.fleet.members.len(), 1);
}
