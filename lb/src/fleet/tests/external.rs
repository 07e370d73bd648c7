//! External servers: their seats, addresses and names, and live changes of their list.

use std::net::SocketAddr;

use super::*;
use crate::fleet::runtime::Upstream;

fn upstream(text: &str) -> Upstream {
    text.parse().unwrap()
}

fn external(upstreams: &[&str]) -> Settings {
    let upstreams = upstreams.iter().map(|text| upstream(text)).collect();
    Settings { ownership: Ownership::External, upstreams, ..settings() }
}

/// A start with these upstreams; the n-th launch has incarnation n and port 1000 + n.
fn started(upstreams: &[&str]) -> Scenario {
    let mut scenario = Scenario::new(external(upstreams));
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario
}

/// Three upstreams, none of which resolves at first.
fn scenario() -> Scenario {
    let mut scenario = Scenario::new(external(&["a=a.example:80", "b=b.example:80*50", "c=c.example:80"]));
    scenario.broken = Some(RuntimeError::Refused("does not resolve".to_owned()));
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.pass(10 * MS);
    assert_eq!(scenario.names(), Vec::<String>::new());
    scenario
}

fn ports(ports: &[u64]) -> Vec<SocketAddr> {
    ports.iter().map(|n| instance(*n).address).collect()
}

fn resolve(scenario: &mut Scenario, id: u32, authority: &str, addresses: Result<Vec<SocketAddr>, String>) {
    scenario.dispatch(Event::Runtime(RuntimeEvent::Resolved {
        seat: seat(id),
        id: authority.to_owned(),
        addresses,
    }));
}

fn seat_view(scenario: &Scenario, id: u32) -> SeatView {
    scenario.fleet.view().seats.into_iter().find(|view| view.seat == seat(id)).expect("a seat")
}

fn unreachable(scenario: &Scenario) -> Vec<(Option<String>, Option<String>)> {
    let of = |(_, action): &(Duration, Action)| match action {
        Action::Publish(Transition { name: "unreachable", replica, why, .. }) => {
            Some((replica.as_ref().map(Name::to_string), why.clone()))
        }
        _ => None,
    };
    scenario.log.iter().filter_map(of).collect()
}

fn assigned(scenario: &Scenario) -> Vec<(u32, Option<String>)> {
    let of = |(_, action): &(Duration, Action)| match action {
        Action::Assign { seat, upstream } => Some((seat.get(), upstream.as_ref().map(Upstream::to_string))),
        _ => None,
    };
    scenario.log.iter().filter_map(of).collect()
}

fn add_upstream(scenario: &mut Scenario, call: u64, text: &str) {
    scenario.call(call, Command::AddUpstream(upstream(text)));
}

fn remove_upstream(scenario: &mut Scenario, call: u64, called: &str) {
    scenario.call(call, Command::RemoveUpstream(name(called)));
}

#[test]
fn seats_follow_the_list_whatever_resolves() {
    let mut scenario = scenario();
    assert_eq!(assigned(&scenario).len(), 3);
    assert_eq!(assigned(&scenario)[1], (2, Some("b=b.example:80*50".to_owned())));
    let view = scenario.fleet.view();
    assert_eq!((view.target, view.external, view.others.len()), (3, true, 0));
    assert_eq!(view.seats[1].weight.get(), 50);
    assert!(view.seats.iter().all(|seat| seat.replica.is_none()));
    let b = &view.seats[1];
    assert_eq!(b.name.as_ref().map(Name::as_str), Some("b"));
    assert_eq!(b.upstream.as_deref(), Some("b.example:80"));
    let vacancy = Vacancy { reason: "does not resolve".into(), last_error: "does not resolve".into() };
    assert_eq!(b.vacancy, Some(vacancy));
    scenario.pass(20 * SECOND);
    assert_eq!(unreachable(&scenario).len(), 3, "published once for each, not with every attempt");
    assert_eq!(scenario.times(|action| *action == Action::Serving).len(), 0);
    scenario.broken = None;
    scenario.pass(SECOND);
    assert_eq!(scenario.names(), ["a", "b", "c"]);
    assert_eq!(scenario.times(|action| *action == Action::Serving).len(), 1);
    assert!(scenario.fleet.view().seats.iter().all(|seat| seat.vacancy.is_none()));
}

#[test]
fn an_unreachable_server_is_retried_every_interval_and_keeps_its_name_and_seat() {
    let mut scenario = scenario();
    scenario.broken = None;
    scenario.pass(SECOND);
    let Some((_, a)) = scenario.seats().first().copied() else { panic!("no seat") };
    let Some((a, _)) = a else { panic!("a is vacant") };
    let all = scenario.launches().len() as u64;
    scenario
        .heartbeats
        .extend((all + 1..all + 100).chain([a]).map(|n| (Incarnation(n), HeartbeatResult::Refused)));
    let launched = scenario.launches().len();
    scenario.pass(10 * SECOND);
    assert_eq!(scenario.names(), ["b", "c"]);
    let tried = scenario.launches()[launched..].iter().filter(|launch| launch.name == name("a")).count();
    assert!((15..=22).contains(&tried), "{tried}");
    let view = seat_view(&scenario, 1);
    assert_eq!((view.replica, view.name), (None, Some(name("a"))));
    let vacancy = view.vacancy.unwrap();
    assert_eq!(vacancy.reason, format!("127.0.0.1:{}: it refuses connections", 1000 + a));
    assert_ne!(vacancy.last_error, vacancy.reason, "the last error names the address that was tried last");
    assert_eq!(scenario.fleet.view().others, Vec::new());
    assert_eq!(scenario.fleet.view().target, 3);
    scenario.heartbeats.clear();
    scenario.pass(SECOND);
    assert_eq!(scenario.names(), ["a", "b", "c"]);
    assert_eq!(scenario.fleet.members.len(), 3);
}

#[test]
fn the_addresses_of_a_name_are_tried_one_after_the_other_without_a_pause() {
    let mut scenario = Scenario::new(external(&["a=a.example:80"]));
    scenario.heartbeats.extend([1, 2].map(|n| (Incarnation(n), HeartbeatResult::Refused)));
    scenario.hold = is_launch;
    scenario.dispatch(Event::Listed(Vec::new()));
    resolve(&mut scenario, 1, "a.example:80", Ok(ports(&[1, 2, 3])));
    scenario.release();
    scenario.pass(100 * MS);
    assert_eq!(scenario.names(), ["a"], "the third address serves");
    assert_eq!((scenario.launches().len(), unreachable(&scenario).len()), (3, 0));

    scenario.heartbeats.extend([3, 4, 5, 6].map(|n| (Incarnation(n), HeartbeatResult::Refused)));
    scenario.pass(500 * MS);
    assert_eq!(scenario.names(), Vec::<String>::new());
    assert_eq!(scenario.launches().len(), 6, "all three, then a pause");
    assert_eq!(unreachable(&scenario).len(), 1);
    scenario.pass(600 * MS);
    assert_eq!(scenario.names(), ["a"]);
}

#[test]
fn a_void_heartbeat_moves_on_to_the_next_address_and_is_shown_without_one() {
    let void = || HeartbeatResult::Void("too many open files".to_owned());
    let mut scenario = Scenario::new(external(&["a=a.example:80"]));
    scenario.heartbeats.insert(Incarnation(1), void());
    scenario.hold = is_launch;
    scenario.dispatch(Event::Listed(Vec::new()));
    resolve(&mut scenario, 1, "a.example:80", Ok(ports(&[1, 2])));
    scenario.release();
    scenario.pass(100 * MS);
    assert_eq!(
        (scenario.names(), scenario.launches().len()),
        (vec!["a".to_owned()], 2),
        "the second address serves"
    );

    let mut scenario = Scenario::new(external(&["a=a.example:80"]));
    scenario.heartbeats.insert(Incarnation(1), void());
    scenario.hold = is_launch;
    scenario.dispatch(Event::Listed(Vec::new()));
    resolve(&mut scenario, 1, "a.example:80", Ok(ports(&[1])));
    scenario.release();
    scenario.pass(5 * SECOND);
    assert_eq!(scenario.launches().len(), 1, "the only address is tried again");
    let vacancy = seat_view(&scenario, 1).vacancy.unwrap();
    assert_eq!(vacancy.last_error, "127.0.0.1:1001: too many open files");
    scenario.heartbeats.clear();
    scenario.pass(SECOND);
    assert_eq!((scenario.names(), seat_view(&scenario, 1).vacancy), (vec!["a".to_owned()], None));
}

#[test]
fn a_name_that_moves_is_followed_while_the_old_server_still_answers() {
    let mut scenario = started(&["a=a.example:80"]);
    resolve(&mut scenario, 1, "a.example:80", Ok(ports(&[1])));
    scenario.pass(SECOND);
    assert_eq!(scenario.seats(), [(1, Some((1, Phase::Ready)))]);
    scenario.heartbeats.insert(Incarnation(2), HeartbeatResult::Refused);
    scenario.busy = vec![(RouterId(1), Incarnation(1))];
    resolve(&mut scenario, 1, "a.example:80", Ok(ports(&[2, 3])));
    scenario.pass(SECOND);
    assert_eq!(scenario.seats(), [(1, Some((3, Phase::Ready)))], "the next address took over");
    assert_eq!(scenario.handovers().iter().filter(|(_, from)| *from == 1).count(), 1);
    assert!(!scenario.changes().iter().any(|change| matches!(change, Change::Vacate(_))), "never vacant");
    assert_eq!(scenario.fleet.view().others.len(), 1, "the old one finishes what it has");
    scenario.dispatch(Event::Router { router: RouterId(1), event: RouterEvent::Idle(Incarnation(1)) });
    assert_eq!((scenario.fleet.view().others.len(), scenario.stops()), (0, vec![]));
}

#[test]
fn the_old_server_serves_as_long_as_the_new_address_does_not_answer_or_the_name_does_not_resolve() {
    let mut scenario = started(&["a=a.example:80"]);
    resolve(&mut scenario, 1, "a.example:80", Ok(ports(&[1])));
    scenario.pass(SECOND);
    resolve(&mut scenario, 1, "a.example:80", Err("no answer".to_owned()));
    scenario.pass(10 * SECOND);
    assert_eq!((scenario.names(), scenario.launches().len()), (vec!["a".to_owned()], 1));
    scenario.heartbeats.extend((2..100).map(|n| (Incarnation(n), HeartbeatResult::Refused)));
    resolve(&mut scenario, 1, "a.example:80", Ok(ports(&[2])));
    scenario.pass(5 * SECOND);
    assert_eq!(scenario.seats(), [(1, Some((1, Phase::Ready)))]);
    assert_eq!(unreachable(&scenario).len(), 1);
    resolve(&mut scenario, 1, "a.example:80", Ok(ports(&[1, 2])));
    scenario.pass(SECOND);
    let launched = scenario.launches().len();
    scenario.pass(5 * SECOND);
    assert_eq!(scenario.launches().len(), launched, "the name has got its address back");
    resolve(&mut scenario, 1, "other.example:80", Ok(ports(&[9])));
    scenario.pass(SECOND);
    assert_eq!(scenario.launches().len(), launched, "the answer for another upstream does not count");
}

#[test]
fn adding_an_upstream_is_answered_when_it_serves_or_all_its_addresses_failed() {
    let mut scenario = started(&["a=a.example:80"]);
    scenario.pass(SECOND);
    add_upstream(&mut scenario, 1, "b=b.example:80*50");
    scenario.pass(SECOND);
    assert_eq!(scenario.about(1), Ok((2, "b".to_owned())));
    assert_eq!(scenario.names(), ["a", "b"]);
    assert_eq!(scenario.fleet.view().seats[1].weight.get(), 50);

    scenario.heartbeats.extend((3..100).map(|n| (Incarnation(n), HeartbeatResult::Refused)));
    add_upstream(&mut scenario, 2, "c=c.example:80");
    scenario.pass(SECOND);
    let answer = scenario.answered(2).unwrap().unwrap();
    assert_eq!(answer.about, Some((seat(3), name("c"))));
    assert_eq!(answer.vacancy.unwrap().last_error, "127.0.0.1:1003: it refuses connections");
    assert_eq!((scenario.names().len(), scenario.fleet.view().target), (2, 3));
    scenario.heartbeats.clear();
    scenario.pass(SECOND);
    assert_eq!(scenario.names(), ["a", "b", "c"]);

    for (call, text) in [(3, "a=x.example:80"), (4, "d=a.example:80"), (5, "d=d.example:80*1000")] {
        add_upstream(&mut scenario, call, text);
    }
    assert_eq!(scenario.error(3), CommandError::Exists(name("a")));
    let twice = CommandError::UpstreamTwice { authority: "a.example:80".to_owned(), name: name("a") };
    assert_eq!(scenario.error(4), twice);
    scenario.pass(SECOND);
    assert!(scenario.reply(5).unwrap().is_ok());
}

#[test]
fn a_removed_upstream_finishes_its_requests_in_flight() {
    let mut scenario = started(&["a=a.example:80", "b=b.example:80"]);
    scenario.pass(SECOND);
    scenario.busy = vec![(RouterId(1), Incarnation(2))];
    remove_upstream(&mut scenario, 1, "b");
    assert_eq!(scenario.reply(1).unwrap().unwrap(), ["a"]);
    assert_eq!(assigned(&scenario).last(), Some(&(2, None)));
    assert_eq!(scenario.fleet.view().others.len(), 1);
    scenario.dispatch(Event::Router { router: RouterId(1), event: RouterEvent::Idle(Incarnation(2)) });
    assert_eq!((scenario.fleet.view().others.len(), scenario.stops()), (0, vec![]));
    remove_upstream(&mut scenario, 2, "b");
    assert_eq!(scenario.error(2), CommandError::NoUpstream(name("b")));
    add_upstream(&mut scenario, 3, "b=b.example:81");
    scenario.hold = is_launch;
    add_upstream(&mut scenario, 4, "c=c.example:81");
    remove_upstream(&mut scenario, 5, "c");
    assert_eq!(scenario.error(4), CommandError::NoSeat(seat(3)), "the call that waited for it is answered");
    scenario.release();
    scenario.pass(SECOND);
    assert_eq!(scenario.names(), ["a", "b"]);
    remove_upstream(&mut scenario, 6, "a");
    remove_upstream(&mut scenario, 7, "b");
    assert_eq!((scenario.names().len(), scenario.fleet.view().target), (0, 0));
}

#[test]
fn only_a_changed_configured_list_overrides_live_changes() {
    let configure = |scenario: &mut Scenario, list: &[&str]| {
        scenario.dispatch(Event::Configure(external(list)));
        scenario.pass(SECOND);
    };
    let list = ["a=a.example:80", "b=b.example:80"];
    let mut scenario = started(&list);
    scenario.pass(SECOND);
    add_upstream(&mut scenario, 1, "c=c.example:80");
    remove_upstream(&mut scenario, 2, "b");
    scenario.weigh(3, 1, 300);
    scenario.pass(SECOND);
    let before = assigned(&scenario).len();
    configure(&mut scenario, &list);
    assert_eq!(scenario.names(), ["a", "c"], "the configured list is the same");
    assert_eq!(assigned(&scenario).len(), before + 2, "the names are resolved again");
    configure(&mut scenario, &["a=a.example:80", "b=b.example:80", "d=d.example:80*20"]);
    let seats = |scenario: &Scenario| {
        let of = |seat: SeatView| (seat.seat.get(), seat.name.unwrap().to_string(), seat.weight.get());
        scenario.fleet.view().seats.into_iter().map(of).collect::<Vec<_>>()
    };
    let named = |id, name: &str, weight| (id, name.to_owned(), weight);
    assert_eq!(seats(&scenario), [named(1, "a", 300), named(2, "b", 100), named(3, "d", 20)]);
    configure(&mut scenario, &["a=a.example:80*200", "d=elsewhere.example:80*20"]);
    assert_eq!(seats(&scenario), [named(1, "a", 200), named(3, "d", 20)]);
    let Some((before, _)) = scenario.seats()[1].1 else { panic!("d is vacant") };
    resolve(&mut scenario, 3, "elsewhere.example:80", Ok(ports(&[before + 1])));
    scenario.pass(SECOND);
    assert_eq!(scenario.seats()[1], (3, Some((before + 1, Phase::Ready))), "d moved, and was never vacant");
}

#[test]
fn add_and_rm_are_rejected_and_managed_replicas_are_no_upstreams() {
    let mut scenario = started(&["a=a.example:80"]);
    scenario.pass(SECOND);
    scenario.add(1, 1, &[]);
    scenario.rm(2, 1, &["a"]);
    assert_eq!((scenario.error(1), scenario.error(2)), (CommandError::NotManaged, CommandError::NotManaged));
    assert!(scenario.error(1).to_string().contains("lb upstream add"), "{}", scenario.error(1));
    assert_eq!(scenario.fleet.view().target, 1);
    let mut scenario = Scenario::ready(2);
    add_upstream(&mut scenario, 1, "a=a.example:80");
    remove_upstream(&mut scenario, 2, "server1");
    assert_eq!(
        (scenario.error(1), scenario.error(2)),
        (CommandError::NotExternal, CommandError::NotExternal)
    );
}

#[test]
fn hung_external_servers_are_passed_over_at_once_and_never_stopped() {
    let mut scenario = scenario();
    scenario.broken = None;
    scenario.pass(SECOND);
    let Some((b, Phase::Ready)) = scenario.seats()[1].1 else { panic!("b is not ready") };
    (1..100).filter(|incarnation| *incarnation != b).for_each(|incarnation| scenario.hang(incarnation));
    scenario.pass(5 * SECOND);
    assert_eq!(scenario.names(), ["b"], "most of the fleet hangs, and nothing is replaced");
    scenario.heartbeats.clear();
    scenario.pass(SECOND);
    assert_eq!(scenario.names(), ["a", "b", "c"]);
    scenario.dispatch(Event::Stop);
    assert_eq!(scenario.stops(), []);
    assert!(scenario.log.iter().any(|(_, action)| *action == Action::Halted));
}
