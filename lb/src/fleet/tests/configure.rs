//! Live changes of settings, weights and the target.

use super::*;
use crate::ring::Proposal;

fn weights<const N: usize>(weights: [(u32, u32); N]) -> BTreeMap<SeatId, Weight> {
    weights.map(|(id, weight)| (seat(id), Weight::new(weight).unwrap())).into()
}

/// The weights of the seats that join by the n-th change of the ring.
fn joined(stage: &Stage, n: usize) -> Vec<(u32, u32)> {
    let Change::Join(joined) = &stage.changes()[n] else { panic!("no join") };
    joined.iter().map(|(id, weight, _)| (id.get(), weight.get())).collect()
}

#[test]
fn seats_join_with_their_weights() {
    let settings = Settings { weights: weights([(2, 50), (5, 300)]), ..settings() };
    let mut stage = Stage::new(settings.clone());
    stage.feed(Event::Listed(Vec::new()));
    assert_eq!(joined(&stage, 0), [(1, 100), (2, 50), (3, 100)]);
    stage.pass(SECOND);
    stage.add(1, 2, &[]);
    stage.pass(SECOND);
    assert_eq!(joined(&stage, stage.changes().len() - 1), [(4, 100), (5, 300)]);
    assert_eq!(stage.fleet.view().seats[4].weight.get(), 300);

    let mut stage = Stage::new(Settings { replicas: 2, ..settings });
    stage.feed(Event::Listed(vec![found(1, "a", 1, true), found(5, "b", 2, false)]));
    assert_eq!(joined(&stage, 0), [(1, 100), (5, 300)]);
}

#[test]
fn new_settings_apply_to_what_begins_after_the_change() {
    let mut stage = Stage::ready(3);
    stage.hold = |action| matches!(action, Action::Ring { change: Change::Leave(_), .. });
    stage.rm(1, 1, &["server3"]);
    let drain = |drain| Event::Configure(Settings { drain, stop_timeout: SECOND, ..settings() });
    stage.feed(drain(5 * SECOND));
    stage.busy = vec![(RouterId(1), Incarnation(3)), (RouterId(1), Incarnation(2))];
    stage.hold = |_| false;
    stage.release();
    stage.feed(drain(60 * SECOND));
    stage.pass(4 * SECOND);
    assert_eq!(stage.stops(), []);
    stage.pass(2 * SECOND);
    assert_eq!(stage.stops(), [(3, SECOND)], "its drain began under the five seconds");
    stage.rm(2, 1, &["server2"]);
    stage.pass(50 * SECOND);
    assert_eq!(stage.stops().len(), 1);
    stage.pass(11 * SECOND);
    assert_eq!(stage.stops().len(), 2);
}

#[test]
fn a_shorter_interval_applies_before_the_longer_one_has_passed() {
    let mut stage = Stage::new(Settings { heartbeat_interval: 600 * SECOND, ..settings() });
    stage.feed(Event::Listed(Vec::new()));
    stage.pass(SECOND);
    let heartbeats = |stage: &Stage| stage.times(|action| matches!(action, Action::Heartbeat(_))).len();
    let before = heartbeats(&stage);
    stage.feed(Event::Configure(Settings { heartbeat_interval: 100 * MS, ..settings() }));
    stage.pass(SECOND);
    assert!(heartbeats(&stage) >= before + 3 * 9, "{before} {}", heartbeats(&stage));
    assert_eq!(stage.names().len(), 3);
}

#[test]
fn a_new_target_adds_or_removes_seats() {
    let mut stage = Stage::ready(3);
    stage.call(1, Command::Scale(5));
    assert_eq!(stage.reply(1), None, "unanswered before the new replicas are ready");
    stage.call(2, Command::Scale(5));
    assert_eq!(stage.reply(2).unwrap().unwrap().len(), 3, "two are starting");
    stage.pass(SECOND);
    assert_eq!(stage.reply(1).unwrap().unwrap().len(), 5);
    stage.call(3, Command::Scale(1));
    assert_eq!(stage.reply(3).unwrap().unwrap(), ["server1"]);
    stage.call(4, Command::Scale(9));
    assert_eq!(stage.error(4), CommandError::TooMany { n: 8, free: 7, max: 8 });
    stage.call(5, Command::Scale(0));
    assert_eq!(stage.reply(5).unwrap().unwrap(), Vec::<String>::new());
    stage.call(6, Command::Scale(0));
    assert_eq!(stage.reply(6).unwrap().unwrap(), Vec::<String>::new());
}

#[test]
fn the_plan_of_a_command_names_the_seats_that_it_would_change() {
    let mut stage = Stage::ready(3);
    let plan = |stage: &Stage, command| {
        let Proposal { join, leave, weights } = stage.fleet.proposal(&command, &Loads::new()).unwrap();
        let seats = [&join, &weights].map(|seats| seats.iter().map(|(seat, _)| seat.get()).collect());
        (seats, leave.into_iter().map(SeatId::get).collect())
    };
    let seats =
        |join: &[u32], weigh: &[u32], leave: &[u32]| ([join.to_vec(), weigh.to_vec()], leave.to_vec());
    assert_eq!(plan(&stage, Command::Scale(5)), seats(&[4, 5], &[], &[]));
    assert_eq!(plan(&stage, Command::Scale(1)), seats(&[], &[], &[3, 2]));
    assert_eq!(plan(&stage, Command::Scale(3)), seats(&[], &[], &[]));
    assert_eq!(plan(&stage, Command::Add { n: 1, names: vec![] }), seats(&[4], &[], &[]));
    assert_eq!(plan(&stage, Command::Weigh(vec![(seat(2), Weight::DEFAULT)])), seats(&[], &[2], &[]));
    assert_eq!(plan(&stage, Command::Cordon(name("server1"))), seats(&[], &[], &[]));
    let unknown = Command::Weigh(vec![(seat(4), Weight::DEFAULT)]);
    assert_eq!(stage.fleet.proposal(&unknown, &Loads::new()), Err(CommandError::NoSeat(seat(4))));
    stage.feed(Event::Close);
    assert_eq!(stage.fleet.proposal(&Command::Scale(5), &Loads::new()), Err(CommandError::Stopping));
}

#[test]
fn changed_configured_weights_are_applied_to_the_seats() {
    let weighed = |stage: &Stage| {
        let of = |change: Change| match change {
            Change::Weigh(weights) => weights,
            _ => Vec::new(),
        };
        let weighed = stage.changes().into_iter().flat_map(of);
        weighed.map(|(seat, weight)| (seat.get(), weight.get())).collect::<Vec<_>>()
    };
    let say = |stage: &mut Stage, weights| {
        stage.feed(Event::Configure(Settings { weights, ..settings() }));
        let seats = stage.fleet.view().seats;
        seats.iter().map(|seat| seat.weight.get()).collect::<Vec<_>>()
    };
    let mut stage = Stage::ready(3);
    stage.weigh(1, 3, 300);
    assert_eq!(
        say(&mut stage, weights([(1, 200), (5, 7)])),
        [200, 100, 300],
        "the weight set by the API stays"
    );
    assert_eq!(weighed(&stage), [(3, 300), (1, 200)]);
    assert_eq!(say(&mut stage, weights([(1, 200), (3, 300)])), [200, 100, 300]);
    assert_eq!(weighed(&stage).len(), 2, "the weight is unchanged");
    assert_eq!(say(&mut stage, weights([(2, 50)])), [100, 50, 100]);
    assert_eq!(weighed(&stage)[2..], [(1, 100), (2, 50), (3, 100)]);

    stage.hold = is_launch;
    stage.add(2, 1, &[]);
    say(&mut stage, weights([(2, 50), (4, 20)]));
    stage.release();
    stage.pass(SECOND);
    assert_eq!(
        joined(&stage, stage.changes().len() - 1),
        [(4, 20)],
        "it joins with the weight configured by then"
    );
}

#[test]
fn a_weight_that_does_not_fit_the_layout_is_skipped() {
    let mut stage = Stage::ready(3);
    for (call, seat) in [(1, 1), (2, 2), (3, 3)] {
        stage.weigh(call, seat, 1000);
    }
    stage.add(4, 4, &[]);
    stage.pass(SECOND);
    // 3 seats of 90 virtual nodes and 4 of 9: of 512 slots 206 are left.
    let changes = stage.changes().len();
    stage.feed(Event::Configure(Settings {
        weights: weights([(4, 1000), (5, 1000), (6, 1000), (7, 200)]),
        ..settings()
    }));
    let seats = stage.fleet.view().seats;
    let weights: Vec<_> = seats[3..].iter().map(|seat| seat.weight.get()).collect();
    assert_eq!((weights, stage.changes().len()), (vec![1000, 1000, 100, 200], changes + 3));
}
