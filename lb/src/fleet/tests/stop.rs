//! The end of the balancer.

use super::*;

fn halted(scenario: &Scenario) -> usize {
    scenario.times(|action| *action == Action::Halted).len()
}

#[test]
fn all_are_stopped_in_reverse_order_together_and_halted_comes_once() {
    let mut scenario = Scenario::ready(3);
    scenario.hold = |action| matches!(action, Action::Stop { .. });
    scenario.dispatch(Event::Stop);
    assert_eq!(scenario.stops(), [3, 2, 1].map(|incarnation| (incarnation, 10 * SECOND)));
    assert_eq!(scenario.names(), [""; 0]);
    for incarnation in [1, 3] {
        scenario.dispatch(Event::Stopped { incarnation: Incarnation(incarnation) });
    }
    assert_eq!(halted(&scenario), 0);
    scenario.dispatch(Event::Stopped { incarnation: Incarnation(2) });
    scenario.dispatch(Event::Stop);
    scenario.pass(10 * SECOND);
    assert_eq!((halted(&scenario), scenario.stops().len()), (1, 3));
}

#[test]
fn launches_under_way_are_stopped_when_the_engine_answers() {
    let mut scenario = Scenario::new(settings());
    scenario.hold = is_launch;
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.dispatch(Event::Stop);
    assert_eq!((scenario.stops().len(), halted(&scenario)), (0, 0));
    scenario.release();
    assert_eq!((scenario.stops().len(), halted(&scenario), scenario.launches().len()), (3, 1, 3));
}

#[test]
fn an_add_under_way_fails_and_a_later_call_is_refused() {
    let mut scenario = Scenario::ready(1);
    scenario.hold = is_launch;
    scenario.add(1, 2, &["A"]);
    scenario.dispatch(Event::Stop);
    assert_eq!(scenario.error(1), CommandError::Stopping);
    scenario.add(2, 1, &[]);
    scenario.rm(3, 1, &[]);
    assert_eq!((scenario.error(2), scenario.error(3)), (CommandError::Stopping, CommandError::Stopping));
    scenario.release();
    assert_eq!(halted(&scenario), 1);
}

#[test]
fn a_closed_fleet_serves_but_neither_changes_nor_heals() {
    let mut scenario = Scenario::ready(2);
    assert!(scenario.fleet.is_ready());
    scenario.hold = is_launch;
    scenario.add(1, 2, &["A"]);
    scenario.dispatch(Event::Close);
    assert_eq!((scenario.error(1), scenario.fleet.is_ready()), (CommandError::Stopping, false));
    scenario.rm(2, 1, &["server1"]);
    assert_eq!((scenario.error(2), scenario.names().len()), (CommandError::Stopping, 2));
    scenario.release();
    scenario.exit(1);
    scenario.pass(SECOND);
    assert_eq!(scenario.names().len(), 1);
    scenario.dispatch(Event::Stop);
    assert_eq!(halted(&scenario), 1);
}

#[test]
fn callers_whose_change_is_on_its_way_are_answered_before_the_end() {
    let mut scenario = Scenario::ready(3);
    scenario.hold = is_ring;
    scenario.add(1, 1, &["A"]);
    scenario.pass(SECOND);
    scenario.rm(2, 1, &["server2"]);
    scenario.dispatch(Event::Stop);
    assert_eq!((scenario.stops().len(), scenario.fleet.members.len(), halted(&scenario)), (4, 0, 0));
    scenario.release();
    assert_eq!((scenario.reply(1), scenario.reply(2)), (Some(Ok(Vec::new())), Some(Ok(Vec::new()))));
    assert_eq!(halted(&scenario), 1);
}

#[test]
fn a_stopping_fleet_replaces_nothing() {
    let mut scenario = Scenario::ready(2);
    scenario.exit(1);
    scenario.exit(2);
    scenario.pass(100 * MS);
    scenario.exit(3);
    scenario.pass(100 * MS);
    scenario.exit(5);
    scenario.hold = |action| matches!(action, Action::Stop { .. });
    scenario.dispatch(Event::Stop);
    let launched = scenario.launches().len();
    scenario.exit(4);
    scenario.pass(120 * SECOND);
    assert_eq!(scenario.launches().len(), launched);
    scenario.release();
    assert_eq!(halted(&scenario), 1);
}

#[test]
fn a_closing_fleet_neither_replaces_nor_accepts_changes() {
    let mut scenario = Scenario::ready(2);
    scenario.dispatch(Event::Close);
    scenario.exit(1);
    scenario.pass(60 * SECOND);
    assert_eq!((scenario.names().len(), scenario.launches().len()), (1, 2));
    scenario.add(1, 1, &[]);
    scenario.rm(2, 1, &[]);
    assert_eq!((scenario.error(1), scenario.error(2)), (CommandError::Stopping, CommandError::Stopping));
    scenario.dispatch(Event::Stop);
    assert_eq!((halted(&scenario), scenario.fleet.members.len()), (1, 0));
}

#[test]
fn with_keep_only_leaving_replicas_are_stopped() {
    let mut scenario = Scenario::new(Settings { keep: true, ..settings() });
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.pass(SECOND);
    scenario.hold = |action| matches!(action, Action::Stop { .. });
    scenario.rm(1, 1, &["server2"]);
    scenario.hold = |action| is_launch(action) || matches!(action, Action::Stop { .. });
    scenario.exit(1);
    scenario.add(2, 1, &["A"]);
    scenario.dispatch(Event::Stop);
    assert_eq!(scenario.error(2), CommandError::Stopping);
    assert_eq!(scenario.stops().iter().map(|(n, _)| *n).collect::<Vec<_>>(), [2]);
    scenario.release();
    scenario.pass(SECOND);
    // Replicas whose launch was answered too late are stopped too.
    assert_eq!(scenario.stops().iter().map(|(n, _)| *n).collect::<BTreeSet<_>>(), BTreeSet::from([2, 4, 5]));
    assert_eq!(halted(&scenario), 1);
}

#[test]
fn another_balancer_ends_all_changes_but_not_routing() {
    let mut scenario = Scenario::ready(3);
    scenario.dispatch(Event::Runtime(RuntimeEvent::Conflict { container: "x".to_owned() }));
    scenario.exit(1);
    scenario.pass(120 * SECOND);
    assert_eq!(
        (scenario.names(), scenario.launches().len()),
        (vec!["server2".to_owned(), "server3".to_owned()], 3)
    );
    scenario.add(1, 1, &[]);
    scenario.rm(2, 1, &[]);
    assert_eq!((scenario.error(1), scenario.error(2)), (CommandError::Conflict, CommandError::Conflict));
    scenario.dispatch(Event::Stop);
    assert_eq!((halted(&scenario), scenario.stops().len()), (1, 0));
}
