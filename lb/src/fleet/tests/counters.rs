//! Counters of the fleet.

use super::*;

fn starts(scenario: &Scenario) -> Vec<(&str, u64)> {
    let counts = Counters::REASONS.into_iter().zip(scenario.fleet.counters().starts);
    counts.filter(|(_, count)| *count > 0).collect()
}

fn heartbeats(scenario: &Scenario, result: &str) -> u64 {
    let counts = &scenario.fleet.counters().heartbeats;
    counts[Counters::RESULTS.iter().position(|of| *of == result).unwrap()]
}

#[test]
fn every_launch_is_counted_once_by_its_reason() {
    let mut scenario = Scenario::ready(3);
    assert_eq!(starts(&scenario), [("first", 3)]);
    scenario.add(1, 2, &[]);
    scenario.pass(SECOND);
    scenario.exit(4);
    scenario.pass(SECOND);
    scenario.hang(2);
    scenario.pass(10 * SECOND);
    assert_eq!(starts(&scenario), [("first", 3), ("added", 2), ("died", 1), ("hung", 1)]);
    let counters = scenario.fleet.counters();
    assert_eq!((counters.ready_after.count(), scenario.launches().len()), (7, 7));

    let mut scenario = Scenario::new(Settings { replicas: 2, ..settings() });
    let outdated = Found { standing: Standing::Outdated, ..found(1, "one", 1, true) };
    scenario.dispatch(Event::Listed(vec![outdated, found(2, "two", 2, true)]));
    scenario.pass(20 * SECOND);
    assert_eq!(starts(&scenario), [("replaced", 1)], "an adopted replica is not launched");
    scenario.exit(2);
    scenario.pass(SECOND);
    assert_eq!(starts(&scenario), [("died", 1), ("replaced", 1)]);
}

#[test]
fn every_heartbeat_is_counted_once_by_its_result() {
    let mut scenario = Scenario::new(Settings { replicas: 2, ..settings() });
    scenario.heartbeats.insert(Incarnation(2), HeartbeatResult::Refused);
    scenario.dispatch(Event::Listed(Vec::new()));
    scenario.pass(100 * MS);
    let early = heartbeats(&scenario, "early");
    assert!(early > 1, "{early}");
    scenario.heartbeats.clear();
    scenario.pass(SECOND);
    scenario.hang(1);
    scenario.pass(1100 * MS);
    let sent = scenario.times(|action| matches!(action, Action::Heartbeat(_))).len() as u64;
    assert!((2..=3).contains(&heartbeats(&scenario, "missed")));
    assert_eq!(scenario.fleet.counters().heartbeats.iter().sum::<u64>(), sent);
    assert_eq!((heartbeats(&scenario, "refused"), heartbeats(&scenario, "void")), (0, 0));
    scenario.heartbeats.insert(Incarnation(2), HeartbeatResult::Refused);
    scenario.pass(600 * MS);
    assert_eq!(heartbeats(&scenario, "refused"), 1);
}
