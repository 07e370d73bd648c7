//! Cordon: drain and undrain by a call.

use super::*;

fn cordoned(n: usize) -> Scenario {
    let mut scenario = Scenario::ready(n);
    scenario.cordon(1, "server2");
    assert_eq!(scenario.about(1), Ok((2, "server2".to_owned())));
    scenario
}

impl Scenario {
    /// Seat, name and phase of each cordoned replica.
    pub(super) fn cordoned(&self) -> Vec<(u32, String, Phase)> {
        let cordoned = self.fleet.view().others.into_iter().filter(|other| other.cordoned);
        cordoned.map(|other| (other.seat.get(), other.name.to_string(), other.phase)).collect()
    }
}

#[test]
fn a_cordoned_replica_lives_outside_the_ring_and_its_seat_stays_vacant() {
    let mut scenario = cordoned(3);
    assert_eq!(scenario.names(), ["server1", "server3"]);
    assert_eq!(scenario.seats()[1], (2, None));
    assert_eq!(scenario.cordoned(), [(2, "server2".to_owned(), Phase::Draining)]);
    let launched = scenario.launches().len();
    let heartbeats =
        scenario.times(|action| matches!(action, Action::Heartbeat(replica) if replica.incarnation.0 == 2));
    scenario.pass(120 * SECOND);
    let later =
        scenario.times(|action| matches!(action, Action::Heartbeat(replica) if replica.incarnation.0 == 2));
    assert!(later.len() > heartbeats.len() + 200, "its heartbeats go on");
    assert_eq!((scenario.launches().len(), scenario.stops(), scenario.names().len()), (launched, vec![], 2));
    assert_eq!(scenario.fleet.view().target, 3);
}

#[test]
fn undrain_gives_the_seat_back_to_the_same_replica() {
    let mut scenario = cordoned(3);
    scenario.hold = is_ring;
    scenario.uncordon(2, "server2");
    assert_eq!((scenario.reply(2), scenario.names().len()), (None, 2), "unanswered before it is routed to");
    scenario.release();
    assert_eq!(scenario.about(2), Ok((2, "server2".to_owned())));
    assert_eq!(scenario.seats()[1], (2, Some((2, Phase::Ready))));
    assert!(matches!(scenario.changes().last(), Some(Change::Occupy(replica)) if replica.incarnation.0 == 2));
    assert_eq!(scenario.fleet.view().others, []);
    scenario.exit(2);
    scenario.pass(SECOND);
    assert_eq!(
        (scenario.names().len(), scenario.fleet.members.len()),
        (3, 3),
        "its replacement works as before"
    );
}

#[test]
fn heartbeats_missed_while_cordoned_do_not_count() {
    let mut scenario = cordoned(2);
    scenario.hang(2);
    scenario.pass(60 * SECOND);
    scenario.uncordon(2, "server2");
    assert_eq!(scenario.about(2), Ok((2, "server2".to_owned())));
    let phase = |scenario: &Scenario| scenario.seats()[1].1;
    scenario.pass(SECOND);
    assert_eq!(phase(&scenario), Some((2, Phase::Ready)), "one was missed since");
    scenario.heartbeats.remove(&Incarnation(2));
    scenario.pass(60 * SECOND);
    assert_eq!((phase(&scenario), scenario.launches().len()), (Some((2, Phase::Ready)), 2));
}

#[test]
fn calls_that_cannot_cordon_or_undrain_state_the_reason() {
    let mut scenario = cordoned(3);
    for (call, steer, name, why) in [
        (2, Scenario::cordon as fn(&mut Scenario, u64, &str), "absent", "There is no replica 'absent'"),
        (3, Scenario::uncordon, "absent", "There is no replica 'absent'"),
        (4, Scenario::cordon, "server2", "Replica 'server2' is drained already"),
        (5, Scenario::uncordon, "server1", "Replica 'server1' is not drained"),
    ] {
        steer(&mut scenario, call, name);
        assert_eq!(scenario.error(call).to_string(), why);
    }
    scenario.hold = is_ring;
    scenario.cordon(6, "server1");
    scenario.uncordon(7, "server1");
    assert_eq!(scenario.error(7).to_string(), "Replica 'server1' is leaving: wait until it is draining");
    scenario.release();
    scenario.hold = is_launch;
    scenario.exit(3);
    let starting = scenario.launches().pop().unwrap().name.to_string();
    scenario.cordon(8, &starting);
    let why = format!("Replica '{starting}' is starting: only one that is ready or suspect can be drained");
    assert_eq!(scenario.error(8).to_string(), why);
    scenario.dispatch(Event::Close);
    scenario.uncordon(9, "server2");
    assert_eq!(scenario.error(9), CommandError::Stopping);
}

#[test]
fn a_cordoned_replica_that_dies_is_not_restarted_before_undrain() {
    let mut scenario = cordoned(2);
    scenario.exit(2);
    scenario.pass(300 * SECOND);
    assert_eq!((scenario.names(), scenario.launches().len()), (vec!["server1".to_owned()], 2));
    assert_eq!(scenario.cordoned(), [(2, "server2".to_owned(), Phase::Dead)]);
    assert_eq!(scenario.seats()[1], (2, None));
    scenario.uncordon(2, "server2");
    scenario.pass(SECOND);
    let (seat, successor) = scenario.about(2).unwrap();
    assert_eq!((seat, is_random(&name(&successor))), (2, true));
    assert_eq!((scenario.names(), scenario.fleet.members.len()), (vec!["server1".to_owned(), successor], 2));
}

#[test]
fn the_last_replica_can_be_cordoned() {
    let mut scenario = Scenario::ready(1);
    scenario.cordon(1, "server1");
    assert_eq!(scenario.reply(1), Some(Ok(Vec::new())));
    assert!(!scenario.fleet.is_ready());
    scenario.uncordon(2, "server1");
    assert!(scenario.fleet.is_ready());
}

#[test]
fn rm_prefers_a_cordoned_replica_and_waits_for_its_requests() {
    for named in [&["server2"][..], &[]] {
        let mut scenario = Scenario::ready(3);
        scenario.busy = vec![(RouterId(0), Incarnation(2))];
        scenario.cordon(1, "server2");
        scenario.busy.clear();
        scenario.rm(2, 1, named);
        assert_eq!(scenario.reply(2).unwrap().unwrap(), ["server1", "server3"]);
        assert!(matches!(scenario.changes().last(), Some(Change::Leave(_))));
        assert_eq!(scenario.last_change().0.len(), 1);
        assert_eq!(scenario.stops(), [], "a request is in flight since before");
        scenario.dispatch(Event::Router { router: RouterId(0), event: RouterEvent::Idle(Incarnation(2)) });
        assert_eq!(scenario.stops(), [(2, 10 * SECOND)]);
        scenario.add(3, 1, &["server2"]);
        scenario.pass(SECOND);
        assert_eq!(scenario.reply(3).unwrap().unwrap(), ["server1", "server2", "server3"]);
    }
}

#[test]
fn the_name_of_a_cordoned_replica_is_taken() {
    let mut scenario = cordoned(2);
    scenario.add(2, 1, &["server2"]);
    assert_eq!(scenario.error(2), CommandError::Exists(name("server2")));
}

#[test]
fn a_replica_that_dies_before_all_routers_acknowledge_is_cordoned() {
    let mut scenario = Scenario::ready(2);
    scenario.hold = is_ring;
    scenario.cordon(1, "server2");
    scenario.exit(2);
    scenario.release();
    assert_eq!(scenario.about(1), Ok((2, "server2".to_owned())));
    scenario.pass(60 * SECOND);
    assert_eq!((scenario.names().len(), scenario.launches().len()), (1, 2));
}

#[test]
fn a_replica_that_dies_during_undrain_is_replaced() {
    let mut scenario = cordoned(2);
    scenario.hold = is_ring;
    scenario.uncordon(2, "server2");
    scenario.exit(2);
    scenario.release();
    scenario.pass(SECOND);
    assert_ne!(scenario.about(2).unwrap().1, "server2");
    assert_eq!(scenario.names().len(), 2);
}

#[test]
fn a_rollout_does_not_wait_for_a_cordoned_seat() {
    let mut scenario = cordoned(3);
    scenario.fleet.members.get_mut(&Incarnation(3)).unwrap().make_outdated();
    scenario.pass(SECOND);
    assert_eq!(scenario.launches().last().unwrap().seat, seat(3));
}

#[test]
fn with_keep_cordoned_replicas_outlive_the_balancer_too() {
    let mut scenario = Scenario::new(Settings { keep: true, ..settings() });
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.pass(SECOND);
    scenario.cordon(1, "server2");
    scenario.dispatch(Event::Stop);
    assert_eq!(scenario.stops(), []);
}

#[test]
fn an_external_server_can_be_cordoned_and_is_retried_after_its_death() {
    let upstreams = ["one=one:80", "two=two:80"].map(|text| text.parse().unwrap()).to_vec();
    let mut scenario = Scenario::new(Settings { ownership: Ownership::External, upstreams, ..settings() });
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.pass(SECOND);
    scenario.cordon(1, "two");
    assert_eq!(scenario.names(), ["one"]);
    scenario.heartbeats.insert(Incarnation(2), HeartbeatResult::Refused);
    scenario.pass(10 * SECOND);
    assert_eq!(
        (scenario.launches().len(), scenario.cordoned()),
        (2, vec![(2, "two".to_owned(), Phase::Dead)])
    );
    scenario.uncordon(2, "two");
    scenario.pass(SECOND);
    assert_eq!(scenario.about(2), Ok((2, "two".to_owned())));
    assert_eq!(scenario.names(), ["one", "two"]);
}
