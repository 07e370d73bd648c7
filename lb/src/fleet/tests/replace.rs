//! Replacement of one replica by a call, and rolling replacement of all.

use super::*;

impl Stage {
    fn replace(&mut self, call: u64, name: &str) {
        self.call(call, Command::Replace(name.parse().unwrap()));
    }

    fn rolling_replace(&mut self, call: u64) {
        self.call(call, Command::RollingReplace);
    }
}

/// State, done and total of the published transitions of a rolling replacement.
fn rolling(stage: &Stage) -> Vec<(&'static str, usize, usize)> {
    let published = |(_, action): &(Duration, Action)| match action {
        Action::Tell(Transition { name: "rolling", now, progress, .. }) => {
            progress.map(|progress| (now.unwrap(), progress.done, progress.total))
        }
        _ => None,
    };
    stage.log.iter().filter_map(published).collect()
}

#[test]
fn the_new_replica_is_ready_before_the_old_one_leaves() {
    let mut stage = Stage::ready(2);
    stage.hold = is_launch;
    stage.replace(1, "server2");
    stage.pass(5 * SECOND);
    assert_eq!((stage.names(), stage.reply(1)), (vec!["server1".into(), "server2".into()], None));
    stage.busy = vec![(RouterId(0), Incarnation(2))];
    stage.release();
    stage.pass(SECOND);
    let (seat, successor) = stage.about(1).unwrap();
    assert_eq!((seat, is_random(&name(&successor))), (2, true));
    assert_eq!((stage.names(), stage.handovers()), (vec!["server1".into(), successor], vec![(3, 2)]));
    assert_eq!(stage.stops(), [], "it is busy");
    stage.feed(Event::Router { router: RouterId(0), event: RouterEvent::Idle(Incarnation(2)) });
    assert_eq!(stage.stops(), [(2, 10 * SECOND)]);
}

#[test]
fn a_successor_that_fails_changes_nothing_and_is_not_retried() {
    let mut stage = Stage::ready(2);
    stage.broken = Some(RuntimeError::Refused("no such image".to_owned()));
    stage.replace(1, "server2");
    stage.pass(300 * SECOND);
    assert!(stage.error(1).to_string().ends_with("did not get ready: no such image"));
    assert_eq!((stage.names(), stage.launches().len()), (vec!["server1".into(), "server2".into()], 3));
}

#[test]
fn the_container_of_a_failed_successor_is_removed() {
    let mut stage = Stage::ready(2);
    stage.heartbeats.insert(Incarnation(3), HeartbeatResult::Refused);
    stage.replace(1, "server2");
    stage.pass(31 * SECOND);
    assert!(matches!(stage.error(1), CommandError::NotReady { .. }));
    assert_eq!(stage.stops(), [(3, Duration::ZERO)]);
    assert_eq!((stage.fleet.members.len(), stage.names().len()), (2, 2));
}

#[test]
fn a_cordoned_replica_hands_its_seat_over_dead_or_alive() {
    for dead in [false, true] {
        let mut stage = Stage::ready(2);
        stage.cordon(1, "server2");
        if dead {
            stage.exit(2);
        }
        stage.replace(2, "server2");
        stage.pass(SECOND);
        assert_eq!(stage.about(2).unwrap().0, 2);
        assert_eq!((stage.names().len(), stage.fleet.members.len()), (2, 2));
        assert_eq!(stage.handovers().len(), usize::from(!dead));
        assert_eq!(stage.cordoned(), []);
    }
}

#[test]
fn a_cordoned_replica_whose_successor_fails_stays_cordoned() {
    let mut stage = Stage::ready(2);
    stage.cordon(1, "server2");
    stage.broken = Some(RuntimeError::Refused("no".to_owned()));
    stage.replace(2, "server2");
    assert!(matches!(stage.error(2), CommandError::NotReady { .. }));
    stage.pass(300 * SECOND);
    assert_eq!(stage.launches().len(), 3);
    stage.uncordon(3, "server2");
    assert_eq!(stage.names(), ["server1", "server2"]);
}

#[test]
fn if_it_dies_first_its_successor_is_its_replacement() {
    let mut stage = Stage::ready(2);
    stage.hold = is_launch;
    stage.replace(1, "server2");
    stage.exit(2);
    assert_eq!(stage.launches().len(), 3);
    stage.release();
    stage.pass(SECOND);
    assert_eq!((stage.about(1).unwrap().0, stage.names().len(), stage.launches().len()), (2, 2, 3));
}

#[test]
fn during_a_replacement_only_rm_is_accepted() {
    let mut stage = Stage::ready(2);
    stage.hold = is_launch;
    stage.replace(1, "server2");
    stage.cordon(2, "server2");
    stage.replace(3, "server2");
    for call in [2, 3] {
        assert_eq!(stage.error(call).to_string(), "Replica 'server2' is being replaced");
    }
    stage.rm(4, 1, &["server2"]);
    stage.release();
    stage.pass(SECOND);
    assert_eq!(stage.reply(4), Some(Ok(vec!["server1".to_owned()])));
    assert_eq!(stage.error(1).to_string(), "There is no seat 2");
    assert_eq!(stage.fleet.members.len(), 1);
}

#[test]
fn every_replacing_call_is_answered() {
    let mut stage = Stage::ready(2);
    stage.hold = is_launch;
    stage.replace(1, "server2");
    stage.feed(Event::Close);
    assert_eq!(stage.error(1), CommandError::Stopping);

    let mut stage = Stage::ready(2);
    for call in 1..=5 {
        let last = stage.names().pop().unwrap();
        stage.replace(call, &last);
        stage.pass(SECOND);
        assert!(call == 5 || stage.reply(call).unwrap().is_ok());
    }
    assert_eq!(stage.reply(5), None, "five launches in 60 s are enough");
    stage.feed(Event::Runtime(RuntimeEvent::Conflict { container: "x".to_owned() }));
    assert_eq!(stage.error(5), CommandError::Conflict);
}

#[test]
fn external_servers_cannot_be_replaced() {
    let upstreams = vec!["one=one:80".parse().unwrap()];
    let mut stage = Stage::new(Settings { ownership: Ownership::External, upstreams, ..settings() });
    stage.feed(Event::Listed(Vec::new()));
    stage.pass(SECOND);
    stage.replace(1, "one");
    stage.rolling_replace(2);
    assert_eq!(
        (stage.error(1), stage.error(2)),
        (CommandError::NotReplaceable, CommandError::NotReplaceable)
    );
}

#[test]
fn a_rolling_replacement_replaces_one_at_a_time_and_is_published() {
    let mut stage = Stage::ready(3);
    stage.hold = is_launch;
    stage.rolling_replace(1);
    assert!(stage.reply(1).unwrap().is_ok());
    stage.pass(5 * SECOND);
    assert_eq!(stage.launches().len(), 4, "one at a time");
    stage.rolling_replace(2);
    assert_eq!(stage.error(2).to_string(), "A rolling replacement is under way: 0 of 3 are done");
    stage.release();
    stage.pass(5 * SECOND);
    assert_eq!(stage.handovers(), [(4, 1), (5, 2), (6, 3)]);
    let published = [("running", 0, 3), ("running", 1, 3), ("running", 2, 3), ("done", 3, 3)];
    assert_eq!(rolling(&stage), published);
    assert!(stage.names().iter().all(|text| is_random(&name(text))));
    assert_eq!((stage.fleet.members.len(), stage.fleet.view().rolling), (3, None));
}

#[test]
fn a_rolling_replacement_stops_when_a_successor_fails() {
    let mut stage = Stage::ready(3);
    stage.hold = is_launch;
    stage.rolling_replace(1);
    stage.release();
    stage.broken = Some(RuntimeError::Refused("no such image".to_owned())); // the launch of the second replacement fails
    stage.pass(300 * SECOND);
    let published = rolling(&stage);
    assert_eq!(published.last(), Some(&("stopped", 1, 3)));
    assert_eq!(stage.names().len(), 3);
    let launched = stage.launches().len();
    stage.broken = None;
    stage.pass(60 * SECOND);
    assert_eq!(stage.launches().len(), launched, "it does not go on by itself");
    stage.rolling_replace(2);
    stage.pass(10 * SECOND);
    assert_eq!(rolling(&stage).last(), Some(&("done", 3, 3)));
}

#[test]
fn replicas_that_die_leave_or_are_cordoned_count_as_done() {
    let mut stage = Stage::ready(4);
    stage.hold = is_launch;
    stage.rolling_replace(1);
    stage.exit(2);
    stage.rm(2, 1, &["server3"]);
    stage.cordon(3, "server4");
    assert_eq!(rolling(&stage).last(), Some(&("running", 3, 4)));
    stage.release();
    stage.pass(5 * SECOND);
    assert_eq!(rolling(&stage).last(), Some(&("done", 4, 4)));
    assert_eq!((stage.handovers().len(), stage.names().len()), (1, 2));
}

#[test]
fn a_rolling_replacement_of_no_replica_ends_at_once() {
    let mut stage = Stage::ready(1);
    stage.cordon(1, "server1");
    stage.rolling_replace(2);
    assert!(stage.reply(2).unwrap().is_ok());
    assert_eq!((rolling(&stage), stage.fleet.view().rolling), (vec![], None));
}
