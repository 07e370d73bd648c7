//! Observes a death and its replacement by polling the balancer every few milliseconds.

use std::time::Duration;

use tokio::time::timeout;

use super::traffic::{Reply, Traffic};
use crate::balancer::Balancer;

/// Pause between two polls.
const POLL: Duration = Duration::from_millis(5);

/// Longest time of one poll.
const POLL_TIMEOUT: Duration = Duration::from_secs(1);

/// State of the fleet in one poll.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetView {
    /// Replicas that get requests, in seat order, as /rep lists them.
    pub serving: Vec<String>,
    /// Replicas that were launched and are not ready yet; `None` without an admin listener.
    pub starting: Option<Vec<String>>,
}

/// Times of a recovery since the start of the traffic; `None` if the event was not observed. An event is observed when
/// the answer that shows it arrives, or the first reply of the replacement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryTimes {
    /// The victim gets no more requests.
    pub detected: Option<Duration>,
    /// The replacement is listed, ready or not; only observed with an admin listener.
    pub launched: Option<Duration>,
    /// The replacement is listed as ready.
    pub ready: Option<Duration>,
    /// The first reply of the replacement.
    pub answered: Option<Duration>,
    /// Name of the replacement.
    pub replacement: Option<String>,
}

impl FleetView {
    /// Polls `/api/state`, or `/rep` without an admin listener; `None` if there is no answer.
    pub async fn of(balancer: &Balancer) -> Option<Self> {
        if balancer.admin().is_none() {
            let serving = timeout(POLL_TIMEOUT, balancer.replicas()).await.ok()?.ok()?;
            return Some(Self { serving, starting: None });
        }
        let state = timeout(POLL_TIMEOUT, balancer.state()).await.ok()?.ok()?;
        let (mut serving, mut starting) = (Vec::new(), Vec::new());
        for replica in state.seats.into_iter().filter_map(|seat| seat.replica) {
            match replica.phase.as_str() {
                "ready" | "suspect" => serving.push(replica.name),
                "starting" => starting.push(replica.name),
                _ => {}
            }
        }
        Some(Self { serving, starting: Some(starting) })
    }
}

impl RecoveryTimes {
    /// Polls until the victim is replaced or `deadline` has passed; `before` are the replicas before its death.
    pub async fn watch(
        traffic: &Traffic<'_>,
        balancer: &Balancer,
        victim: &str,
        before: &[String],
        deadline: Duration,
    ) -> Self {
        let mut times = Self::default();
        let _ = timeout(deadline, async {
            while times.ready.is_none() {
                if let Some(view) = FleetView::of(balancer).await {
                    times.update(&view, victim, before, traffic.now());
                }
                tokio::time::sleep(POLL).await;
            }
        })
        .await;
        times
    }

    /// Takes the first reply of the replacement into account: it proves all events, and may come before the poll that
    /// shows them.
    pub fn apply_replies(&mut self, replies: &[Reply]) {
        let Some(replacement) = &self.replacement else { return };
        let of_replacement = replies.iter().filter(|reply| reply.answer.as_ref() == Ok(replacement));
        self.answered = of_replacement.map(|reply| reply.done).min();
        for time in [&mut self.detected, &mut self.launched, &mut self.ready] {
            *time = time.map(|seen| self.answered.map_or(seen, |answered| seen.min(answered)));
        }
    }

    fn update(&mut self, view: &FleetView, victim: &str, before: &[String], now: Duration) {
        let new = |names: &[String]| names.iter().find(|name| !before.contains(name)).cloned();
        if !view.serving.iter().any(|name| name == victim) {
            self.detected.get_or_insert(now);
        }
        if let Some(starting) = &view.starting
            && let Some(name) = new(starting).or_else(|| new(&view.serving))
        {
            self.launched.get_or_insert(now);
            self.replacement = Some(name);
        }
        // A replacement that fails to start is followed by another one; the one that serves counts.
        if let (Some(name), Some(_)) = (new(&view.serving), self.detected) {
            self.ready.get_or_insert(now);
            self.replacement = Some(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_set_by_the_first_view_that_shows_the_event() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let before = names(&["a", "b"]);
        let ms = Duration::from_millis;
        let mut times = RecoveryTimes::default();
        let mut see = |serving: &[&str], starting: &[&str], at| {
            let view = FleetView { serving: names(serving), starting: Some(names(starting)) };
            times.update(&view, "b", &before, ms(at));
            times.clone()
        };
        assert_eq!(see(&["a", "b"], &[], 1), RecoveryTimes::default());
        assert_eq!(see(&["a"], &[], 2).detected, Some(ms(2)));
        assert_eq!(see(&["a"], &["c"], 3).launched, Some(ms(3)));
        assert_eq!(see(&["a"], &["d"], 4).ready, None);
        let end = RecoveryTimes {
            detected: Some(ms(2)),
            launched: Some(ms(3)),
            ready: Some(ms(5)),
            answered: None,
            replacement: Some("d".into()),
        };
        assert_eq!(see(&["a", "d"], &[], 5), end);
        assert_eq!(see(&["a", "d"], &[], 6), end);
    }

    #[test]
    fn an_earlier_reply_of_the_replacement_corrects_the_times() {
        let ms = Duration::from_millis;
        let reply = |done, name: &str| Reply { due: ms(0), done: ms(done), answer: Ok(name.into()) };
        let seen = RecoveryTimes {
            detected: Some(ms(4)),
            launched: None,
            ready: Some(ms(9)),
            answered: None,
            replacement: Some("d".into()),
        };
        let mut times = seen.clone();
        times.apply_replies(&[reply(3, "a"), reply(8, "d"), reply(6, "d"), reply(7, "b")]);
        assert_eq!(times, RecoveryTimes { ready: Some(ms(6)), answered: Some(ms(6)), ..seen.clone() });
        let mut times = seen.clone();
        times.apply_replies(&[]);
        assert_eq!(times, seen);
    }
}
