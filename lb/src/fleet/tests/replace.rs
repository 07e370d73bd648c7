//! One replica replaced by hand, and all of them, one after the other.

use super::*;

impl Stage {
    fn replace(&mut self, call: u64, name: &str) {
        self.feed(Event::Replace { call: CallId(call), name: name.parse().unwrap() });
    }

    fn roll(&mut self, call: u64) {
        self.feed(Event::RollingReplace { call: CallId(call) });
    }
}

fn handovers(stage: &Stage) -> Vec<(u64, u64)> {
    let handover = |change| match change {
        Change::Handover { to, from } => Some((to.incarnation.0, from.0)),
        _ => None,
    };
    stage.changes().into_iter().filter_map(handover).collect()
}

/// State, done and total of what is told of a rolling replacement.
fn rolling(stage: &Stage) -> Vec<(&'static str, usize, usize)> {
    let told = |(_, action): &(Duration, Action)| match action {
        Action::Tell(Transition { name: "rolling", now, progress, .. }) => {
            progress.map(|progress| (now.unwrap(), progress.done, progress.total))
        }
        _ => None,
    };
    stage.log.iter().filter_map(told).collect()
}

#[test]
fn the_new_one_is_ready_before_the_old_one_leaves() {
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
    assert_eq!((stage.names(), handovers(&stage)), (vec!["server1".into(), successor], vec![(3, 2)]));
    assert_eq!(stage.stops(), [], "it is busy");
    stage.feed(Event::Idle { router: RouterId(0), incarnation: Incarnation(2) });
    assert_eq!(stage.stops(), [(2, 10 * SECOND)]);
}

#[test]
fn one_that_does_not_get_ready_changes_nothing_and_is_not_tried_again() {
    let mut stage = Stage::ready(2);
    stage.broken = Some(Error::Refused("no such image".to_owned()));
    stage.replace(1, "server2");
    stage.pass(300 * SECOND);
    assert!(stage.refusal(1).to_string().ends_with("did not get ready: no such image"));
    assert_eq!((stage.names(), stage.launches().len()), (vec!["server1".into(), "server2".into()], 3));
}

#[test]
fn what_is_left_of_one_that_did_not_get_ready_is_cleared_away() {
    let mut stage = Stage::ready(2);
    stage.beats.insert(Incarnation(3), HeartbeatResult::Refused);
    stage.replace(1, "server2");
    stage.pass(31 * SECOND);
    assert!(matches!(stage.refusal(1), Refusal::NotReady { .. }));
    assert_eq!(stage.stops(), [(3, Duration::ZERO)]);
    assert_eq!((stage.fleet.members.len(), stage.names().len()), (2, 2));
}

#[test]
fn a_drained_one_hands_its_seat_over_dead_or_alive() {
    for dead in [false, true] {
        let mut stage = Stage::ready(2);
        stage.drain(1, "server2");
        if dead {
            stage.exit(2);
        }
        stage.replace(2, "server2");
        stage.pass(SECOND);
        assert_eq!(stage.about(2).unwrap().0, 2);
        assert_eq!((stage.names().len(), stage.fleet.members.len()), (2, 2));
        assert_eq!(handovers(&stage).len(), usize::from(!dead));
        assert_eq!(stage.drained(), []);
    }
}

#[test]
fn a_drained_one_whose_successor_fails_stays_drained() {
    let mut stage = Stage::ready(2);
    stage.drain(1, "server2");
    stage.broken = Some(Error::Refused("no".to_owned()));
    stage.replace(2, "server2");
    assert!(matches!(stage.refusal(2), Refusal::NotReady { .. }));
    stage.pass(300 * SECOND);
    assert_eq!(stage.launches().len(), 3);
    stage.undrain(3, "server2");
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
fn while_it_is_under_way_nothing_else_is_done_to_it_but_rm() {
    let mut stage = Stage::ready(2);
    stage.hold = is_launch;
    stage.replace(1, "server2");
    stage.drain(2, "server2");
    stage.replace(3, "server2");
    for call in [2, 3] {
        assert_eq!(stage.refusal(call).to_string(), "Replica 'server2' is being replaced");
    }
    stage.rm(4, 1, &["server2"]);
    stage.release();
    stage.pass(SECOND);
    assert_eq!(stage.reply(4), Some(Ok(vec!["server1".to_owned()])));
    assert_eq!(stage.refusal(1).to_string(), "There is no seat 2");
    assert_eq!(stage.fleet.members.len(), 1);
}

#[test]
fn nobody_waits_for_ever() {
    let mut stage = Stage::ready(2);
    stage.hold = is_launch;
    stage.replace(1, "server2");
    stage.feed(Event::Close);
    assert_eq!(stage.refusal(1), Refusal::Stopping);

    let mut stage = Stage::ready(2);
    for call in 1..=5 {
        let last = stage.names().pop().unwrap();
        stage.replace(call, &last);
        stage.pass(SECOND);
        assert!(call == 5 || stage.reply(call).unwrap().is_ok());
    }
    assert_eq!(stage.reply(5), None, "five launches in 60 s are enough");
    stage.feed(Event::Conflict { container: "x".to_owned() });
    assert_eq!(stage.refusal(5), Refusal::Conflict);
}

#[test]
fn somebody_elses_cannot_be_replaced() {
    let upstreams = vec!["one=one:80".parse().unwrap()];
    let mut stage = Stage::new(Settings { ownership: Ownership::Foreign, upstreams, ..settings() });
    stage.feed(Event::Listed(Vec::new()));
    stage.pass(SECOND);
    stage.replace(1, "one");
    stage.roll(2);
    assert_eq!((stage.refusal(1), stage.refusal(2)), (Refusal::NotOurs, Refusal::NotOurs));
}

#[test]
fn all_are_replaced_one_after_the_other_and_it_is_told() {
    let mut stage = Stage::ready(3);
    stage.hold = is_launch;
    stage.roll(1);
    assert!(stage.reply(1).unwrap().is_ok());
    stage.pass(5 * SECOND);
    assert_eq!(stage.launches().len(), 4, "one at a time");
    stage.roll(2);
    assert_eq!(stage.refusal(2).to_string(), "A rolling replacement is under way: 0 of 3 are done");
    stage.release();
    stage.pass(5 * SECOND);
    assert_eq!(handovers(&stage), [(4, 1), (5, 2), (6, 3)]);
    let told = [("running", 0, 3), ("running", 1, 3), ("running", 2, 3), ("done", 3, 3)];
    assert_eq!(rolling(&stage), told);
    assert!(stage.names().iter().all(|text| is_random(&name(text))));
    assert_eq!((stage.fleet.members.len(), stage.fleet.view().rolling), (3, None));
}

#[test]
fn it_stops_when_a_new_one_does_not_get_ready() {
    let mut stage = Stage::ready(3);
    stage.hold = is_launch;
    stage.roll(1);
    stage.release();
    stage.broken = Some(Error::Refused("no such image".to_owned())); // of the second
    stage.pass(300 * SECOND);
    let told = rolling(&stage);
    assert_eq!(told.last(), Some(&("stopped", 1, 3)));
    assert_eq!(stage.names().len(), 3);
    let launched = stage.launches().len();
    stage.broken = None;
    stage.pass(60 * SECOND);
    assert_eq!(stage.launches().len(), launched, "it does not go on by itself");
    stage.roll(2);
    stage.pass(10 * SECOND);
    assert_eq!(rolling(&stage).last(), Some(&("done", 3, 3)));
}

#[test]
fn who_dies_leaves_or_is_drained_meanwhile_is_done() {
    let mut stage = Stage::ready(4);
    stage.hold = is_launch;
    stage.roll(1);
    stage.exit(2);
    stage.rm(2, 1, &["server3"]);
    stage.drain(3, "server4");
    assert_eq!(rolling(&stage).last(), Some(&("running", 3, 4)));
    stage.release();
    stage.pass(5 * SECOND);
    assert_eq!(rolling(&stage).last(), Some(&("done", 4, 4)));
    assert_eq!((handovers(&stage).len(), stage.names().len()), (1, 2));
}

#[test]
fn nobody_is_rolled_at_once() {
    let mut stage = Stage::ready(1);
    stage.drain(1, "server1");
    stage.roll(2);
    assert!(stage.reply(2).unwrap().is_ok());
    assert_eq!((rolling(&stage), stage.fleet.view().rolling), (vec![], None));
}
