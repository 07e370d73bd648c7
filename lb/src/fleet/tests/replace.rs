//! Replacement of one replica by a call, and rolling replacement of all.

use super::*;

impl Scenario {
    fn replace(&mut self, call: u64, name: &str) {
        self.call(call, Command::Replace(name.parse().unwrap()));
    }

    fn rolling_replace(&mut self, call: u64) {
        self.call(call, Command::RollingReplace);
    }
}

/// State, done and total of the published transitions of a rolling replacement.
fn rolling(scenario: &Scenario) -> Vec<(&'static str, usize, usize)> {
    let published = |(_, action): &(Duration, Action)| match action {
        Action::Publish(Transition { name: "rolling", now, progress, .. }) => {
            progress.map(|progress| (now.unwrap(), progress.done, progress.total))
        }
        _ => None,
    };
    scenario.log.iter().filter_map(published).collect()
}

#[test]
fn the_new_replica_is_ready_before_the_old_one_leaves() {
    let mut scenario = Scenario::ready(2);
    scenario.hold = is_launch;
    scenario.replace(1, "server2");
    scenario.pass(5 * SECOND);
    assert_eq!((scenario.names(), scenario.reply(1)), (vec!["server1".into(), "server2".into()], None));
    scenario.busy = vec![(RouterId(0), Incarnation(2))];
    scenario.release();
    scenario.pass(SECOND);
    let (seat, successor) = scenario.about(1).unwrap();
    assert_eq!((seat, is_random(&name(&successor))), (2, true));
    assert_eq!((scenario.names(), scenario.handovers()), (vec!["server1".into(), successor], vec![(3, 2)]));
    assert_eq!(scenario.stops(), [], "it is busy");
    scenario.dispatch(Event::Router { router: RouterId(0), event: RouterEvent::Idle(Incarnation(2)) });
    assert_eq!(scenario.stops(), [(2, 10 * SECOND)]);
}

#[test]
fn a_successor_that_fails_changes_nothing_and_is_not_retried() {
    let mut scenario = Scenario::ready(2);
    scenario.broken = Some(RuntimeError::Refused("no such image".to_owned()));
    scenario.replace(1, "server2");
    scenario.pass(300 * SECOND);
    assert!(scenario.error(1).to_string().ends_with("did not get ready: no such image"));
    assert_eq!((scenario.names(), scenario.launches().len()), (vec!["server1".into(), "server2".into()], 3));
}

#[test]
fn the_container_of_a_failed_successor_is_removed() {
    let mut scenario = Scenario::ready(2);
    scenario.heartbeats.insert(Incarnation(3), HeartbeatResult::Refused);
    scenario.replace(1, "server2");
    scenario.pass(31 * SECOND);
    assert!(matches!(scenario.error(1), CommandError::NotReady { .. }));
    assert_eq!(scenario.stops(), [(3, Duration::ZERO)]);
    assert_eq!((scenario.fleet.members.len(), scenario.names().len()), (2, 2));
}

#[test]
fn a_cordoned_replica_hands_its_seat_over_dead_or_alive() {
    for dead in [false, true] {
        let mut scenario = Scenario::ready(2);
        scenario.cordon(1, "server2");
        if dead {
            scenario.exit(2);
        }
        scenario.replace(2, "server2");
        scenario.pass(SECOND);
        assert_eq!(scenario.about(2).unwrap().0, 2);
        assert_eq!((scenario.names().len(), scenario.fleet.members.len()), (2, 2));
        assert_eq!(scenario.handovers().len(), usize::from(!dead));
        assert_eq!(scenario.cordoned(), []);
    }
}

#[test]
fn a_cordoned_replica_whose_successor_fails_stays_cordoned() {
    let mut scenario = Scenario::ready(2);
    scenario.cordon(1, "server2");
    scenario.broken = Some(RuntimeError::Refused("no".to_owned()));
    scenario.replace(2, "server2");
    assert!(matches!(scenario.error(2), CommandError::NotReady { .. }));
    scenario.pass(300 * SECOND);
    assert_eq!(scenario.launches().len(), 3);
    scenario.uncordon(3, "server2");
    assert_eq!(scenario.names(), ["server1", "server2"]);
}

#[test]
fn if_it_dies_first_its_successor_is_its_replacement() {
    let mut scenario = Scenario::ready(2);
    scenario.hold = is_launch;
    scenario.replace(1, "server2");
    scenario.exit(2);
    assert_eq!(scenario.launches().len(), 3);
    scenario.release();
    scenario.pass(SECOND);
    assert_eq!((scenario.about(1).unwrap().0, scenario.names().len(), scenario.launches().len()), (2, 2, 3));
}

#[test]
fn during_a_replacement_only_rm_is_accepted() {
    let mut scenario = Scenario::ready(2);
    scenario.hold = is_launch;
    scenario.replace(1, "server2");
    scenario.cordon(2, "server2");
    scenario.replace(3, "server2");
    for call in [2, 3] {
        assert_eq!(scenario.error(call).to_string(), "Replica 'server2' is being replaced");
    }
    scenario.rm(4, 1, &["server2"]);
    scenario.release();
    scenario.pass(SECOND);
    assert_eq!(scenario.reply(4), Some(Ok(vec!["server1".to_owned()])));
    assert_eq!(scenario.error(1).to_string(), "There is no seat 2");
    assert_eq!(scenario.fleet.members.len(), 1);
}

#[test]
fn every_replacing_call_is_answered() {
    let mut scenario = Scenario::ready(2);
    scenario.hold = is_launch;
    scenario.replace(1, "server2");
    scenario.dispatch(Event::Close);
    assert_eq!(scenario.error(1), CommandError::Stopping);

    let mut scenario = Scenario::ready(2);
    for call in 1..=5 {
        let last = scenario.names().pop().unwrap();
        scenario.replace(call, &last);
        scenario.pass(SECOND);
        assert!(call == 5 || scenario.reply(call).unwrap().is_ok());
    }
    assert_eq!(scenario.reply(5), None, "five launches in 60 s are enough");
    scenario.dispatch(Event::Runtime(RuntimeEvent::Conflict { container: "x".to_owned() }));
    assert_eq!(scenario.error(5), CommandError::Conflict);
}

#[test]
fn external_servers_cannot_be_replaced() {
    let upstreams = vec!["one=one:80".parse().unwrap()];
    let mut scenario = Scenario::new(Settings { ownership: Ownership::External, upstreams, ..settings() });
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.pass(SECOND);
    scenario.replace(1, "one");
    scenario.rolling_replace(2);
    assert_eq!(
        (scenario.error(1), scenario.error(2)),
        (CommandError::NotReplaceable, CommandError::NotReplaceable)
    );
}

#[test]
fn a_rolling_replacement_replaces_one_at_a_time_and_is_published() {
    let mut scenario = Scenario::ready(3);
    scenario.hold = is_launch;
    scenario.rolling_replace(1);
    assert!(scenario.reply(1).unwrap().is_ok());
    scenario.pass(5 * SECOND);
    assert_eq!(scenario.launches().len(), 4, "one at a time");
    scenario.rolling_replace(2);
    assert_eq!(scenario.error(2).to_string(), "A rolling replacement is under way: 0 of 3 are done");
    scenario.release();
    scenario.pass(5 * SECOND);
    assert_eq!(scenario.handovers(), [(4, 1), (5, 2), (6, 3)]);
    let published = [("running", 0, 3), ("running", 1, 3), ("running", 2, 3), ("done", 3, 3)];
    assert_eq!(rolling(&scenario), published);
    assert!(scenario.names().iter().all(|text| is_random(&name(text))));
    assert_eq!((scenario.fleet.members.len(), scenario.fleet.view().rolling), (3, None));
}

#[test]
fn a_rolling_replacement_stops_when_a_successor_fails() {
    let mut scenario = Scenario::ready(3);
    scenario.hold = is_launch;
    scenario.rolling_replace(1);
    scenario.release();
    scenario.broken = Some(RuntimeError::Refused("no such image".to_owned())); // the launch of the second replacement fails
    scenario.pass(300 * SECOND);
    let published = rolling(&scenario);
    assert_eq!(published.last(), Some(&("stopped", 1, 3)));
    assert_eq!(scenario.names().len(), 3);
    let launched = scenario.launches().len();
    scenario.broken = None;
    scenario.pass(60 * SECOND);
    assert_eq!(scenario.launches().len(), launched, "it does not go on by itself");
    scenario.rolling_replace(2);
    scenario.pass(10 * SECOND);
    assert_eq!(rolling(&scenario).last(), Some(&("done", 3, 3)));
}

#[test]
fn replicas_that_die_leave_or_are_cordoned_count_as_done() {
    let mut scenario = Scenario::ready(4);
    scenario.hold = is_launch;
    scenario.rolling_replace(1);
    scenario.exit(2);
    scenario.rm(2, 1, &["server3"]);
    scenario.cordon(3, "server4");
    assert_eq!(rolling(&scenario).last(), Some(&("running", 3, 4)));
    scenario.release();
    scenario.pass(5 * SECOND);
    assert_eq!(rolling(&scenario).last(), Some(&("done", 4, 4)));
    assert_eq!((scenario.handovers().len(), scenario.names().len()), (1, 2));
}

#[test]
fn a_rolling_replacement_of_no_replica_ends_at_once() {
    let mut scenario = Scenario::ready(1);
    scenario.cordon(1, "server1");
    scenario.rolling_replace(2);
    assert!(scenario.reply(2).unwrap().is_ok());
    assert_eq!((rolling(&scenario), scenario.fleet.view().rolling), (vec![], None));
}
