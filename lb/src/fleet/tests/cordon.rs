//! Cordon: drain and undrain by a call.

use super::*;

fn cordoned(n: usize) -> Stage {
    let mut stage = Stage::ready(n);
    stage.cordon(1, "server2");
    assert_eq!(stage.about(1), Ok((2, "server2".to_owned())));
    stage
}

impl Stage {
    /// Seat, name and phase of each cordoned replica.
    pub(super) fn cordoned(&self) -> Vec<(u32, String, Phase)> {
        let cordoned = self.fleet.view().others.into_iter().filter(|other| other.cordoned);
        cordoned.map(|other| (other.seat.get(), other.name.to_string(), other.phase)).collect()
    }
}

#[test]
fn a_cordoned_replica_lives_outside_the_ring_and_its_seat_stays_vacant() {
    let mut stage = cordoned(3);
    assert_eq!(stage.names(), ["server1", "server3"]);
    assert_eq!(stage.seats()[1], (2, None));
    assert_eq!(stage.cordoned(), [(2, "server2".to_owned(), Phase::Draining)]);
    let launched = stage.launches().len();
    let heartbeats =
        stage.times(|action| matches!(action, Action::Heartbeat(replica) if replica.incarnation.0 == 2));
    stage.pass(120 * SECOND);
    let later =
        stage.times(|action| matches!(action, Action::Heartbeat(replica) if replica.incarnation.0 == 2));
    assert!(later.len() > heartbeats.len() + 200, "its heartbeats go on");
    assert_eq!((stage.launches().len(), stage.stops(), stage.names().len()), (launched, vec![], 2));
    assert_eq!(stage.fleet.view().target, 3);
}

#[test]
fn undrain_gives_the_seat_back_to_the_same_replica() {
    let mut stage = cordoned(3);
    stage.hold = is_ring;
    stage.uncordon(2, "server2");
    assert_eq!((stage.reply(2), stage.names().len()), (None, 2), "unanswered before it is routed to");
    stage.release();
    assert_eq!(stage.about(2), Ok((2, "server2".to_owned())));
    assert_eq!(stage.seats()[1], (2, Some((2, Phase::Ready))));
    assert!(matches!(stage.changes().last(), Some(Change::Occupy(replica)) if replica.incarnation.0 == 2));
    assert_eq!(stage.fleet.view().others, []);
    stage.exit(2);
    stage.pass(SECOND);
    assert_eq!((stage.names().len(), stage.fleet.members.len()), (3, 3), "its replacement works as before");
}

#[test]
fn heartbeats_missed_while_cordoned_do_not_count() {
    let mut stage = cordoned(2);
    stage.hang(2);
    stage.pass(60 * SECOND);
    stage.uncordon(2, "server2");
    assert_eq!(stage.about(2), Ok((2, "server2".to_owned())));
    let phase = |stage: &Stage| stage.seats()[1].1;
    stage.pass(SECOND);
    assert_eq!(phase(&stage), Some((2, Phase::Ready)), "one was missed since");
    stage.heartbeats.remove(&Incarnation(2));
    stage.pass(60 * SECOND);
    assert_eq!((phase(&stage), stage.launches().len()), (Some((2, Phase::Ready)), 2));
}

#[test]
fn calls_that_cannot_cordon_or_undrain_state_the_reason() {
    let mut stage = cordoned(3);
    for (call, steer, name, why) in [
        (2, Stage::cordon as fn(&mut Stage, u64, &str), "nobody", "There is no replica 'nobody'"),
        (3, Stage::uncordon, "nobody", "There is no replica 'nobody'"),
        (4, Stage::cordon, "server2", "Replica 'server2' is drained already"),
        (5, Stage::uncordon, "server1", "Replica 'server1' is not drained"),
    ] {
        steer(&mut stage, call, name);
        assert_eq!(stage.error(call).to_string(), why);
    }
    stage.hold = is_ring;
    stage.cordon(6, "server1");
    stage.uncordon(7, "server1");
    assert_eq!(stage.error(7).to_string(), "Replica 'server1' is leaving: wait until it is draining");
    stage.release();
    stage.hold = is_launch;
    stage.exit(3);
    let starting = stage.launches().pop().unwrap().name.to_string();
    stage.cordon(8, &starting);
    let why = format!("Replica '{starting}' is starting: only one that is ready or suspect can be drained");
    assert_eq!(stage.error(8).to_string(), why);
    stage.feed(Event::Close);
    stage.uncordon(9, "server2");
    assert_eq!(stage.error(9), CommandError::Stopping);
}

#[test]
fn a_cordoned_replica_that_dies_is_not_restarted_before_undrain() {
    let mut stage = cordoned(2);
    stage.exit(2);
    stage.pass(300 * SECOND);
    assert_eq!((stage.names(), stage.launches().len()), (vec!["server1".to_owned()], 2));
    assert_eq!(stage.cordoned(), [(2, "server2".to_owned(), Phase::Dead)]);
    assert_eq!(stage.seats()[1], (2, None));
    stage.uncordon(2, "server2");
    stage.pass(SECOND);
    let (seat, successor) = stage.about(2).unwrap();
    assert_eq!((seat, is_random(&name(&successor))), (2, true));
    assert_eq!((stage.names(), stage.fleet.members.len()), (vec!["server1".to_owned(), successor], 2));
}

#[test]
fn the_last_replica_can_be_cordoned() {
    let mut stage = Stage::ready(1);
    stage.cordon(1, "server1");
    assert_eq!(stage.reply(1), Some(Ok(Vec::new())));
    assert!(!stage.fleet.is_ready());
    stage.uncordon(2, "server1");
    assert!(stage.fleet.is_ready());
}

#[test]
fn rm_prefers_a_cordoned_replica_and_waits_for_its_requests() {
    for named in [&["server2"][..], &[]] {
        let mut stage = Stage::ready(3);
        stage.busy = vec![(RouterId(0), Incarnation(2))];
        stage.cordon(1, "server2");
        stage.busy.clear();
        stage.rm(2, 1, named);
        assert_eq!(stage.reply(2).unwrap().unwrap(), ["server1", "server3"]);
        assert!(matches!(stage.changes().last(), Some(Change::Leave(_))));
        assert_eq!(stage.last_change().0.len(), 1);
        assert_eq!(stage.stops(), [], "a request is in flight since before");
        stage.feed(Event::Router { router: RouterId(0), event: RouterEvent::Idle(Incarnation(2)) });
        assert_eq!(stage.stops(), [(2, 10 * SECOND)]);
        stage.add(3, 1, &["server2"]);
        stage.pass(SECOND);
        assert_eq!(stage.reply(3).unwrap().unwrap(), ["server1", "server2", "server3"]);
    }
}

#[test]
fn the_name_of_a_cordoned_replica_is_taken() {
    let mut stage = cordoned(2);
    stage.add(2, 1, &["server2"]);
    assert_eq!(stage.error(2), CommandError::Exists(name("server2")));
}

#[test]
fn a_replica_that_dies_before_all_routers_acknowledge_is_cordoned() {
    let mut stage = Stage::ready(2);
    stage.hold = is_ring;
    stage.cordon(1, "server2");
    stage.exit(2);
    stage.release();
    assert_eq!(stage.about(1), Ok((2, "server2".to_owned())));
    stage.pass(60 * SECOND);
    assert_eq!((stage.names().len(), stage.launches().len()), (1, 2));
}

#[test]
fn a_replica_that_dies_during_undrain_is_replaced() {
    let mut stage = cordoned(2);
    stage.hold = is_ring;
    stage.uncordon(2, "server2");
    stage.exit(2);
    stage.release();
    stage.pass(SECOND);
    assert_ne!(stage.about(2).unwrap().1, "server2");
    assert_eq!(stage.names().len(), 2);
}

#[test]
fn a_rollout_does_not_wait_for_a_cordoned_seat() {
    let mut stage = cordoned(3);
    stage.fleet.members.get_mut(&Incarnation(3)).unwrap().make_outdated();
    stage.pass(SECOND);
    assert_eq!(stage.launches().last().unwrap().seat, seat(3));
}

#[test]
fn with_keep_cordoned_replicas_outlive_the_balancer_too() {
    let mut stage = Stage::new(Settings { keep: true, ..settings() });
    stage.feed(Event::Listed(Vec::new()));
    stage.pass(SECOND);
    stage.cordon(1, "server2");
    stage.feed(Event::Stop);
    assert_eq!(stage.stops(), []);
}

#[test]
fn an_external_server_can_be_cordoned_and_is_retried_after_its_death() {
    let upstreams = ["one=one:80", "two=two:80"].map(|text| text.parse().unwrap()).to_vec();
    let mut stage = Stage::new(Settings { ownership: Ownership::External, upstreams, ..settings() });
    stage.feed(Event::Listed(Vec::new()));
    stage.pass(SECOND);
    stage.cordon(1, "two");
    assert_eq!(stage.names(), ["one"]);
    stage.heartbeats.insert(Incarnation(2), HeartbeatResult::Refused);
    stage.pass(10 * SECOND);
    assert_eq!((stage.launches().len(), stage.cordoned()), (2, vec![(2, "two".to_owned(), Phase::Dead)]));
    stage.uncordon(2, "two");
    stage.pass(SECOND);
    assert_eq!(stage.about(2), Ok((2, "two".to_owned())));
    assert_eq!(stage.names(), ["one", "two"]);
}
