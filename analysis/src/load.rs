//! The load of an experiment: requests with random ids, a fixed number of them in flight.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};

use crate::balancer::{Balancer, Failure};
use crate::progress::Progress;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// How many requests.
    pub requests: u32,
    /// How many of them are in flight at once.
    pub connections: u16,
    /// The same seed makes the same request ids.
    pub seed: u64,
}

/// What came back.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// How many requests each replica answered, by its name; those that were listed and answered none among them.
    pub by_replica: BTreeMap<String, u32>,
    /// How long each of the answered took, in the order of the answers.
    pub times: Vec<Duration>,
    /// How many requests failed.
    pub failed: u32,
    /// Why the first of them did.
    pub first_failure: Option<Failure>,
    /// How long all of it took.
    pub time: Duration,
}

impl Load {
    /// The request ids, uniform in 100000…999999.
    pub fn request_ids(self) -> impl Iterator<Item = u32> {
        let mut rng = fastrand::Rng::with_seed(self.seed);
        (0..self.requests).map(move |_| rng.u32(100_000..=999_999))
    }

    /// Sends it all to `/home`; `what` is said beside the progress.
    pub async fn run(self, balancer: &Balancer, what: &str) -> Answers {
        let client = balancer.client(self.connections);
        let ask = |id: u32| {
            let client = client.clone();
            async move {
                let start = Instant::now();
                (balancer.home(&client, &id.to_string()).await, start.elapsed())
            }
        };
        let mut replies = stream::iter(self.request_ids()).map(ask).buffer_unordered(self.connections.into());
        let mut progress = Progress::new(what, self.requests);
        let listed = balancer.replicas().await.unwrap_or_default();
        let mut answers = Answers::default();
        answers.by_replica.extend(listed.into_iter().map(|name| (name, 0)));
        let start = Instant::now();
        while let Some((reply, took)) = replies.next().await {
            progress.one_more();
            answers.add(reply, took);
        }
        answers.time = start.elapsed();
        answers
    }
}

impl Answers {
    fn add(&mut self, reply: Result<String, Failure>, took: Duration) {
        match reply {
            Ok(replica) => {
                *self.by_replica.entry(replica).or_default() += 1;
                self.times.push(took);
            }
            Err(failure) => {
                self.failed += 1;
                self.first_failure.get_or_insert(failure);
            }
        }
    }

    /// Answered requests a second.
    pub fn throughput(&self) -> f64 {
        self.times.len() as f64 / self.time.as_secs_f64()
    }

    /// Replicas as people sort them: `server2` before `server10`.
    pub fn in_natural_order(&self) -> Vec<(String, u32)> {
        let mut counts: Vec<_> = self.by_replica.iter().map(|(name, count)| (name.clone(), *count)).collect();
        counts.sort_by_cached_key(|(name, _)| {
            let word = name.trim_end_matches(|c: char| c.is_ascii_digit());
            // A longer number is a larger one, if it has no leading zeros: close enough for a table.
            (word.to_owned(), name.len(), name.clone())
        });
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_fixes_the_request_ids() {
        let ids = |seed| Load { requests: 1000, connections: 1, seed }.request_ids().collect::<Vec<_>>();
        assert_eq!(ids(7), ids(7));
        assert_ne!(ids(7), ids(8));
        assert!(ids(7).iter().all(|id| (100_000..=999_999).contains(id)));
    }

    #[test]
    fn answers_and_failures_are_counted() {
        let (mut answers, time) = (Answers::default(), Duration::from_millis(2));
        answers.add(Ok("a".into()), time);
        answers.add(Err(Failure::NoName), time);
        answers.add(Err(Failure::NoReply("late".into())), time);
        answers.add(Ok("a".into()), time);
        assert_eq!(answers.by_replica, BTreeMap::from([("a".to_owned(), 2)]));
        assert_eq!((answers.failed, answers.first_failure), (2, Some(Failure::NoName)));
        assert_eq!(answers.times, [time; 2]);
    }

    #[test]
    fn natural_order() {
        let names = ["server10", "server2", "S5", "server1"];
        let by_replica: BTreeMap<_, _> = names.iter().map(|name| ((*name).to_owned(), 1)).collect();
        let sorted = Answers { by_replica, ..Answers::default() }.in_natural_order();
        let sorted: Vec<_> = sorted.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(sorted, ["S5", "server1", "server2", "server10"]);
    }
}
