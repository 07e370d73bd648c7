//! Figures of each incident.

use std::time::Duration;

use super::incident::{Incident, Incidents};
use super::traffic::Reply;

/// Figures of one incident; times in milliseconds since the signal, `None` if the event was not observed.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Time until the victim got no more requests.
    pub detected: Option<f64>,
    /// Time until the replacement was listed as starting.
    pub launched: Option<f64>,
    /// Time until the replacement was ready.
    pub ready: Option<f64>,
    /// Time until the first reply of the replacement.
    pub answered: Option<f64>,
    /// Number of failed requests among those due since the previous incident.
    pub failed: u32,
    /// Longest time of a reply to these requests.
    pub slowest: Option<f64>,
}

impl Figures {
    /// Computes the figures of one incident.
    pub fn of(incident: &Incident, all: &Incidents, replies: &[Reply]) -> Self {
        let since = |when: Duration| 1000.0 * when.saturating_sub(incident.at).as_secs_f64();
        let before = all.all().map(|one| one.until).take_while(|until| *until <= incident.at).last();
        let before = before.unwrap_or_default();
        let of_incident = || replies.iter().filter(|reply| (before..incident.until).contains(&reply.due));
        let times = &incident.times;
        Self {
            detected: times.detected.map(since),
            launched: times.launched.map(since),
            ready: times.ready.map(since),
            answered: times.answered.map(since),
            failed: of_incident().filter(|reply| reply.answer.is_err()).count() as u32,
            slowest: of_incident().map(Reply::took).max().map(|took| 1000.0 * took.as_secs_f64()),
        }
    }
}

/// Median of the measured values; `None` if there are none.
pub fn median(values: &[Option<f64>]) -> Option<f64> {
    let mut values: Vec<f64> = values.iter().flatten().copied().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        even if even.is_multiple_of(2) => Some((values[middle - 1] + values[middle]) / 2.0),
        _ => Some(values[middle]),
    }
}

/// Largest of the measured values; `None` if there are none.
pub fn worst(values: &[Option<f64>]) -> Option<f64> {
    values.iter().flatten().copied().reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::Failure;
    use crate::recovery::watch::RecoveryTimes;

    fn incident(at: u64, until: u64, replacement: &str) -> Incident {
        let ms = Duration::from_millis;
        let times = RecoveryTimes {
            detected: Some(ms(at + 4)),
            launched: None,
            ready: Some(ms(at + 30)),
            answered: Some(ms(at + 40)),
            replacement: Some(replacement.into()),
        };
        Incident { how: "kill -9", victim: "a".into(), at: ms(at), until: ms(until), times }
    }

    #[test]
    fn each_request_counts_for_one_incident() {
        let reply = |due, done, answer| Reply {
            due: Duration::from_millis(due),
            done: Duration::from_millis(done),
            answer,
        };
        let ok = |name: &str| Ok(name.to_owned());
        let replies = [
            reply(5, 6, ok("a")),
            reply(99, 103, Err(Failure::NoName)),
            reply(120, 140, ok("b")),
            reply(200, 900, ok("b")),
            reply(299, 301, Err(Failure::NoName)),
            reply(300, 302, ok("b")),
            reply(401, 460, ok("c")),
        ];
        let kills = vec![incident(100, 300, "b"), incident(400, 600, "c")];
        let all = Incidents { kills, ..Incidents::default() };
        let figures: Vec<_> = all.kills.iter().map(|one| Figures::of(one, &all, &replies)).collect();
        let first = Figures {
            detected: Some(4.0),
            launched: None,
            ready: Some(30.0),
            answered: Some(40.0),
            failed: 2,
            slowest: Some(700.0),
        };
        assert_eq!(figures[0], first);
        assert_eq!((figures[1].failed, figures[1].slowest), (0, Some(59.0)));
    }

    #[test]
    fn median_and_worst_ignore_missing_values() {
        assert_eq!(median(&[Some(3.0), None, Some(1.0), Some(2.0)]), Some(2.0));
        assert_eq!(median(&[Some(4.0), Some(1.0)]), Some(2.5));
        assert_eq!((median(&[None]), worst(&[])), (None, None));
        assert_eq!(worst(&[Some(3.0), None, Some(7.0)]), Some(7.0));
    }
}
