//! The load of an experiment: requests with random ids, at a fixed concurrency.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};

use crate::balancer::{Balancer, Failure};
use crate::progress::Progress;

/// The requests to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Number of requests.
    pub requests: u32,
    /// Number of requests in flight at once.
    pub connections: u16,
    /// Seed of the request ids; the same seed generates the same ids.
    pub seed: u64,
}

/// Replies and failures of one load.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// Number of requests answered by each replica, by name; listed replicas that answered none have 0.
    pub by_replica: BTreeMap<String, u32>,
    /// Time to the complete reply of each answered request, in the order of completion.
    pub times: Vec<Duration>,
    /// Number of failed requests.
    pub failed: u32,
    /// The failure that came first, if any request failed.
    pub first_failure: Option<Failure>,
    /// Duration of the whole load.
    pub time: Duration,
}

impl Load {
    /// The request ids, uniform in 100000…999999.
    pub fn request_ids(self) -> impl Iterator<Item = u32> {
        let mut rng = fastrand::Rng::with_seed(self.seed);
        (0..self.requests).map(move |_| rng.u32(100_000..=999_999))
    }

    /// Sends all requests to `/home`; `label` is shown beside the progress.
    pub async fn run(self, balancer: &Balancer, label: &str) -> Answers {
        let client = balancer.client(self.connections);
        let send = |id: u32| {
            let client = client.clone();
            async move {
                let start = Instant::now();
                (balancer.home(&client, &id.to_string()).await, start.elapsed())
            }
        };
        let mut replies =
            stream::iter(self.request_ids()).map(send).buffer_unordered(self.connections.into());
        let mut progress = Progress::new(label, self.requests);
        let listed = balancer.replicas().await.unwrap_or_default();
        let mut answers = Answers::default();
        answers.by_replica.extend(listed.into_iter().map(|name| (name, 0)));
        let start = Instant::now();
        while let Some((reply, took)) = replies.next().await {
            progress.increment();
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

    /// Answered requests per second.
    pub fn throughput(&self) -> f64 {
        self.times.len() as f64 / self.time.as_secs_f64()
    }

    /// Counts in natural order of the names: `server2` before `server10`.
    pub fn in_natural_order(&self) -> Vec<(String, u32)> {
        let mut counts: Vec<_> = self.by_replica.iter().map(|(name, count)| (name.clone(), *count)).collect();
        counts.sort_by_cached_key(|(name, _)| {
            let word = name.trim_end_matches(|c: char| c.is_ascii_digit());
            // Numbers are compared by length only, which is right for numbers without leading zeros.
            (word.to_owned(), name.len(), name.clone())
        });
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_determines_the_request_ids() {
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
    fn replicas_are_in_natural_order() {
        let names = ["server10", "server2", "S5", "server1"];
        let by_replica: BTreeMap<_, _> = names.iter().map(|name| ((*name).to_owned(), 1)).collect();
        let sorted = Answers { by_replica, ..Answers::default() }.in_natural_order();
        let sorted: Vec<_> = sorted.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(sorted, ["S5", "server1", "server2", "server10"]);
    }
}
