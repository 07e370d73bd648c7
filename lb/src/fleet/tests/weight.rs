//! Weights of seats.

use super::*;

fn weights(stage: &Stage) -> Vec<u32> {
    stage.fleet.view().seats.iter().map(|seat| seat.weight.get()).collect()
}

#[test]
fn it_is_answered_when_every_router_has_acknowledged() {
    let mut stage = Stage::ready(2);
    stage.hold = is_ring;
    stage.weigh(1, 2, 200);
    assert_eq!((stage.reply(1), weights(&stage)), (None, vec![100, 200]));
    stage.release();
    assert_eq!(stage.reply(1), Some(Ok(vec!["server1".to_owned(), "server2".to_owned()])));
    let weigh = Change::Weigh(vec![(seat(2), Weight::new(200).unwrap())]);
    assert_eq!(stage.changes().last(), Some(&weigh));
    assert_eq!(stage.last_change().1[0].why.as_deref(), Some("weight=200 was=100"));
    let before = stage.changes().len();
    stage.weigh(2, 2, 200);
    assert!(stage.reply(2).unwrap().is_ok());
    assert_eq!(stage.changes().len(), before, "the weight is unchanged");
}

#[test]
fn vacant_and_cordoned_seats_keep_their_weights() {
    let mut stage = Stage::ready(2);
    stage.cordon(1, "server1");
    stage.hold = is_launch;
    stage.exit(2);
    stage.weigh(2, 1, 50);
    stage.weigh(3, 2, 300);
    stage.release();
    stage.pass(SECOND);
    assert_eq!(weights(&stage), [50, 300]);
}

#[test]
fn a_weight_that_does_not_fit_the_layout_changes_nothing() {
    let mut stage = Stage::ready(3);
    stage.weigh(1, 9, 200);
    assert_eq!(stage.error(1).to_string(), "There is no seat 9");
    stage.hold = is_launch;
    stage.add(2, 5, &[]);
    stage.weigh(3, 4, 200);
    assert_eq!(stage.error(3), CommandError::NoSeat(seat(4)), "it has not joined");
    // A weight of 1,000 takes 90 of the 512 slots, the default of 100 takes 9.
    for n in 1..=3 {
        stage.weigh(10 + u64::from(n), n, 1000);
        assert!(stage.reply(10 + u64::from(n)).unwrap().is_ok());
    }
    stage.release();
    stage.pass(SECOND);
    for n in 4..=5 {
        stage.weigh(20 + u64::from(n), n, 1000);
    }
    let full = "6 seats with 540 virtual nodes together do not fit 512 slots";
    stage.weigh(30, 6, 1000);
    let why = stage.error(30).to_string();
    assert!(why.ends_with("virtual nodes together do not fit 512 slots"), "{why} {full}");
    assert_eq!(weights(&stage), [1000, 1000, 1000, 1000, 1000, 100, 100, 100]);
    assert_eq!(stage.fleet.view().target, 8);
}

#[test]
fn an_add_that_would_not_fit_beside_the_weights_is_refused() {
    let mut stage = Stage::new(Settings { max_replicas: 56, replicas: 6, ..settings() });
    stage.feed(Event::Listed(Vec::new()));
    stage.pass(SECOND);
    for n in 1..=5 {
        stage.weigh(n.into(), n, 1000);
    }
    stage.add(9, 6, &[]);
    let full = "12 seats with 513 virtual nodes together do not fit 512 slots";
    assert_eq!(stage.error(9).to_string(), full);
    stage.add(10, 5, &[]);
    stage.pass(SECOND);
    assert_eq!(stage.reply(10).unwrap().unwrap().len(), 11);
}
