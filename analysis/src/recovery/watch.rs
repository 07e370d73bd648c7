//! When a death is noticed, and when its replacement is there: what the balancer says, asked every few milliseconds.

use std::time::Duration;

use tokio::time::timeout;

use super::traffic::{Reply, Traffic};
use crate::balancer::Balancer;

/// Between two questions.
const POLL: Duration = Duration::from_millis(5);

/// The longest that an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Those that get requests, in seat order: what /rep lists.
    pub serving: Vec<String>,
    /// Those that were launched and are not ready yet; only the admin listener tells.
    pub starting: Option<Vec<String>>,
}

/// What was seen after a death, in times since the traffic began. A moment is when the answer, or the replacement's
/// first reply, came that shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moments {
    /// The victim gets no more requests.
    pub detected: Option<Duration>,
    /// The replacement is listed, ready or not; only the admin listener tells.
    pub launched: Option<Duration>,
    /// The replacement is listed as ready.
    pub ready: Option<Duration>,
    /// The first reply of the replacement.
    pub answered: Option<Duration>,
    /// Who took the place.
    pub replacement: Option<String>,
}

impl View {
    /// Asks `/api/state`, or without it `/rep`.
    pub async fn of(balancer: &Balancer) -> Option<Self> {
        if balancer.admin().is_none() {
            let serving = timeout(PATIENCE, balancer.replicas()).await.ok()?.ok()?;
            return Some(Self { serving, starting: None });
        }
        let state = timeout(PATIENCE, balancer.state()).await.ok()?.ok()?;
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

impl Moments {
    /// Watches until the victim is replaced, or for `deadline`; `before` served when it was well.
    pub async fn watch(
        traffic: &Traffic<'_>,
        balancer: &Balancer,
        victim: &str,
        before: &[String],
        deadline: Duration,
    ) -> Self {
        let mut moments = Self::default();
        let _ = timeout(deadline, async {
            while moments.ready.is_none() {
                if let Some(view) = View::of(balancer).await {
                    moments.note(&view, victim, before, traffic.now());
                }
                tokio::time::sleep(POLL).await;
            }
        })
        .await;
        moments
    }

    /// A reply of the replacement shows all of it, and may be faster than the answer to a question.
    pub fn witness(&mut self, replies: &[Reply]) {
        let Some(replacement) = &self.replacement else { return };
        let own = replies.iter().filter(|reply| reply.answer.as_ref() == Ok(replacement));
        self.answered = own.map(|reply| reply.done).min();
        for moment in [&mut self.detected, &mut self.launched, &mut self.ready] {
            *moment = moment.map(|seen| self.answered.map_or(seen, |answered| seen.min(answered)));
        }
    }

    fn note(&mut self, view: &View, victim: &str, before: &[String], now: Duration) {
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
        // A replacement that failed to start is followed by another: the one that serves counts.
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
    fn moments_in_their_order() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let before = names(&["a", "b"]);
        let ms = Duration::from_millis;
        let mut moments = Moments::default();
        let mut see = |serving: &[&str], starting: &[&str], at| {
            let view = View { serving: names(serving), starting: Some(names(starting)) };
            moments.note(&view, "b", &before, ms(at));
            moments.clone()
        };
        assert_eq!(see(&["a", "b"], &[], 1), Moments::default());
        assert_eq!(see(&["a"], &[], 2).detected, Some(ms(2)));
        assert_eq!(see(&["a"], &["c"], 3).launched, Some(ms(3)));
        assert_eq!(see(&["a"], &["d"], 4).ready, None);
        let end = Moments {
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
    fn a_reply_of_the_replacement_is_a_witness() {
        let ms = Duration::from_millis;
        let reply = |done, name: &str| Reply { due: ms(0), done: ms(done), answer: Ok(name.into()) };
        let seen = Moments {
            detected: Some(ms(4)),
            launched: None,
            ready: Some(ms(9)),
            answered: None,
            replacement: Some("d".into()),
        };
        let mut moments = seen.clone();
        moments.witness(&[reply(3, "a"), reply(8, "d"), reply(6, "d"), reply(7, "b")]);
        assert_eq!(moments, Moments { ready: Some(ms(6)), answered: Some(ms(6)), ..seen.clone() });
        let mut moments = seen.clone();
        moments.witness(&[]);
        assert_eq!(moments, seen);
    }
}
