//! Replicas that somebody else runs.

use super::*;

/// Three upstreams; `b` does not resolve at first.
fn stage() -> Stage {
    let mut stage = Stage::new(Settings { ownership: Ownership::Foreign, ..settings() });
    stage.broken = Some(Error::Refused("does not resolve".to_owned()));
    stage.feed(Event::Listed(vec![found(1, "a", 1, true), found(2, "b", 2, false), found(3, "c", 3, true)]));
    stage.pass(10 * MS);
    assert_eq!(stage.names(), ["a", "c"]);
    stage.broken = None;
    stage
}

#[test]
fn what_is_not_there_is_asked_again_every_interval_and_keeps_its_name_and_seat() {
    let mut stage = stage();
    assert_eq!(stage.times(|action| *action == Action::Serving).len(), 1);
    stage.pass(SECOND);
    assert_eq!(stage.names(), ["a", "b", "c"]);
    stage.beats.extend((4..100).chain([1]).map(|n| (Incarnation(n), Beat::Refused)));
    let launched = stage.launches().len();
    stage.pass(10 * SECOND);
    assert_eq!(stage.names(), ["c"]);
    let tried = stage.launches()[launched..].iter().filter(|launch| launch.name == name("a")).count();
    assert!((15..=21).contains(&tried), "{tried}");
    assert_eq!(stage.fleet.view().target, 3);
    stage.beats.clear();
    stage.pass(SECOND);
    assert_eq!(stage.names(), ["a", "b", "c"]);
    assert_eq!(stage.fleet.members.len(), 3);
}

#[test]
fn add_and_rm_are_refused() {
    let mut stage = stage();
    stage.add(1, 1, &[]);
    stage.rm(2, 1, &["a"]);
    assert_eq!((stage.refusal(1), stage.refusal(2)), (Refusal::Foreign, Refusal::Foreign));
    assert_eq!(stage.fleet.view().target, 3);
}

#[test]
fn all_that_hang_are_passed_over_at_once_and_nobody_is_stopped() {
    let mut stage = stage();
    stage.pass(SECOND);
    let Some((b, Phase::Ready)) = stage.seats()[1].1 else { panic!("b is not ready") };
    (1..100).filter(|incarnation| *incarnation != b).for_each(|incarnation| stage.hang(incarnation));
    stage.pass(5 * SECOND);
    assert_eq!(stage.names(), ["b"], "most of the fleet hangs, and nothing is replaced");
    stage.beats.clear();
    stage.pass(SECOND);
    assert_eq!(stage.names(), ["a", "b", "c"]);
    stage.feed(Event::Stop);
    assert_eq!(stage.stops(), []);
    assert!(stage.log.iter().any(|(_, action)| *action == Action::Halted));
}
