//! What each incident cost, in figures.

use std::time::Duration;

use super::incident::{Incident, Incidents};
use super::traffic::Reply;

/// What one incident cost; times in milliseconds since the signal.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Until the victim got no more requests.
    pub detected: Option<f64>,
    /// Until the replacement was seen starting.
    pub launched: Option<f64>,
    /// Until the replacement was ready.
    pub ready: Option<f64>,
    /// Until the replacement's first reply was there.
    pub answered: Option<f64>,
    /// Of the requests that were due since the incident before.
    pub failed: u32,
    /// How long the slowest of them took.
    pub slowest: Option<f64>,
}

impl Figures {
    /// Of one incident among all.
    pub fn of(incident: &Incident, all: &Incidents, replies: &[Reply]) -> Self {
        let since = |when: Duration| 1000.0 * when.saturating_sub(incident.at).as_secs_f64();
        let before = all.all().map(|one| one.until).take_while(|until| *until <= incident.at).last();
        let before = before.unwrap_or_default();
        let own = || replies.iter().filter(|reply| (before..incident.until).contains(&reply.due));
        let moments = &incident.moments;
        Self {
            detected: moments.detected.map(since),
            launched: moments.launched.map(since),
            ready: moments.ready.map(since),
            answered: moments.answered.map(since),
            failed: own().filter(|reply| reply.answer.is_err()).count() as u32,
            slowest: own().map(Reply::took).max().map(|took| 1000.0 * took.as_secs_f64()),
        }
    }
}

/// The middle of those that were measured.
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

/// The largest of those that were measured.
pub fn worst(values: &[Option<f64>]) -> Option<f64> {
    values.iter().flatten().copied().reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::Failure;
    use crate::recovery::watch::Moments;

    fn incident(at: u64, until: u64, replacement: &str) -> Incident {
        let ms = Duration::from_millis;
        let moments = Moments {
            detected: Some(ms(at + 4)),
            launched: None,
            ready: Some(ms(at + 30)),
            answered: Some(ms(at + 40)),
            replacement: Some(replacement.into()),
        };
        Incident { how: "kill -9", victim: "a".into(), at: ms(at), until: ms(until), moments }
    }

    #[test]
    fn each_request_belongs_to_one_incident() {
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
    fn medians_of_what_was_measured() {
        assert_eq!(median(&[Some(3.0), None, Some(1.0), Some(2.0)]), Some(2.0));
        assert_eq!(median(&[Some(4.0), Some(1.0)]), Some(2.5));
        assert_eq!((median(&[None]), worst(&[])), (None, None));
        assert_eq!(worst(&[Some(3.0), None, Some(7.0)]), Some(7.0));
    }
}
