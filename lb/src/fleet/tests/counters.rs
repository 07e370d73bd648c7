//! Counters of the fleet.

use super::*;

fn starts(stage: &Stage) -> Vec<(&str, u64)> {
    let counts = Tally::REASONS.into_iter().zip(stage.fleet.tally().starts);
    counts.filter(|(_, count)| *count > 0).collect()
}

fn heartbeats(stage: &Stage, result: &str) -> u64 {
    let counts = &stage.fleet.tally().heartbeats;
    counts[Tally::RESULTS.iter().position(|of| *of == result).unwrap()]
}

#[test]
fn every_launch_is_counted_once_by_its_reason() {
    let mut stage = Stage::ready(3);
    assert_eq!(starts(&stage), [("first", 3)]);
    stage.add(1, 2, &[]);
    stage.pass(SECOND);
    stage.exit(4);
    stage.pass(SECOND);
    stage.hang(2);
    stage.pass(10 * SECOND);
    assert_eq!(starts(&stage), [("first", 3), ("added", 2), ("died", 1), ("hung", 1)]);
    let tally = stage.fleet.tally();
    assert_eq!((tally.ready_after.count(), stage.launches().len()), (7, 7));

    let mut stage = Stage::new(Settings { replicas: 2, ..settings() });
    let outdated = Found { standing: Standing::Outdated, ..found(1, "one", 1, true) };
    stage.feed(Event::Listed(vec![outdated, found(2, "two", 2, true)]));
    stage.pass(20 * SECOND);
    assert_eq!(starts(&stage), [("replaced", 1)], "an adopted replica is not launched");
    stage.exit(2);
    stage.pass(SECOND);
    assert_eq!(starts(&stage), [("died", 1), ("replaced", 1)]);
}

#[test]
fn every_heartbeat_is_counted_once_by_its_result() {
    let mut stage = Stage::new(Settings { replicas: 2, ..settings() });
    stage.heartbeats.insert(Incarnation(2), HeartbeatResult::Refused);
    stage.feed(Event::Listed(Vec::new()));
    stage.pass(100 * MS);
    let early = heartbeats(&stage, "early");
    assert!(early > 1, "{early}");
    stage.heartbeats.clear();
    stage.pass(SECOND);
    stage.hang(1);
    stage.pass(1100 * MS);
    let sent = stage.times(|action| matches!(action, Action::Heartbeat(_))).len() as u64;
    assert!((2..=3).contains(&heartbeats(&stage, "missed")));
    assert_eq!(stage.fleet.tally().heartbeats.iter().sum::<u64>(), sent);
    assert_eq!((heartbeats(&stage, "refused"), heartbeats(&stage, "void")), (0, 0));
    stage.heartbeats.insert(Incarnation(2), HeartbeatResult::Refused);
    stage.pass(600 * MS);
    assert_eq!(heartbeats(&stage, "refused"), 1);
}
