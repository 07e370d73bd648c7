//! Weights of seats.

use super::*;

fn weights(scenario: &Scenario) -> Vec<u32> {
    scenario.fleet.view().seats.iter().map(|seat| seat.weight.get()).collect()
}

#[test]
fn it_is_answered_when_every_router_has_acknowledged() {
    let mut scenario = Scenario::ready(2);
    scenario.hold = is_ring;
    scenario.weigh(1, 2, 200);
    assert_eq!((scenario.reply(1), weights(&scenario)), (None, vec![100, 200]));
    scenario.release();
    assert_eq!(scenario.reply(1), Some(Ok(vec!["server1".to_owned(), "server2".to_owned()])));
    let weigh = Change::Weigh(vec![(seat(2), Weight::new(200).unwrap())]);
    assert_eq!(scenario.changes().last(), Some(&weigh));
    assert_eq!(scenario.last_change().1[0].why.as_deref(), Some("weight=200 was=100"));
    let before = scenario.changes().len();
    scenario.weigh(2, 2, 200);
    assert!(scenario.reply(2).unwrap().is_ok());
    assert_eq!(scenario.changes().len(), before, "the weight is unchanged");
}

#[test]
fn vacant_and_cordoned_seats_keep_their_weights() {
    let mut scenario = Scenario::ready(2);
    scenario.cordon(1, "server1");
    scenario.hold = is_launch;
    scenario.exit(2);
    scenario.weigh(2, 1, 50);
    scenario.weigh(3, 2, 300);
    scenario.release();
    scenario.pass(SECOND);
    assert_eq!(weights(&scenario), [50, 300]);
}

#[test]
fn a_weight_that_does_not_fit_the_layout_changes_nothing() {
    let mut scenario = Scenario::ready(3);
    scenario.weigh(1, 9, 200);
    assert_eq!(scenario.error(1).to_string(), "There is no seat 9");
    scenario.hold = is_launch;
    scenario.add(2, 5, &[]);
    scenario.weigh(3, 4, 200);
    assert_eq!(scenario.error(3), CommandError::NoSeat(seat(4)), "it has not joined");
    // A weight of 1,000 takes 90 of the 512 slots, the default of 100 takes 9.
    for n in 1..=3 {
        scenario.weigh(10 + u64::from(n), n, 1000);
        assert!(scenario.reply(10 + u64::from(n)).unwrap().is_ok());
    }
    scenario.release();
    scenario.pass(SECOND);
    for n in 4..=5 {
        scenario.weigh(20 + u64::from(n), n, 1000);
    }
    let full = "6 seats with 540 virtual nodes together do not fit 512 slots";
    scenario.weigh(30, 6, 1000);
    let why = scenario.error(30).to_string();
    assert!(why.ends_with("virtual nodes together do not fit 512 slots"), "{why} {full}");
    assert_eq!(weights(&scenario), [1000, 1000, 1000, 1000, 1000, 100, 100, 100]);
    assert_eq!(scenario.fleet.view().target, 8);
}

#[test]
fn an_add_that_would_not_fit_beside_the_weights_is_refused() {
    let mut scenario = Scenario::new(Settings { max_replicas: 56, replicas: 6, ..settings() });
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.pass(SECOND);
    for n in 1..=5 {
        scenario.weigh(n.into(), n, 1000);
    }
    scenario.add(9, 6, &[]);
    let full = "12 seats with 513 virtual nodes together do not fit 512 slots";
    assert_eq!(scenario.error(9).to_string(), full);
    scenario.add(10, 5, &[]);
    scenario.pass(SECOND);
    assert_eq!(scenario.reply(10).unwrap().unwrap().len(), 11);
}
