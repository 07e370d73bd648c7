//! Adoption of replicas that an earlier balancer left behind.

use super::*;

#[test]
fn running_replicas_are_adopted_in_their_seats_at_their_first_good_heartbeat() {
    let mut scenario = Scenario::new(Settings { replicas: 2, ..settings() });
    scenario.hold = is_ring;
    scenario.dispatch(Event::Listed(vec![found(1, "server1", 4, true), found(3, "S5", 9, true)]));
    let seats = vec![(seat(1), Weight::DEFAULT, None), (seat(3), Weight::DEFAULT, None)];
    assert_eq!(scenario.changes()[0], Change::Join(seats));
    scenario.release();
    scenario.pass(SECOND);
    assert_eq!(scenario.names(), ["server1", "S5"]);
    assert_eq!((scenario.launches(), scenario.fleet.view().target), (Vec::new(), 2));
    scenario.add(1, 1, &[]);
    let launch = &scenario.launches()[0];
    assert_eq!((launch.seat, launch.incarnation), (seat(2), Incarnation(10)));
}

#[test]
fn the_running_replica_of_the_highest_incarnation_is_adopted_and_the_rest_stopped() {
    let mut scenario = Scenario::new(Settings { replicas: 1, ..settings() });
    let all = [(2, "old", 1, true), (2, "new", 3, true), (2, "ended", 5, false), (2, "older", 2, false)];
    scenario.dispatch(Event::Listed(all.map(|(id, name, n, runs)| found(id, name, n, runs)).to_vec()));
    let stopped: BTreeSet<u64> = scenario.stops().into_iter().map(|(incarnation, _)| incarnation).collect();
    assert_eq!(stopped, BTreeSet::from([1, 2, 5]));
    scenario.pass(SECOND);
    assert_eq!(scenario.names(), ["new"]);
    assert_eq!(scenario.launches(), []);
}

#[test]
fn an_ended_replica_stores_the_seat_until_its_replacement_exists() {
    let mut scenario = Scenario::new(Settings { replicas: 2, ..settings() });
    scenario.hold = is_launch;
    let all = [(1, "one", 1, true), (2, "first", 2, false), (2, "last", 3, false)];
    scenario.dispatch(Event::Listed(all.map(|(id, name, n, runs)| found(id, name, n, runs)).to_vec()));
    scenario.pass(SECOND);
    assert_eq!(scenario.stops().iter().map(|(n, _)| *n).collect::<Vec<_>>(), [2]);
    let launch = scenario.launches()[0].clone();
    assert_eq!((launch.seat, launch.incarnation), (seat(2), Incarnation(4)));
    assert!(is_random(&launch.name));
    scenario.release();
    assert_eq!(scenario.stops().last(), Some(&(3, Duration::ZERO)));
    scenario.pass(SECOND);
    assert_eq!(scenario.names(), ["one", launch.name.as_str()]);
}

#[test]
fn an_adopted_replica_that_never_answers_is_replaced() {
    let mut scenario = Scenario::new(Settings { replicas: 1, ..settings() });
    scenario.hang(4);
    scenario.dispatch(Event::Listed(vec![found(1, "server1", 4, true)]));
    scenario.pass(32 * SECOND);
    assert_eq!(scenario.seats(), [(1, Some((5, Phase::Ready)))]);
    assert_eq!(scenario.stops(), [(4, Duration::ZERO)]);
}

#[test]
fn an_adopted_replica_that_is_suspended_is_replaced_after_replace_after() {
    let mut scenario = Scenario::new(Settings { replicas: 3, ..settings() });
    for incarnation in [4, 5] {
        scenario.hang(incarnation);
        scenario.suspended.insert(Incarnation(incarnation));
    }
    scenario.hang(6);
    scenario
        .dispatch(Event::Listed([(1, 4), (2, 5), (3, 6)].map(|(id, n)| found(id, "s", n, true)).to_vec()));
    scenario.suspended.remove(&Incarnation(5));
    scenario.pass(2 * SECOND);
    assert_eq!(scenario.launches(), []);
    scenario.suspended.insert(Incarnation(5));
    scenario.pass(2 * SECOND);
    assert_eq!(scenario.launches().len(), 1, "seat 2 was suspended later, and the third one is not");
    scenario.pass(2 * SECOND);
    assert_eq!(scenario.launches().len(), 2);
    scenario.heartbeats.clear();
    scenario.pass(SECOND);
    assert_eq!(scenario.names().len(), 3);
}

#[test]
fn a_leaving_replica_is_stopped_and_its_seat_does_not_count() {
    let mut scenario = Scenario::new(Settings { replicas: 1, ..settings() });
    let leaving = |id, called, incarnation, runs| Found {
        standing: Standing::Leaving,
        ..found(id, called, incarnation, runs)
    };
    scenario.dispatch(Event::Listed(vec![
        leaving(1, "server1", 8, true),
        found(1, "new", 3, true),
        leaving(2, "server2", 2, true),
        leaving(4, "server4", 4, false),
    ]));
    scenario.pass(SECOND);
    assert_eq!(scenario.names(), ["new"]);
    assert_eq!(scenario.stops().iter().map(|(n, _)| *n).collect::<Vec<_>>(), [8, 2, 4]);
    assert_eq!((scenario.launches(), scenario.fleet.members.len()), (Vec::new(), 1));
}

#[test]
fn if_all_replicas_were_leaving_it_is_a_first_start() {
    let mut scenario = Scenario::new(settings());
    scenario.dispatch(Event::Listed(vec![Found { standing: Standing::Leaving, ..found(2, "old", 7, true) }]));
    scenario.pass(SECOND);
    assert_eq!(scenario.names(), ["server1", "server2", "server3"]);
    assert_eq!(scenario.launches()[0].incarnation, Incarnation(8));
}
