//! /rm, and the drain that follows.

use super::*;

fn left(stage: &Stage) -> Vec<u32> {
    match stage.changes().pop() {
        Some(Change::Leave(seats)) => seats.into_iter().map(SeatId::get).collect(),
        other => panic!("{other:?} is no leave"),
    }
}

#[test]
fn named_seats_go_first_then_vacant_then_fewest_in_flight_fewest_slots_highest_number() {
    let mut stage = Stage::ready(7);
    stage.hold = is_launch;
    stage.exit(2);
    let loads = [(1, (0, 9)), (2, (0, 99)), (3, (5, 1)), (4, (0, 8)), (5, (0, 9)), (6, (0, 9)), (7, (9, 9))];
    let loads = Loads::from_iter(loads.map(|(id, load)| (seat(id), load)));
    stage.rm_by(1, 6, &["server7"], loads);
    assert_eq!(left(&stage), [7, 2, 4, 6, 5, 1]);
    assert_eq!(stage.reply(1), Some(Ok(vec!["server3".to_owned()])));
    assert_eq!(stage.fleet.view().target, 1);
}

#[test]
fn a_seat_is_named_vacant_or_not() {
    let mut stage = Stage::ready(4);
    stage.hold = is_launch;
    for dead in [2, 3] {
        stage.exit(dead);
    }
    let seats =
        |n, ids: &[u32]| Removal { n, seats: ids.iter().copied().map(seat).collect(), names: Vec::new() };
    for (call, ids) in [(1, &[9][..]), (2, &[3, 3])] {
        stage.remove(call, seats(2, ids), Loads::new());
        assert_eq!(stage.error(call), CommandError::NoSeat(seat(*ids.last().unwrap())));
    }
    let both = Removal { names: vec![name("server4")], ..seats(2, &[4]) };
    stage.remove(3, both, Loads::new());
    assert_eq!(stage.error(3), CommandError::NoSeat(seat(4)));
    stage.remove(4, seats(1, &[3]), Loads::new());
    assert_eq!(left(&stage), [3]);
    stage.remove(5, seats(2, &[1]), Loads::new());
    assert_eq!(left(&stage), [1, 2]);
    assert_eq!(stage.names(), ["server4"]);
}

#[test]
fn removing_more_than_exist_leaves_an_empty_fleet_that_can_grow() {
    let mut stage = Stage::ready(2);
    stage.rm(1, 9, &[]);
    assert_eq!(stage.reply(1), Some(Ok(Vec::new())));
    assert_eq!(stage.fleet.view().target, 0);
    stage.pass(60 * SECOND);
    assert_eq!(stage.fleet.members.len(), 0);
    stage.add(2, 1, &["A"]);
    stage.pass(SECOND);
    assert_eq!(stage.reply(2), Some(Ok(vec!["A".to_owned()])));
    assert_eq!(stage.seats()[0].0, 1);
}

#[test]
fn strict_rm_rejects_more_than_exist() {
    let mut stage = Stage::new(Settings { replicas: 2, strict_rm: true, ..settings() });
    stage.feed(Event::Listed(Vec::new()));
    stage.pass(SECOND);
    stage.rm(1, 3, &[]);
    assert_eq!(stage.error(1).to_string(), "Cannot remove more instances than are present");
    assert_eq!(stage.names().len(), 2);
    stage.rm(2, 2, &[]);
    assert_eq!(stage.reply(2), Some(Ok(Vec::new())));
}

#[test]
fn rejected_calls_change_nothing() {
    let mut stage = Stage::ready(2);
    stage.rm(1, 2, &["server1", "absent"]);
    assert_eq!(stage.error(1).to_string(), "Hostname 'absent' is not a managed replica");
    stage.rm(2, 2, &["server1", "server1"]);
    assert_eq!(stage.error(2), CommandError::Duplicate(name("server1")));
    assert_eq!(stage.names(), ["server1", "server2"]);
    assert_eq!(stage.stops(), []);
}

#[test]
fn it_is_answered_when_the_seat_has_left_the_ring_and_frees_the_name() {
    let mut stage = Stage::ready(2);
    stage.hold = is_ring;
    stage.rm(1, 1, &["server2"]);
    assert_eq!((stage.reply(1), stage.stops()), (None, Vec::new()));
    assert_eq!(stage.names(), ["server1"]);
    stage.add(2, 1, &["server2"]);
    assert_eq!(stage.error(2), CommandError::Exists(name("server2")));
    stage.busy = vec![(RouterId(0), Incarnation(2))];
    stage.release();
    assert_eq!(stage.reply(1), Some(Ok(vec!["server1".to_owned()])));
    assert_eq!(stage.stops(), []);
    stage.add(3, 1, &["server2"]);
    stage.pass(SECOND);
    assert_eq!(stage.reply(3), Some(Ok(vec!["server1".to_owned(), "server2".to_owned()])));
    assert_eq!(stage.seats()[1], (2, Some((3, Phase::Ready))));
    assert_eq!(stage.fleet.view().others.len(), 1);
}

#[test]
fn a_replica_is_stopped_when_its_last_router_is_idle() {
    let mut stage = Stage::ready(2);
    stage.busy =
        vec![(RouterId(0), Incarnation(2)), (RouterId(1), Incarnation(2)), (RouterId(1), Incarnation(9))];
    stage.rm(1, 1, &["server2"]);
    stage.pass(SECOND);
    stage.feed(Event::Router { router: RouterId(0), event: RouterEvent::Idle(Incarnation(2)) });
    assert_eq!(stage.stops(), []);
    stage.feed(Event::Router { router: RouterId(1), event: RouterEvent::Idle(Incarnation(2)) });
    assert_eq!(stage.stops(), [(2, 10 * SECOND)]);
}

#[test]
fn an_idle_notice_may_overtake_the_rings_answer() {
    let mut stage = Stage::ready(2);
    stage.hold = is_ring;
    stage.rm(1, 1, &["server2"]);
    stage.feed(Event::Router { router: RouterId(0), event: RouterEvent::Idle(Incarnation(2)) });
    assert_eq!(stage.stops(), []);
    stage.busy = vec![(RouterId(0), Incarnation(2))];
    stage.release();
    assert_eq!(stage.stops(), [(2, 10 * SECOND)]);
}

#[test]
fn the_drain_deadline_aborts_requests_in_flight() {
    let mut stage = Stage::ready(2);
    stage.busy = vec![(RouterId(0), Incarnation(2))];
    stage.rm(1, 1, &["server2"]);
    stage.pass(29 * SECOND);
    assert_eq!(stage.stops(), []);
    stage.pass(2 * SECOND);
    assert_eq!(stage.stops(), [(2, 10 * SECOND)]);
    assert_eq!(stage.fleet.members.len(), 1);
}

#[test]
fn a_replica_that_exits_while_leaving_is_not_replaced() {
    let mut stage = Stage::ready(2);
    stage.hold = is_ring;
    stage.rm(1, 1, &["server2"]);
    stage.exit(2);
    stage.busy = vec![(RouterId(0), Incarnation(2))];
    stage.release();
    stage.pass(SECOND);
    assert_eq!((stage.fleet.members.len(), stage.launches().len()), (1, 2));
}

#[test]
fn removing_a_vacant_seat_removes_its_dead_and_its_starting_replica() {
    let mut stage = Stage::ready(2);
    stage.hold = |action| is_launch(action) || is_ring(action);
    stage.exit(2);
    stage.rm(1, 1, &[]);
    assert_eq!(stage.stops(), []);
    stage.release();
    assert_eq!(stage.reply(1), Some(Ok(vec!["server1".to_owned()])));
    let mut stops = stage.stops();
    stops.sort_unstable();
    assert_eq!(stops, [(2, Duration::ZERO), (3, Duration::ZERO)]);
    stage.pass(SECOND);
    assert_eq!(stage.fleet.members.len(), 1);
}
