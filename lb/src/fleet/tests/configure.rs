//! Live changes of settings, weights and the target.

use super::*;
use crate::ring::Proposal;

fn weights<const N: usize>(weights: [(u32, u32); N]) -> BTreeMap<SeatId, Weight> {
    weights.map(|(id, weight)| (seat(id), Weight::new(weight).unwrap())).into()
}

/// The weights of the seats that join by the n-th change of the ring.
fn joined(scenario: &Scenario, n: usize) -> Vec<(u32, u32)> {
    let Change::Join(joined) = &scenario.changes()[n] else { panic!("no join") };
    joined.iter().map(|(id, weight, _)| (id.get(), weight.get())).collect()
}

#[test]
fn seats_join_with_their_weights() {
    let settings = Settings { weights: weights([(2, 50), (5, 300)]), ..settings() };
    let mut scenario = Scenario::new(settings.clone());
    scenario.dispatch(Event::Listed(Vec::new()));
    assert_eq!(joined(&scenario, 0), [(1, 100), (2, 50), (3, 100)]);
    scenario.pass(SECOND);
    scenario.add(1, 2, &[]);
    scenario.pass(SECOND);
    assert_eq!(joined(&scenario, scenario.changes().len() - 1), [(4, 100), (5, 300)]);
    assert_eq!(scenario.fleet.view().seats[4].weight.get(), 300);

    let mut scenario = Scenario::new(Settings { replicas: 2, ..settings });
    scenario.dispatch(Event::Listed(vec![found(1, "a", 1, true), found(5, "b", 2, false)]));
    assert_eq!(joined(&scenario, 0), [(1, 100), (5, 300)]);
}

#[test]
fn new_settings_apply_to_what_begins_after_the_change() {
    let mut scenario = Scenario::ready(3);
    scenario.hold = |action| matches!(action, Action::Ring { change: Change::Leave(_), .. });
    scenario.rm(1, 1, &["server3"]);
    let drain = |drain| Event::Configure(Settings { drain, stop_timeout: SECOND, ..settings() });
    scenario.dispatch(drain(5 * SECOND));
    scenario.busy = vec![(RouterId(1), Incarnation(3)), (RouterId(1), Incarnation(2))];
    scenario.hold = |_| false;
    scenario.release();
    scenario.dispatch(drain(60 * SECOND));
    scenario.pass(4 * SECOND);
    assert_eq!(scenario.stops(), []);
    scenario.pass(2 * SECOND);
    assert_eq!(scenario.stops(), [(3, SECOND)], "its drain began under the five seconds");
    scenario.rm(2, 1, &["server2"]);
    scenario.pass(50 * SECOND);
    assert_eq!(scenario.stops().len(), 1);
    scenario.pass(11 * SECOND);
    assert_eq!(scenario.stops().len(), 2);
}

#[test]
fn a_shorter_interval_applies_before_the_longer_one_has_passed() {
    let mut scenario = Scenario::new(Settings { heartbeat_interval: 600 * SECOND, ..settings() });
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.pass(SECOND);
    let heartbeats =
        |scenario: &Scenario| scenario.times(|action| matches!(action, Action::Heartbeat(_))).len();
    let before = heartbeats(&scenario);
    scenario.dispatch(Event::Configure(Settings { heartbeat_interval: 100 * MS, ..settings() }));
    scenario.pass(SECOND);
    assert!(heartbeats(&scenario) >= before + 3 * 9, "{before} {}", heartbeats(&scenario));
    assert_eq!(scenario.names().len(), 3);
}

#[test]
fn a_new_target_adds_or_removes_seats() {
    let mut scenario = Scenario::ready(3);
    scenario.call(1, Command::Scale(5));
    assert_eq!(scenario.reply(1), None, "unanswered before the new replicas are ready");
    scenario.call(2, Command::Scale(5));
    assert_eq!(scenario.reply(2).unwrap().unwrap().len(), 3, "two are starting");
    scenario.pass(SECOND);
    assert_eq!(scenario.reply(1).unwrap().unwrap().len(), 5);
    scenario.call(3, Command::Scale(1));
    assert_eq!(scenario.reply(3).unwrap().unwrap(), ["server1"]);
    scenario.call(4, Command::Scale(9));
    assert_eq!(scenario.error(4), CommandError::TooMany { n: 8, free: 7, max: 8 });
    scenario.call(5, Command::Scale(0));
    assert_eq!(scenario.reply(5).unwrap().unwrap(), Vec::<String>::new());
    scenario.call(6, Command::Scale(0));
    assert_eq!(scenario.reply(6).unwrap().unwrap(), Vec::<String>::new());
}

#[test]
fn the_plan_of_a_command_names_the_seats_that_it_would_change() {
    let mut scenario = Scenario::ready(3);
    let plan = |scenario: &Scenario, command| {
        let Proposal { join, leave, weights } = scenario.fleet.proposal(&command, &Loads::new()).unwrap();
        let seats = [&join, &weights].map(|seats| seats.iter().map(|(seat, _)| seat.get()).collect());
        (seats, leave.into_iter().map(SeatId::get).collect())
    };
    let seats =
        |join: &[u32], weigh: &[u32], leave: &[u32]| ([join.to_vec(), weigh.to_vec()], leave.to_vec());
    assert_eq!(plan(&scenario, Command::Scale(5)), seats(&[4, 5], &[], &[]));
    assert_eq!(plan(&scenario, Command::Scale(1)), seats(&[], &[], &[3, 2]));
    assert_eq!(plan(&scenario, Command::Scale(3)), seats(&[], &[], &[]));
    assert_eq!(plan(&scenario, Command::Add { n: 1, names: vec![] }), seats(&[4], &[], &[]));
    assert_eq!(plan(&scenario, Command::Weigh(vec![(seat(2), Weight::DEFAULT)])), seats(&[], &[2], &[]));
    assert_eq!(plan(&scenario, Command::Cordon(name("server1"))), seats(&[], &[], &[]));
    let unknown = Command::Weigh(vec![(seat(4), Weight::DEFAULT)]);
    assert_eq!(scenario.fleet.proposal(&unknown, &Loads::new()), Err(CommandError::NoSeat(seat(4))));
    scenario.dispatch(Event::Close);
    assert_eq!(scenario.fleet.proposal(&Command::Scale(5), &Loads::new()), Err(CommandError::Stopping));
}

#[test]
fn changed_configured_weights_are_applied_to_the_seats() {
    let weighed = |scenario: &Scenario| {
        let of = |change: Change| match change {
            Change::Weigh(weights) => weights,
            _ => Vec::new(),
        };
        let weighed = scenario.changes().into_iter().flat_map(of);
        weighed.map(|(seat, weight)| (seat.get(), weight.get())).collect::<Vec<_>>()
    };
    let say = |scenario: &mut Scenario, weights| {
        scenario.dispatch(Event::Configure(Settings { weights, ..settings() }));
        let seats = scenario.fleet.view().seats;
        seats.iter().map(|seat| seat.weight.get()).collect::<Vec<_>>()
    };
    let mut scenario = Scenario::ready(3);
    scenario.weigh(1, 3, 300);
    assert_eq!(
        say(&mut scenario, weights([(1, 200), (5, 7)])),
        [200, 100, 300],
        "the weight set by the API stays"
    );
    assert_eq!(weighed(&scenario), [(3, 300), (1, 200)]);
    assert_eq!(say(&mut scenario, weights([(1, 200), (3, 300)])), [200, 100, 300]);
    assert_eq!(weighed(&scenario).len(), 2, "the weight is unchanged");
    assert_eq!(say(&mut scenario, weights([(2, 50)])), [100, 50, 100]);
    assert_eq!(weighed(&scenario)[2..], [(1, 100), (2, 50), (3, 100)]);

    scenario.hold = is_launch;
    scenario.add(2, 1, &[]);
    say(&mut scenario, weights([(2, 50), (4, 20)]));
    scenario.release();
    scenario.pass(SECOND);
    assert_eq!(
        joined(&scenario, scenario.changes().len() - 1),
        [(4, 20)],
        "it joins with the weight configured by then"
    );
}

#[test]
fn a_weight_that_does_not_fit_the_layout_is_skipped() {
    let mut scenario = Scenario::ready(3);
    for (call, seat) in [(1, 1), (2, 2), (3, 3)] {
        scenario.weigh(call, seat, 1000);
    }
    scenario.add(4, 4, &[]);
    scenario.pass(SECOND);
    // 3 seats of 90 virtual nodes and 4 of 9: of 512 slots 206 are left.
    let changes = scenario.changes().len();
    scenario.dispatch(Event::Configure(Settings {
        weights: weights([(4, 1000), (5, 1000), (6, 1000), (7, 200)]),
        ..settings()
    }));
    let seats = scenario.fleet.view().seats;
    let weights: Vec<_> = seats[3..].iter().map(|seat| seat.weight.get()).collect();
    assert_eq!((weights, scenario.changes().len()), (vec![1000, 1000, 100, 200], changes + 3));
}
