//! The end of the balancer.

use super::*;

fn halted(stage: &Stage) -> usize {
    stage.times(|action| *action == Action::Halted).len()
}

#[test]
fn all_are_stopped_in_reverse_order_together_and_halted_comes_once() {
    let mut stage = Stage::ready(3);
    stage.hold = |action| matches!(action, Action::Stop { .. });
    stage.feed(Event::Stop);
    assert_eq!(stage.stops(), [3, 2, 1].map(|incarnation| (incarnation, 10 * SECOND)));
    assert_eq!(stage.names(), [""; 0]);
    for incarnation in [1, 3] {
        stage.feed(Event::Stopped { incarnation: Incarnation(incarnation) });
    }
    assert_eq!(halted(&stage), 0);
    stage.feed(Event::Stopped { incarnation: Incarnation(2) });
    stage.feed(Event::Stop);
    stage.pass(10 * SECOND);
    assert_eq!((halted(&stage), stage.stops().len()), (1, 3));
}

#[test]
fn launches_under_way_are_stopped_when_the_engine_answers() {
    let mut stage = Stage::new(settings());
    stage.hold = is_launch;
    stage.feed(Event::Listed(Vec::new()));
    stage.feed(Event::Stop);
    assert_eq!((stage.stops().len(), halted(&stage)), (0, 0));
    stage.release();
    assert_eq!((stage.stops().len(), halted(&stage), stage.launches().len()), (3, 1, 3));
}

#[test]
fn an_add_under_way_fails_and_a_later_call_is_refused() {
    let mut stage = Stage::ready(1);
    stage.hold = is_launch;
    stage.add(1, 2, &["A"]);
    stage.feed(Event::Stop);
    assert_eq!(stage.error(1), CommandError::Stopping);
    stage.add(2, 1, &[]);
    stage.rm(3, 1, &[]);
    assert_eq!((stage.error(2), stage.error(3)), (CommandError::Stopping, CommandError::Stopping));
    stage.release();
    assert_eq!(halted(&stage), 1);
}

#[test]
fn a_closed_fleet_serves_but_neither_changes_nor_heals() {
    let mut stage = Stage::ready(2);
    assert!(stage.fleet.is_ready());
    stage.hold = is_launch;
    stage.add(1, 2, &["A"]);
    stage.feed(Event::Close);
    assert_eq!((stage.error(1), stage.fleet.is_ready()), (CommandError::Stopping, false));
    stage.rm(2, 1, &["server1"]);
    assert_eq!((stage.error(2), stage.names().len()), (CommandError::Stopping, 2));
    stage.release();
    stage.exit(1);
    stage.pass(SECOND);
    assert_eq!(stage.names().len(), 1);
    stage.feed(Event::Stop);
    assert_eq!(halted(&stage), 1);
}

#[test]
fn callers_whose_change_is_on_its_way_are_answered_before_the_end() {
    let mut stage = Stage::ready(3);
    stage.hold = is_ring;
    stage.add(1, 1, &["A"]);
    stage.pass(SECOND);
    stage.rm(2, 1, &["server2"]);
    stage.feed(Event::Stop);
    assert_eq!((stage.stops().len(), stage.fleet.members.len(), halted(&stage)), (4, 0, 0));
    stage.release();
    assert_eq!((stage.reply(1), stage.reply(2)), (Some(Ok(Vec::new())), Some(Ok(Vec::new()))));
    assert_eq!(halted(&stage), 1);
}

#[test]
fn a_stopping_fleet_replaces_nothing() {
    let mut stage = Stage::ready(2);
    stage.exit(1);
    stage.exit(2);
    stage.pass(100 * MS);
    stage.exit(3);
    stage.pass(100 * MS);
    stage.exit(5);
    stage.hold = |action| matches!(action, Action::Stop { .. });
    stage.feed(Event::Stop);
    let launched = stage.launches().len();
    stage.exit(4);
    stage.pass(120 * SECOND);
    assert_eq!(stage.launches().len(), launched);
    stage.release();
    assert_eq!(halted(&stage), 1);
}

#[test]
fn a_closing_fleet_neither_replaces_nor_accepts_changes() {
    let mut stage = Stage::ready(2);
    stage.feed(Event::Close);
    stage.exit(1);
    stage.pass(60 * SECOND);
    assert_eq!((stage.names().len(), stage.launches().len()), (1, 2));
    stage.add(1, 1, &[]);
    stage.rm(2, 1, &[]);
    assert_eq!((stage.error(1), stage.error(2)), (CommandError::Stopping, CommandError::Stopping));
    stage.feed(Event::Stop);
    assert_eq!((halted(&stage), stage.fleet.members.len()), (1, 0));
}

#[test]
fn with_keep_only_leaving_replicas_are_stopped() {
    let mut stage = Stage::new(Settings { keep: true, ..settings() });
    stage.feed(Event::Listed(Vec::new()));
    stage.pass(SECOND);
    stage.hold = |action| matches!(action, Action::Stop { .. });
    stage.rm(1, 1, &["server2"]);
    stage.hold = |action| is_launch(action) || matches!(action, Action::Stop { .. });
    stage.exit(1);
    stage.add(2, 1, &["A"]);
    stage.feed(Event::Stop);
    assert_eq!(stage.error(2), CommandError::Stopping);
    assert_eq!(stage.stops().iter().map(|(n, _)| *n).collect::<Vec<_>>(), [2]);
    stage.release();
    stage.pass(SECOND);
    // Replicas whose launch was answered too late are stopped too.
    assert_eq!(stage.stops().iter().map(|(n, _)| *n).collect::<BTreeSet<_>>(), BTreeSet::from([2, 4, 5]));
    assert_eq!(halted(&stage), 1);
}

#[test]
fn another_balancer_ends_all_changes_but_not_routing() {
    let mut stage = Stage::ready(3);
    stage.feed(Event::Runtime(RuntimeEvent::Conflict { container: "x".to_owned() }));
    stage.exit(1);
    stage.pass(120 * SECOND);
    assert_eq!(
        (stage.names(), stage.launches().len()),
        (vec!["server2".to_owned(), "server3".to_owned()], 3)
    );
    stage.add(1, 1, &[]);
    stage.rm(2, 1, &[]);
    assert_eq!((stage.error(1), stage.error(2)), (CommandError::Conflict, CommandError::Conflict));
    stage.feed(Event::Stop);
    assert_eq!((halted(&stage), stage.stops().len()), (1, 0));
}
