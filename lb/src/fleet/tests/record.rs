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
fn restarted(settings: Settings, record: Record, running: &[(u32, u64)]) -> Stage {
    let mut stage = Stage::new(settings);
    stage.feed(Event::Restored(record));
    assert_eq!(stage.log, [], "the record alone causes no action");
    let found = running.iter().map(|(id, incarnation)| found(*id, &format!("s{id}"), *incarnation, true));
    stage.feed(Event::Listed(found.collect()));
    stage.pass(SECOND);
    stage
}

fn written(stage: &Stage) -> Vec<Option<Record>> {
    let records = stage.log.iter().filter_map(|(_, action)| match action {
        Action::Record { record, .. } => Some(record.clone()),
        _ => None,
    });
    records.collect()
}

fn seats_of(record: &Option<Record>) -> Vec<u32> {
    record.iter().flat_map(|record| record.seats.keys()).map(|id| id.get()).collect()
}

fn ids(stage: &Stage) -> Vec<u32> {
    stage.seats().into_iter().map(|(id, _)| id).collect()
}

fn is_record(action: &Action) -> bool {
    matches!(action, Action::Record { .. })
}

#[test]
fn an_add_is_recorded_when_all_are_ready_and_answered_when_it_is_recorded() {
    let mut stage = Stage::ready(3);
    assert_eq!(written(&stage), [Some(record([1, 2, 3]))]);
    stage.hang(4);
    stage.hold = is_record;
    stage.add(1, 2, &[]);
    stage.pass(SECOND);
    assert_eq!(written(&stage).len(), 1, "nothing is decided yet");
    stage.heartbeats.clear();
    stage.pass(SECOND);
    assert_eq!(seats_of(&written(&stage)[1]), [1, 2, 3, 4, 5]);
    assert_eq!((stage.names().len(), stage.reply(1)), (5, None));
    stage.release();
    assert_eq!(stage.reply(1).unwrap().unwrap().len(), 5);
}

#[test]
fn changes_during_a_write_share_the_next_one() {
    let mut stage = Stage::ready(3);
    stage.hold = is_record;
    stage.rm(1, 1, &["server3"]);
    stage.weigh(2, 1, 50);
    stage.cordon(3, "server2");
    stage.pass(SECOND);
    assert_eq!([1, 2, 3].map(|call| stage.reply(call)), [None, None, None]);
    stage.release();
    let written = written(&stage);
    assert_eq!((written.len(), seats_of(&written[1]), seats_of(&written[2])), (3, vec![1, 2], vec![1, 2]));
    let last = written[2].clone().unwrap();
    assert_eq!(last.seats[&seat(1)].weight.get(), 50);
    let cordoned = Cordoned { name: name("server2"), incarnation: Incarnation(2) };
    assert_eq!(last.seats[&seat(2)].cordoned, Some(cordoned));
    assert!([1, 2, 3].into_iter().all(|call| stage.reply(call).is_some()));
}

#[test]
fn a_failed_write_is_retried_and_no_call_waits_for_it() {
    let mut stage = Stage::ready(3);
    stage.hold = is_record;
    stage.rm(1, 1, &["server3"]);
    let Some(Action::Record { revision, .. }) = stage.held.pop() else { panic!("a write") };
    stage.feed(Event::Recorded { revision, result: Err("no".into()) });
    assert!(stage.reply(1).unwrap().is_ok());
    stage.rm(2, 1, &["server2"]);
    assert!(stage.reply(2).unwrap().is_ok());
    assert_eq!(written(&stage).len(), 2);
    stage.pass(5 * SECOND);
    assert_eq!(seats_of(&written(&stage)[2]), [1]);
    stage.release();
    stage.pass(20 * SECOND);
    assert_eq!(written(&stage).len(), 3);
}

#[test]
fn a_record_that_is_removed_from_outside_is_written_again_after_a_second() {
    let mut stage = Stage::ready(3);
    stage.feed(Event::Runtime(RuntimeEvent::RecordLost));
    assert_eq!(written(&stage).len(), 1);
    stage.pass(SECOND);
    assert_eq!(written(&stage), [Some(record([1, 2, 3])), Some(record([1, 2, 3]))]);
}

#[test]
fn a_start_writes_the_record_at_once_and_again_only_when_it_changes() {
    let mut stage = Stage::new(settings());
    stage.hold = is_record;
    stage.feed(Event::Restored(record([1, 2, 3])));
    stage.feed(Event::Listed([1, 2, 3].map(|id| found(id, &format!("s{id}"), id.into(), true)).to_vec()));
    assert_eq!(
        written(&stage),
        [Some(record([1, 2, 3]))],
        "the previous balancer may still write another one"
    );
    stage.release();
    stage.exit(2);
    stage.pass(20 * SECOND);
    assert_eq!((ids(&stage), written(&stage).len()), (vec![1, 2, 3], 1));
}

#[test]
fn recorded_seats_are_filled_and_others_are_stopped() {
    let stage = restarted(settings(), record([1, 3, 4, 5]), &[(1, 1), (2, 2), (4, 4)]);
    assert_eq!(ids(&stage), [1, 3, 4, 5]);
    assert_eq!(stage.names().len(), 4);
    assert_eq!(stage.stops(), [(2, 10 * SECOND)]);
    assert_eq!(written(&stage), [Some(record([1, 3, 4, 5]))]);
}

#[test]
fn a_record_without_replicas_is_no_first_start() {
    let stage = restarted(settings(), record([2]), &[]);
    assert_eq!((ids(&stage), stage.launches().len()), (vec![2], 1));
}

#[test]
fn without_a_record_the_configured_number_applies() {
    let mut stage = Stage::new(settings());
    let all = [(2, 1), (4, 2), (5, 3), (6, 4)].map(|(id, n)| found(id, &format!("s{id}"), n, id != 2));
    stage.feed(Event::Listed(all.to_vec()));
    stage.pass(SECOND);
    assert_eq!((ids(&stage), stage.launches()), (vec![4, 5, 6], Vec::new()));

    let mut stage = Stage::new(settings());
    stage.feed(Event::Listed(vec![found(1, "a", 1, true), found(3, "c", 3, true)]));
    stage.pass(SECOND);
    assert_eq!(ids(&stage), [1, 2, 3]);
}

#[test]
fn another_configured_number_wins_over_the_record() {
    let four = record([1, 2, 3, 4]);
    let running = [(1, 1), (2, 2), (3, 3), (4, 4)];
    let stage = restarted(Settings { replicas: 2, ..settings() }, four.clone(), &running);
    assert_eq!(ids(&stage), [1, 2]);
    assert_eq!(stage.stops().len(), 2);
    let last = written(&stage).pop().flatten().unwrap();
    assert_eq!((last.configured.unwrap().replicas, last.seats.len()), (2, 2));

    let stage = restarted(Settings { replicas: 6, ..settings() }, four.clone(), &running);
    assert_eq!(ids(&stage), [1, 2, 3, 4, 5, 6]);
    let stage = restarted(Settings { max_replicas: 3, ..settings() }, four, &running);
    assert_eq!(ids(&stage), [1, 2, 3]);
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
    let stage = restarted(Settings { weights: now, ..settings() }, then.clone(), &[(1, 1)]);
    let weights: Vec<u32> = stage.fleet.view().seats.iter().map(|seat| seat.weight.get()).collect();
    assert_eq!(weights, [101, 102, 33]);
    let stage = restarted(settings(), then, &[(1, 1)]);
    let weights: Vec<u32> = stage.fleet.view().seats.iter().map(|seat| seat.weight.get()).collect();
    assert_eq!(weights, [101, 100, 100]);
}

#[test]
fn seats_that_the_layout_has_no_room_for_give_way_to_the_configured_ones() {
    let mut then = record([1, 2, 3]);
    then.seats.get_mut(&seat(1)).unwrap().weight = Weight::new(1000).unwrap();
    then.seats.get_mut(&seat(2)).unwrap().weight = Weight::new(1000).unwrap();
    let small = Layout::new(Layout::default().scheme(), 64, Layout::default().hash()).unwrap();
    let stage = restarted(Settings { layout: small, ..settings() }, then, &[(1, 1), (2, 2), (3, 3)]);
    let weights: Vec<u32> = stage.fleet.view().seats.iter().map(|seat| seat.weight.get()).collect();
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
    let mut stage = Stage::new(settings());
    stage.feed(Event::Restored(cordoned(2)));
    let mut all = [(1, 1), (2, 2), (3, 3)].map(|(id, n)| found(id, &format!("s{id}"), n, true)).to_vec();
    all.push(found(2, "successor", 7, true));
    stage.feed(Event::Listed(all));
    stage.pass(20 * SECOND);
    assert_eq!((stage.names(), stage.launches()), (vec!["s1".to_owned(), "s3".into()], Vec::new()));
    assert_eq!(stage.stops(), [(7, 10 * SECOND)]);
    let others = stage.fleet.view().others;
    assert_eq!((others.len(), others[0].cordoned, others[0].phase), (1, true, Phase::Draining));
    assert_eq!(stage.times(|action| *action == Action::Serving).len(), 1);
    assert_eq!(written(&stage), [Some(cordoned(2))]);
    stage.uncordon(1, "s2");
    assert_eq!(stage.about(1), Ok((2, "s2".into())));
    assert_eq!(stage.names(), ["s1", "s2", "s3"]);
    assert_eq!(written(&stage), [Some(cordoned(2)), Some(record([1, 2, 3]))]);
}

#[test]
fn the_seat_of_a_removed_cordoned_replica_stays_vacant_until_undrain() {
    let mut stage = restarted(settings(), cordoned(9), &[(1, 1), (3, 3)]);
    stage.pass(20 * SECOND);
    assert_eq!((stage.names().len(), stage.launches()), (2, Vec::new()));
    assert_eq!(stage.fleet.view().others[0].phase, Phase::Dead);
    stage.uncordon(1, "s2");
    stage.pass(SECOND);
    let (id, _) = stage.about(1).unwrap();
    assert_eq!((id, stage.launches()[0].incarnation), (2, Incarnation(10)));
    assert_eq!((stage.names().len(), stage.fleet.members.len()), (3, 3));
}

#[test]
fn a_successor_of_a_cordoned_replica_keeps_the_seat() {
    let stage = restarted(settings(), cordoned(2), &[(1, 1), (2, 7), (3, 3)]);
    assert_eq!((stage.names().len(), stage.launches()), (3, Vec::new()));
    assert_eq!(written(&stage), [Some(record([1, 2, 3]))]);
}

#[test]
fn a_cordon_ends_if_its_replica_is_leaving_or_another_has_its_incarnation() {
    let leaving = Found { standing: Standing::Leaving, ..found(2, "s2", 2, true) };
    for lost in [leaving, found(2, "other", 2, true), found(4, "s2", 2, true)] {
        let mut stage = Stage::new(settings());
        stage.feed(Event::Restored(cordoned(2)));
        stage.feed(Event::Listed(vec![found(1, "s1", 1, true), lost.clone(), found(3, "s3", 3, true)]));
        stage.pass(SECOND);
        assert_eq!((ids(&stage), stage.names().len()), (vec![1, 2, 3], 3), "{lost:?}");
        assert_eq!(written(&stage), [Some(record([1, 2, 3]))], "{lost:?}");
    }
}

#[test]
fn the_record_is_removed_at_the_end_unless_keep_is_set() {
    let mut stage = Stage::ready(2);
    stage.hold = is_record;
    stage.feed(Event::Close);
    stage.feed(Event::Stop);
    assert_eq!((written(&stage).pop(), stage.fleet.members.len()), (Some(None), 0));
    assert_eq!(stage.times(|action| *action == Action::Halted).len(), 0);
    stage.release();
    assert_eq!(stage.times(|action| *action == Action::Halted).len(), 1);

    let mut stage = Stage::new(Settings { keep: true, ..settings() });
    stage.feed(Event::Listed(Vec::new()));
    stage.pass(SECOND);
    stage.cordon(1, "server2");
    stage.feed(Event::Stop);
    let last = written(&stage).pop().flatten().unwrap();
    assert_eq!((written(&stage).len(), last.seats[&seat(2)].cordoned.is_some()), (2, true));
    assert_eq!(stage.times(|action| *action == Action::Halted).len(), 1);
}

#[test]
fn beside_another_balancer_nothing_is_written_and_no_answer_waits() {
    let mut stage = Stage::ready(2);
    stage.hold = is_record;
    stage.rm(1, 1, &[]);
    stage.weigh(2, 1, 50);
    stage.feed(Event::Runtime(RuntimeEvent::Conflict { container: "x".into() }));
    assert!(stage.reply(1).unwrap().is_ok() && stage.reply(2).unwrap().is_ok());
    stage.release();
    stage.feed(Event::Stop);
    stage.pass(SECOND);
    assert_eq!(written(&stage).len(), 2);
    assert_eq!(stage.times(|action| *action == Action::Halted).len(), 1);
}

#[test]
fn a_new_configured_number_is_recorded_when_it_is_reached() {
    let mut stage = Stage::ready(3);
    stage.feed(Event::Configure(Settings { replicas: 5, ..settings() }));
    stage.hang(4);
    stage.call(1, Command::Scale(5));
    stage.pass(SECOND);
    assert_eq!(written(&stage).len(), 1, "a restart now must reach it");
    stage.heartbeats.clear();
    stage.pass(SECOND);
    let last = written(&stage).pop().flatten().unwrap();
    assert_eq!((last.configured.unwrap().replicas, last.seats.len()), (5, 5));
}
