//! Steady traffic: an open loop that sends each request at its due time, regardless of earlier replies.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use futures::future::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::balancer::{Balancer, Failure};

/// Seconds of traffic that may await a reply, if that many files may be open. Requests due beyond that are sent late,
/// and their time still starts when they were due.
const MAX_PENDING_SECONDS: u64 = 5;

/// Requests to `/home`, each with a random id, at a fixed rate and without retries.
///
/// The time of a reply starts when its request was due, so that a stalled balancer cannot hide the stall by delaying
/// the next requests (coordinated omission).
pub struct Traffic<'a> {
    balancer: &'a Balancer,
    /// Requests per second.
    rate: u32,
    seed: u64,
    start: Instant,
    replies: RefCell<Vec<Reply>>,
}

/// Result of one request; times since the start of the traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// When the request was due.
    pub due: Duration,
    /// When the reply was complete or the request failed.
    pub done: Duration,
    /// Name of the replica that answered, or the failure.
    pub answer: Result<String, Failure>,
}

impl<'a> Traffic<'a> {
    /// Traffic whose clock starts now; [`during`](Self::during) sends it.
    pub fn new(balancer: &'a Balancer, rate: u32, seed: u64) -> Self {
        Self { balancer, rate, seed, start: Instant::now(), replies: RefCell::default() }
    }

    /// Time since the start of the traffic.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// All results, in the order of completion.
    pub fn replies(self) -> Vec<Reply> {
        self.replies.into_inner()
    }

    /// Sends requests until `work` completes, and then awaits the pending replies.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let max_pending = max_pending(self.rate);
        let client = self.balancer.client(max_pending);
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let mut pending = FuturesUnordered::new();
        let mut sent = 0_u64;
        let mut work = std::pin::pin!(work.fuse());
        let mut result = None;
        loop {
            let due = Duration::from_secs_f64(sent as f64 / f64::from(self.rate));
            tokio::select! {
                Some(reply) = pending.next() => self.replies.borrow_mut().push(reply),
                ended = &mut work => result = Some(ended),
                () = tokio::time::sleep_until((self.start + due).into()),
                    if result.is_none() && pending.len() < usize::from(max_pending) =>
                {
                    let (client, id) = (client.clone(), rng.u32(100_000..=999_999).to_string());
                    sent += 1;
                    pending.push(async move {
                        let answer = self.balancer.home(&client, &id).await;
                        Reply { due, done: self.now(), answer }
                    });
                }
            }
            if let Some(ended) = result.take_if(|_| pending.is_empty()) {
                return ended;
            }
        }
    }
}

impl Reply {
    /// Time from when the request was due until it completed.
    pub fn took(&self) -> Duration {
        self.done.saturating_sub(self.due)
    }
}

/// Limit of pending requests. An embedded balancer needs three more files for each request.
fn max_pending(rate: u32) -> u16 {
    let limit = getrlimit(Resource::Nofile);
    // The soft limit is often 1,024: too few for the requests that await a hung replica.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).is_ok();
    let files = if raised { limit.maximum } else { limit.current }.unwrap_or(u64::MAX);
    let limit = (MAX_PENDING_SECONDS * u64::from(rate)).max(100).min(files / 5);
    limit.try_into().unwrap_or(u16::MAX)
}
