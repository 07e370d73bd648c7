//! Heartbeats: replicas that are suspect, hung or dead, and causes that only look like it.

use super::*;

#[test]
fn three_missed_heartbeats_make_a_suspect_that_is_still_listed_and_a_good_one_clears_it() {
    let mut stage = Stage::ready(2);
    stage.hang(1);
    stage.pass(SECOND);
    assert_eq!(stage.seats()[0], (1, Some((1, Phase::Ready))));
    stage.pass(SECOND / 2);
    assert_eq!(stage.seats()[0], (1, Some((1, Phase::Suspect))));
    assert_eq!(stage.names().len(), 2);
    stage.heartbeats.clear();
    stage.pass(SECOND / 2);
    assert_eq!(stage.seats()[0], (1, Some((1, Phase::Ready))));
}

#[test]
fn dead_replicas_are_replaced_in_their_seats_under_random_names() {
    let mut stage = Stage::ready(3);
    stage.exit(2);
    assert_eq!(stage.changes().last(), Some(&Change::Vacate(seat(2))));
    assert_eq!(stage.names(), ["server1", "server3"]);
    stage.pass(SECOND);
    let replacement = stage.launches()[3].clone();
    assert_eq!((replacement.seat, replacement.incarnation), (seat(2), Incarnation(4)));
    assert!(is_random(&replacement.name), "{}", replacement.name);
    assert_eq!(stage.names(), ["server1", replacement.name.as_str(), "server3"]);
    assert_eq!(stage.fleet.view().target, 3);
}

#[test]
fn a_refused_connection_means_death() {
    let mut stage = Stage::ready(2);
    stage.heartbeats.insert(Incarnation(1), HeartbeatResult::Refused);
    stage.pass(SECOND / 2);
    assert_eq!(stage.changes()[3], Change::Vacate(seat(1)));
    stage.pass(SECOND);
    assert_eq!(stage.seats()[0], (1, Some((3, Phase::Ready))));
    assert_eq!(stage.stops(), [(1, Duration::ZERO)]);
}

#[test]
fn a_replica_silent_on_both_paths_for_replace_after_is_replaced() {
    let mut stage = Stage::ready(3);
    let hung_since = stage.now;
    stage.hang(3);
    stage.pass(4 * SECOND);
    let vacated = stage.times(|action| matches!(action, Action::Ring { change: Change::Vacate(_), .. }))[0];
    let after = stage.start + vacated - hung_since;
    assert!((2400 * MS..=3500 * MS).contains(&after), "{after:?}");
    assert_eq!(stage.seats()[2], (3, Some((4, Phase::Ready))));
}

#[test]
fn one_missed_heartbeat_never_means_death_however_long_the_interval() {
    let mut stage = Stage::new(Settings { replicas: 1, heartbeat_interval: 60 * SECOND, ..settings() });
    stage.feed(Event::Listed(Vec::new()));
    stage.pass(SECOND);
    stage.hang(1);
    stage.pass(130 * SECOND);
    assert_eq!(stage.seats(), [(1, Some((1, Phase::Ready)))]);
}

#[test]
fn heartbeats_of_a_starved_machine_are_void() {
    let mut stage = Stage::ready(2);
    stage.hang(1);
    stage.pass(900 * MS);
    assert_eq!(stage.seats()[0], (1, Some((1, Phase::Ready))));
    stage.hold = |action| matches!(action, Action::Heartbeat(_));
    stage.pass(SECOND / 2);
    // For a minute no event arrives (a starved machine), and the heartbeats under way time out.
    stage.now += 60 * SECOND;
    stage.release();
    assert_eq!(stage.seats()[0], (1, Some((1, Phase::Ready))));
    stage.heartbeats.clear();
    stage.pass(SECOND);
    assert_eq!(stage.seats(), [(1, Some((1, Phase::Ready))), (2, Some((2, Phase::Ready)))]);
    assert_eq!(stage.launches().len(), 2);
}

#[test]
fn router_reports_from_before_a_starvation_are_void() {
    let mut stage = Stage::ready(3);
    stage.hang(1);
    stage.hold = |action| matches!(action, Action::Ask(_));
    stage.pass(4 * SECOND);
    assert_eq!(stage.held.len(), 1, "one inquiry at a time");
    let before = stage.now;
    stage.now += 10 * SECOND;
    let activity = Activity { last_progress: Some(before), waiting_since: None };
    stage.feed(Event::Answered {
        incarnation: Incarnation(1),
        activity: Some(activity),
        suspended: Some(false),
    });
    assert_eq!(stage.seats()[0], (1, Some((1, Phase::Suspect))));
}

#[test]
fn starvation_prolongs_the_time_to_start() {
    let mut stage = Stage::new(Settings { replicas: 1, ..settings() });
    stage.heartbeats.insert(Incarnation(1), HeartbeatResult::Refused);
    stage.feed(Event::Listed(Vec::new()));
    stage.pass(29 * SECOND);
    stage.now += 20 * SECOND;
    stage.feed(Event::Tick);
    assert_eq!(stage.launches().len(), 1);
    stage.pass(2 * SECOND);
    assert_eq!(stage.launches().len(), 2);
}

#[test]
fn if_most_of_the_fleet_hangs_it_is_replaced_one_at_a_time() {
    let mut stage = Stage::ready(3);
    stage.hold = is_launch;
    (1..=3).for_each(|incarnation| stage.hang(incarnation));
    stage.pass(20 * SECOND);
    assert_eq!(stage.names().len(), 2);
    assert_eq!(stage.launches().len(), 4);
    stage.release();
    stage.pass(5 * SECOND);
    assert_eq!(stage.launches().len(), 6);
    assert!(stage.seats().iter().all(|(_, of)| of.is_some_and(|(_, phase)| phase == Phase::Ready)));
}

#[test]
fn half_of_the_fleet_may_be_replaced_at_once() {
    let mut stage = Stage::ready(4);
    stage.hold = is_launch;
    stage.hang(1);
    stage.hang(2);
    stage.pass(4 * SECOND);
    assert_eq!(stage.launches().len(), 6);
}

#[test]
fn an_ejection_only_brings_the_next_heartbeat_forward() {
    let mut stage = Stage::ready(3);
    let heartbeats = |stage: &Stage| stage.times(|action| matches!(action, Action::Heartbeat(_))).len();
    stage.pass(100 * MS);
    let before = heartbeats(&stage);
    stage.feed(suspected(2));
    assert_eq!(heartbeats(&stage), before + 1);
    assert_eq!(stage.names().len(), 3);
    stage.heartbeats.insert(Incarnation(2), HeartbeatResult::Refused);
    stage.feed(suspected(2));
    assert_eq!(stage.changes().last(), Some(&Change::Vacate(seat(2))));
    stage.feed(suspected(99));
}

#[test]
fn an_ejection_is_published() {
    let mut stage = Stage::ready(2);
    stage.feed(suspected(2));
    let published =
        |action: &Action| matches!(action, Action::Tell(of) if of.name == "ejected" && of.seat.get() == 2);
    assert_eq!(stage.log.iter().filter(|(_, action)| published(action)).count(), 1);
}

fn suspected(incarnation: u64) -> Event {
    Event::Router { router: RouterId(0), event: RouterEvent::Ejected(Incarnation(incarnation)) }
}

#[test]
fn void_heartbeats_do_not_count_as_silence() {
    let mut stage = Stage::ready(3);
    for incarnation in 1..=3 {
        stage
            .heartbeats
            .insert(Incarnation(incarnation), HeartbeatResult::Void("Too many open files".to_owned()));
    }
    stage.pass(60 * SECOND);
    assert_eq!(stage.seats()[0], (1, Some((1, Phase::Ready))));
    // From now on the replica is silent, and has the whole of --replace-after.
    let silent_since = stage.now;
    stage.heartbeats.clear();
    stage.hang(1);
    stage.pass(2 * SECOND);
    assert_eq!(stage.seats()[0], (1, Some((1, Phase::Suspect))));
    stage.pass(2 * SECOND);
    let vacated = stage.times(|action| matches!(action, Action::Ring { change: Change::Vacate(_), .. }))[0];
    let after = stage.start + vacated - silent_since;
    assert!((2400 * MS..=3500 * MS).contains(&after), "{after:?}");
}

#[test]
fn a_suspect_replica_does_not_die_of_void_heartbeats() {
    let mut stage = Stage::ready(3);
    stage.hang(1);
    stage.pass(2 * SECOND);
    stage.heartbeats.insert(Incarnation(1), HeartbeatResult::Void("Too many open files".to_owned()));
    stage.pass(60 * SECOND);
    assert_eq!(stage.seats()[0], (1, Some((1, Phase::Suspect))));
    stage.heartbeats.clear();
    stage.pass(SECOND);
    assert_eq!(stage.seats()[0], (1, Some((1, Phase::Ready))));
}
