//! The record of the target: when it is written, which answers wait for it, and what the next start restores.

use super::*;

/// A recorded fleet: `--replicas 3`, these seats with the default weight.
fn record<const N: usize>(seats: [u32; N]) -> Record {
    let of = |id| (seat(id), SeatRecord { weight: Weight::DEFAULT, cordoned: None });
    Record {
        configured: Some(Configured { replicas: 3, weights: BTreeMap::new() }),
        seats: seats.map(of).into(),
    }
}

/// A start that finds the record and these running replicas, named `s<seat>`.
fn restarted(settings: Settings, record: Record, running: &[(u32, u64)]) -> Scenario {
    let mut scenario = Scenario::new(settings);
    scenario.dispatch(Event::Restored(record));
    assert_eq!(scenario.log, [], "the record alone causes no action");
    let found = running.iter().map(|(id, incarnation)| found(*id, &format!("s{id}"), *incarnation, true));
    scenario.dispatch(Event::Listed(found.collect()));
    scenario.pass(SECOND);
    scenario
}

fn written(scenario: &Scenario) -> Vec<Option<Record>> {
    let records = scenario.log.iter().filter_map(|(_, action)| match action {
        Action::Record { record, .. } => Some(record.clone()),
        _ => None,
    });
    records.collect()
}

fn seats_of(record: &Option<Record>) -> Vec<u32> {
    record.iter().flat_map(|record| record.seats.keys()).map(|id| id.get()).collect()
}

fn ids(scenario: &Scenario) -> Vec<u32> {
    scenario.seats().into_iter().map(|(id, _)| id).collect()
}

fn is_record(action: &Action) -> bool {
    matches!(action, Action::Record { .. })
}

#[test]
fn an_add_is_recorded_when_all_are_ready_and_answered_when_it_is_recorded() {
    let mut scenario = Scenario::ready(3);
    assert_eq!(written(&scenario), [Some(record([1, 2, 3]))]);
    scenario.hang(4);
    scenario.hold = is_record;
    scenario.add(1, 2, &[]);
    scenario.pass(SECOND);
    assert_eq!(written(&scenario).len(), 1, "nothing is decided yet");
    scenario.heartbeats.clear();
    scenario.pass(SECOND);
    assert_eq!(seats_of(&written(&scenario)[1]), [1, 2, 3, 4, 5]);
    assert_eq!((scenario.names().len(), scenario.reply(1)), (5, None));
    scenario.release();
    assert_eq!(scenario.reply(1).unwrap().unwrap().len(), 5);
}

#[test]
fn changes_during_a_write_share_the_next_one() {
    let mut scenario = Scenario::ready(3);
    scenario.hold = is_record;
    scenario.rm(1, 1, &["server3"]);
    scenario.weigh(2, 1, 50);
    scenario.cordon(3, "server2");
    scenario.pass(SECOND);
    assert_eq!([1, 2, 3].map(|call| scenario.reply(call)), [None, None, None]);
    scenario.release();
    let written = written(&scenario);
    assert_eq!((written.len(), seats_of(&written[1]), seats_of(&written[2])), (3, vec![1, 2], vec![1, 2]));
    let last = written[2].clone().unwrap();
    assert_eq!(last.seats[&seat(1)].weight.get(), 50);
    let cordoned = Cordoned { name: name("server2"), incarnation: Incarnation(2) };
    assert_eq!(last.seats[&seat(2)].cordoned, Some(cordoned));
    assert!([1, 2, 3].into_iter().all(|call| scenario.reply(call).is_some()));
}

#[test]
fn a_failed_write_is_retried_and_no_call_waits_for_it() {
    let mut scenario = Scenario::ready(3);
    scenario.hold = is_record;
    scenario.rm(1, 1, &["server3"]);
    let Some(Action::Record { revision, .. }) = scenario.held.pop() else { panic!("a write") };
    scenario.dispatch(Event::Recorded { revision, result: Err("no".into()) });
    assert!(scenario.reply(1).unwrap().is_ok());
    scenario.rm(2, 1, &["server2"]);
    assert!(scenario.reply(2).unwrap().is_ok());
    assert_eq!(written(&scenario).len(), 2);
    scenario.pass(5 * SECOND);
    assert_eq!(seats_of(&written(&scenario)[2]), [1]);
    scenario.release();
    scenario.pass(20 * SECOND);
    assert_eq!(written(&scenario).len(), 3);
}

#[test]
fn a_record_that_is_removed_from_outside_is_written_again_after_a_second() {
    let mut scenario = Scenario::ready(3);
    scenario.dispatch(Event::Runtime(RuntimeEvent::RecordLost));
    assert_eq!(written(&scenario).len(), 1);
    scenario.pass(SECOND);
    assert_eq!(written(&scenario), [Some(record([1, 2, 3])), Some(record([1, 2, 3]))]);
}

#[test]
fn a_start_writes_the_record_at_once_and_again_only_when_it_changes() {
    let mut scenario = Scenario::new(settings());
    scenario.hold = is_record;
    scenario.dispatch(Event::Restored(record([1, 2, 3])));
    scenario
        .dispatch(Event::Listed([1, 2, 3].map(|id| found(id, &format!("s{id}"), id.into(), true)).to_vec()));
    assert_eq!(
        written(&scenario),
        [Some(record([1, 2, 3]))],
        "the previous balancer may still write another one"
    );
    scenario.release();
    scenario.exit(2);
    scenario.pass(20 * SECOND);
    assert_eq!((ids(&scenario), written(&scenario).len()), (vec![1, 2, 3], 1));
}

#[test]
fn recorded_seats_are_filled_and_others_are_stopped() {
    let scenario = restarted(settings(), record([1, 3, 4, 5]), &[(1, 1), (2, 2), (4, 4)]);
    assert_eq!(ids(&scenario), [1, 3, 4, 5]);
    assert_eq!(scenario.names().len(), 4);
    assert_eq!(scenario.stops(), [(2, 10 * SECOND)]);
    assert_eq!(written(&scenario), [Some(record([1, 3, 4, 5]))]);
}

#[test]
fn a_record_without_replicas_is_no_first_start() {
    let scenario = restarted(settings(), record([2]), &[]);
    assert_eq!((ids(&scenario), scenario.launches().len()), (vec![2], 1));
}

#[test]
fn without_a_record_the_configured_number_applies() {
    let mut scenario = Scenario::new(settings());
    let all = [(2, 1), (4, 2), (5, 3), (6, 4)].map(|(id, n)| found(id, &format!("s{id}"), n, id != 2));
    scenario.dispatch(Event::Listed(all.to_vec()));
    scenario.pass(SECOND);
    assert_eq!((ids(&scenario), scenario.launches()), (vec![4, 5, 6], Vec::new()));

    let mut scenario = Scenario::new(settings());
    scenario.dispatch(Event::Listed(vec![found(1, "a", 1, true), found(3, "c", 3, true)]));
    scenario.pass(SECOND);
    assert_eq!(ids(&scenario), [1, 2, 3]);
}

#[test]
fn another_configured_number_wins_over_the_record() {
    let four = record([1, 2, 3, 4]);
    let running = [(1, 1), (2, 2), (3, 3), (4, 4)];
    let scenario = restarted(Settings { replicas: 2, ..settings() }, four.clone(), &running);
    assert_eq!(ids(&scenario), [1, 2]);
    assert_eq!(scenario.stops().len(), 2);
    let last = written(&scenario).pop().flatten().unwrap();
    assert_eq!((last.configured.unwrap().replicas, last.seats.len()), (2, 2));

    let scenario = restarted(Settings { replicas: 6, ..settings() }, four.clone(), &running);
    assert_eq!(ids(&scenario), [1, 2, 3, 4, 5, 6]);
    let scenario = restarted(Settings { max_replicas: 3, ..settings() }, four, &running);
    assert_eq!(ids(&scenario), [1, 2, 3]);
}

#[test]
fn a_recorded_weight_holds_until_its_configured_one_changes() {
    let weight = |weight| Weight::new(weight).unwrap();
    let mut then = record([1, 2, 3]);
    then.configured.as_mut().unwrap().weights =
        BTreeMap::from([(seat(2), weight(20)), (seat(3), weight(30))]);
    for (id, seat) in &mut then.seats {
        seat.weight = weight(100 + id.get());
    }
    let now = BTreeMap::from([(seat(2), weight(20)), (seat(3), weight(33))]);
    let scenario = restarted(Settings { weights: now, ..settings() }, then.clone(), &[(1, 1)]);
    let weights: Vec<u32> = scenario.fleet.view().seats.iter().map(|seat| seat.weight.get()).collect();
    assert_eq!(weights, [101, 102, 33]);
    let scenario = restarted(settings(), then, &[(1, 1)]);
    let weights: Vec<u32> = scenario.fleet.view().seats.iter().map(|seat| seat.weight.get()).collect();
    assert_eq!(weights, [101, 100, 100]);
}

#[test]
fn seats_that_the_layout_has_no_room_for_give_way_to_the_configured_ones() {
    let mut then = record([1, 2, 3]);
    then.seats.get_mut(&seat(1)).unwrap().weight = Weight::new(1000).unwrap();
    then.seats.get_mut(&seat(2)).unwrap().weight = Weight::new(1000).unwrap();
    let small = Layout::new(Layout::default().scheme(), 64, Layout::default().hash()).unwrap();
    let scenario = restarted(Settings { layout: small, ..settings() }, then, &[(1, 1), (2, 2), (3, 3)]);
    let weights: Vec<u32> = scenario.fleet.view().seats.iter().map(|seat| seat.weight.get()).collect();
    assert_eq!(weights, [100, 100, 100]);
}

/// A record of seats 1–3 in which this replica of seat 2 is cordoned.
fn cordoned(incarnation: u64) -> Record {
    let mut record = record([1, 2, 3]);
    let cordoned = Cordoned { name: name("s2"), incarnation: Incarnation(incarnation) };
    record.seats.get_mut(&seat(2)).unwrap().cordoned = Some(cordoned);
    record
}

#[test]
fn a_cordon_survives_a_restart_and_can_be_undrained() {
    // Incarnation 7 is the successor, of a replacement that was not answered.
    let mut scenario = Scenario::new(settings());
    scenario.dispatch(Event::Restored(cordoned(2)));
    let mut all = [(1, 1), (2, 2), (3, 3)].map(|(id, n)| found(id, &format!("s{id}"), n, true)).to_vec();
    all.push(found(2, "successor", 7, true));
    scenario.dispatch(Event::Listed(all));
    scenario.pass(20 * SECOND);
    assert_eq!((scenario.names(), scenario.launches()), (vec!["s1".to_owned(), "s3".into()], Vec::new()));
    assert_eq!(scenario.stops(), [(7, 10 * SECOND)]);
    let others = scenario.fleet.view().others;
    assert_eq!((others.len(), others[0].cordoned, others[0].phase), (1, true, Phase::Draining));
    assert_eq!(scenario.times(|action| *action == Action::Serving).len(), 1);
    assert_eq!(written(&scenario), [Some(cordoned(2))]);
    scenario.uncordon(1, "s2");
    assert_eq!(scenario.about(1), Ok((2, "s2".into())));
    assert_eq!(scenario.names(), ["s1", "s2", "s3"]);
    assert_eq!(written(&scenario), [Some(cordoned(2)), Some(record([1, 2, 3]))]);
}

#[test]
fn the_seat_of_a_removed_cordoned_replica_stays_vacant_until_undrain() {
    let mut scenario = restarted(settings(), cordoned(9), &[(1, 1), (3, 3)]);
    scenario.pass(20 * SECOND);
    assert_eq!((scenario.names().len(), scenario.launches()), (2, Vec::new()));
    assert_eq!(scenario.fleet.view().others[0].phase, Phase::Dead);
    scenario.uncordon(1, "s2");
    scenario.pass(SECOND);
    let (id, _) = scenario.about(1).unwrap();
    assert_eq!((id, scenario.launches()[0].incarnation), (2, Incarnation(10)));
    assert_eq!((scenario.names().len(), scenario.fleet.members.len()), (3, 3));
}

#[test]
fn a_successor_of_a_cordoned_replica_keeps_the_seat() {
    let scenario = restarted(settings(), cordoned(2), &[(1, 1), (2, 7), (3, 3)]);
    assert_eq!((scenario.names().len(), scenario.launches()), (3, Vec::new()));
    assert_eq!(written(&scenario), [Some(record([1, 2, 3]))]);
}

#[test]
fn a_cordon_ends_if_its_replica_is_leaving_or_another_has_its_incarnation() {
    let leaving = Found { standing: Standing::Leaving, ..found(2, "s2", 2, true) };
    for lost in [leaving, found(2, "other", 2, true), found(4, "s2", 2, true)] {
        let mut scenario = Scenario::new(settings());
        scenario.dispatch(Event::Restored(cordoned(2)));
        scenario.dispatch(Event::Listed(vec![
            found(1, "s1", 1, true),
            lost.clone(),
            found(3, "s3", 3, true),
        ]));
        scenario.pass(SECOND);
        assert_eq!((ids(&scenario), scenario.names().len()), (vec![1, 2, 3], 3), "{lost:?}");
        assert_eq!(written(&scenario), [Some(record([1, 2, 3]))], "{lost:?}");
    }
}

#[test]
fn the_record_is_removed_at_the_end_unless_keep_is_set() {
    let mut scenario = Scenario::ready(2);
    scenario.hold = is_record;
    scenario.dispatch(Event::Close);
    scenario.dispatch(Event::Stop);
    assert_eq!((written(&scenario).pop(), scenario.fleet.members.len()), (Some(None), 0));
    assert_eq!(scenario.times(|action| *action == Action::Halted).len(), 0);
    scenario.release();
    assert_eq!(scenario.times(|action| *action == Action::Halted).len(), 1);

    let mut scenario = Scenario::new(Settings { keep: true, ..settings() });
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.pass(SECOND);
    scenario.cordon(1, "server2");
    scenario.dispatch(Event::Stop);
    let last = written(&scenario).pop().flatten().unwrap();
    assert_eq!((written(&scenario).len(), last.seats[&seat(2)].cordoned.is_some()), (2, true));
    assert_eq!(scenario.times(|action| *action == Action::Halted).len(), 1);
}

#[test]
fn beside_another_balancer_nothing_is_written_and_no_answer_waits() {
    let mut scenario = Scenario::ready(2);
    scenario.hold = is_record;
    scenario.rm(1, 1, &[]);
    scenario.weigh(2, 1, 50);
    scenario.dispatch(Event::Runtime(RuntimeEvent::Conflict { container: "x".into() }));
    assert!(scenario.reply(1).unwrap().is_ok() && scenario.reply(2).unwrap().is_ok());
    scenario.release();
    scenario.dispatch(Event::Stop);
    scenario.pass(SECOND);
    assert_eq!(written(&scenario).len(), 2);
    assert_eq!(scenario.times(|action| *action == Action::Halted).len(), 1);
}

#[test]
fn a_new_configured_number_is_recorded_when_it_is_reached() {
    let mut scenario = Scenario::ready(3);
    scenario.dispatch(Event::Configure(Settings { replicas: 5, ..settings() }));
    scenario.hang(4);
    scenario.call(1, Command::Scale(5));
    scenario.pass(SECOND);
    assert_eq!(written(&scenario).len(), 1, "a restart now must reach it");
    scenario.heartbeats.clear();
    scenario.pass(SECOND);
    let last = written(&scenario).pop().flatten().unwrap();
    assert_eq!((last.configured.unwrap().replicas, last.seats.len()), (5, 5));
}
