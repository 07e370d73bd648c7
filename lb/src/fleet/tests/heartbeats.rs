//! Heartbeats: replicas that are suspect, hung or dead, and causes that only look like it.

use super::*;

#[test]
fn three_missed_heartbeats_make_a_suspect_that_is_still_listed_and_a_good_one_clears_it() {
    let mut scenario = Scenario::ready(2);
    scenario.hang(1);
    scenario.pass(SECOND);
    assert_eq!(scenario.seats()[0], (1, Some((1, Phase::Ready))));
    scenario.pass(SECOND / 2);
    assert_eq!(scenario.seats()[0], (1, Some((1, Phase::Suspect))));
    assert_eq!(scenario.names().len(), 2);
    scenario.heartbeats.clear();
    scenario.pass(SECOND / 2);
    assert_eq!(scenario.seats()[0], (1, Some((1, Phase::Ready))));
}

#[test]
fn dead_replicas_are_replaced_in_their_seats_under_random_names() {
    let mut scenario = Scenario::ready(3);
    scenario.exit(2);
    assert_eq!(scenario.changes().last(), Some(&Change::Vacate(seat(2))));
    assert_eq!(scenario.names(), ["server1", "server3"]);
    scenario.pass(SECOND);
    let replacement = scenario.launches()[3].clone();
    assert_eq!((replacement.seat, replacement.incarnation), (seat(2), Incarnation(4)));
    assert!(is_random(&replacement.name), "{}", replacement.name);
    assert_eq!(scenario.names(), ["server1", replacement.name.as_str(), "server3"]);
    assert_eq!(scenario.fleet.view().target, 3);
}

#[test]
fn a_refused_connection_means_death() {
    let mut scenario = Scenario::ready(2);
    scenario.heartbeats.insert(Incarnation(1), HeartbeatResult::Refused);
    scenario.pass(SECOND / 2);
    assert_eq!(scenario.changes()[3], Change::Vacate(seat(1)));
    scenario.pass(SECOND);
    assert_eq!(scenario.seats()[0], (1, Some((3, Phase::Ready))));
    assert_eq!(scenario.stops(), [(1, Duration::ZERO)]);
}

#[test]
fn a_replica_silent_on_both_paths_for_replace_after_is_replaced() {
    let mut scenario = Scenario::ready(3);
    let hung_since = scenario.now;
    scenario.hang(3);
    scenario.pass(4 * SECOND);
    let vacated =
        scenario.times(|action| matches!(action, Action::Ring { change: Change::Vacate(_), .. }))[0];
    let after = scenario.start + vacated - hung_since;
    assert!((2400 * MS..=3500 * MS).contains(&after), "{after:?}");
    assert_eq!(scenario.seats()[2], (3, Some((4, Phase::Ready))));
}

#[test]
fn one_missed_heartbeat_never_means_death_however_long_the_interval() {
    let mut scenario = Scenario::new(Settings { replicas: 1, heartbeat_interval: 60 * SECOND, ..settings() });
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.pass(SECOND);
    scenario.hang(1);
    scenario.pass(130 * SECOND);
    assert_eq!(scenario.seats(), [(1, Some((1, Phase::Ready)))]);
}

#[test]
fn heartbeats_of_a_starved_machine_are_void() {
    let mut scenario = Scenario::ready(2);
    scenario.hang(1);
    scenario.pass(900 * MS);
    assert_eq!(scenario.seats()[0], (1, Some((1, Phase::Ready))));
    scenario.hold = |action| matches!(action, Action::Heartbeat(_));
    scenario.pass(SECOND / 2);
    // For a minute no event arrives (a starved machine), and the heartbeats under way time out.
    scenario.now += 60 * SECOND;
    scenario.release();
    assert_eq!(scenario.seats()[0], (1, Some((1, Phase::Ready))));
    scenario.heartbeats.clear();
    scenario.pass(SECOND);
    assert_eq!(scenario.seats(), [(1, Some((1, Phase::Ready))), (2, Some((2, Phase::Ready)))]);
    assert_eq!(scenario.launches().len(), 2);
}

#[test]
fn router_reports_from_before_a_starvation_are_void() {
    let mut scenario = Scenario::ready(3);
    scenario.hang(1);
    scenario.hold = |action| matches!(action, Action::Inquire(_));
    scenario.pass(4 * SECOND);
    assert_eq!(scenario.held.len(), 1, "one inquiry at a time");
    let before = scenario.now;
    scenario.now += 10 * SECOND;
    let activity = Activity { last_progress: Some(before), waiting_since: None };
    scenario.dispatch(Event::InquiryResult {
        incarnation: Incarnation(1),
        activity: Some(activity),
        suspended: Some(false),
    });
    assert_eq!(scenario.seats()[0], (1, Some((1, Phase::Suspect))));
}

#[test]
fn starvation_prolongs_the_time_to_start() {
    let mut scenario = Scenario::new(Settings { replicas: 1, ..settings() });
    scenario.heartbeats.insert(Incarnation(1), HeartbeatResult::Refused);
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.pass(29 * SECOND);
    scenario.now += 20 * SECOND;
    scenario.dispatch(Event::Tick);
    assert_eq!(scenario.launches().len(), 1);
    scenario.pass(2 * SECOND);
    assert_eq!(scenario.launches().len(), 2);
}

#[test]
fn if_most_of_the_fleet_hangs_it_is_replaced_one_at_a_time() {
    let mut scenario = Scenario::ready(3);
    scenario.hold = is_launch;
    (1..=3).for_each(|incarnation| scenario.hang(incarnation));
    scenario.pass(20 * SECOND);
    assert_eq!(scenario.names().len(), 2);
    assert_eq!(scenario.launches().len(), 4);
    scenario.release();
    scenario.pass(5 * SECOND);
    assert_eq!(scenario.launches().len(), 6);
    assert!(scenario.seats().iter().all(|(_, of)| of.is_some_and(|(_, phase)| phase == Phase::Ready)));
}

#[test]
fn half_of_the_fleet_may_be_replaced_at_once() {
    let mut scenario = Scenario::ready(4);
    scenario.hold = is_launch;
    scenario.hang(1);
    scenario.hang(2);
    scenario.pass(4 * SECOND);
    assert_eq!(scenario.launches().len(), 6);
}

#[test]
fn an_ejection_only_brings_the_next_heartbeat_forward() {
    let mut scenario = Scenario::ready(3);
    let heartbeats =
        |scenario: &Scenario| scenario.times(|action| matches!(action, Action::Heartbeat(_))).len();
    scenario.pass(100 * MS);
    let before = heartbeats(&scenario);
    scenario.dispatch(suspected(2));
    assert_eq!(heartbeats(&scenario), before + 1);
    assert_eq!(scenario.names().len(), 3);
    scenario.heartbeats.insert(Incarnation(2), HeartbeatResult::Refused);
    scenario.dispatch(suspected(2));
    assert_eq!(scenario.changes().last(), Some(&Change::Vacate(seat(2))));
    scenario.dispatch(suspected(99));
}

#[test]
fn an_ejection_is_published() {
    let mut scenario = Scenario::ready(2);
    scenario.dispatch(suspected(2));
    let published =
        |action: &Action| matches!(action, Action::Publish(of) if of.name == "ejected" && of.seat.get() == 2);
    assert_eq!(scenario.log.iter().filter(|(_, action)| published(action)).count(), 1);
}

fn suspected(incarnation: u64) -> Event {
    Event::Router { router: RouterId(0), event: RouterEvent::Ejected(Incarnation(incarnation)) }
}

#[test]
fn void_heartbeats_do_not_count_as_silence() {
    let mut scenario = Scenario::ready(3);
    for incarnation in 1..=3 {
        scenario
            .heartbeats
            .insert(Incarnation(incarnation), HeartbeatResult::Void("Too many open files".to_owned()));
    }
    scenario.pass(60 * SECOND);
    assert_eq!(scenario.seats()[0], (1, Some((1, Phase::Ready))));
    // From now on the replica is silent, and has the whole of --replace-after.
    let silent_since = scenario.now;
    scenario.heartbeats.clear();
    scenario.hang(1);
    scenario.pass(2 * SECOND);
    assert_eq!(scenario.seats()[0], (1, Some((1, Phase::Suspect))));
    scenario.pass(2 * SECOND);
    let vacated =
        scenario.times(|action| matches!(action, Action::Ring { change: Change::Vacate(_), .. }))[0];
    let after = scenario.start + vacated - silent_since;
    assert!((2400 * MS..=3500 * MS).contains(&after), "{after:?}");
}

#[test]
fn a_suspect_replica_does_not_die_of_void_heartbeats() {
    let mut scenario = Scenario::ready(3);
    scenario.hang(1);
    scenario.pass(2 * SECOND);
    scenario.heartbeats.insert(Incarnation(1), HeartbeatResult::Void("Too many open files".to_owned()));
    scenario.pass(60 * SECOND);
    assert_eq!(scenario.seats()[0], (1, Some((1, Phase::Suspect))));
    scenario.heartbeats.clear();
    scenario.pass(SECOND);
    assert_eq!(scenario.seats()[0], (1, Some((1, Phase::Ready))));
}
