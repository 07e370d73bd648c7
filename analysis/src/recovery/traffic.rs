//! Steady traffic: an open loop, whose requests come at their time whatever became of those before.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use futures::future::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::balancer::{Balancer, Failure};

/// As many seconds of traffic may wait for a reply, if as many files may be open; what is due then is sent late, and
/// its time counts from when it should have been sent.
const MOST_WAITING: u64 = 5;

/// Requests to `/home`, each with a random id, at a fixed rate; none is tried twice.
///
/// A reply's time is measured from the moment when its request was due, so that a balancer that stalls cannot hide
/// it by keeping the next requests from being sent (no coordinated omission).
pub struct Traffic<'a> {
    balancer: &'a Balancer,
    /// Requests a second.
    rate: u32,
    seed: u64,
    start: Instant,
    replies: RefCell<Vec<Reply>>,
}

/// What became of one request; times since the traffic began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// When it was to be sent.
    pub due: Duration,
    /// When its reply, or its failure, was there.
    pub done: Duration,
    /// Which replica answered.
    pub answer: Result<String, Failure>,
}

impl<'a> Traffic<'a> {
    /// Traffic that begins now, as soon as it is run.
    pub fn new(balancer: &'a Balancer, rate: u32, seed: u64) -> Self {
        Self { balancer, rate, seed, start: Instant::now(), replies: RefCell::default() }
    }

    /// Time since it began.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// What came back, in the order of the replies.
    pub fn replies(self) -> Vec<Reply> {
        self.replies.into_inner()
    }

    /// Sends until `work` has ended, and waits for what is on its way then.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let most = most_waiting(self.rate);
        let client = self.balancer.client(most);
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let mut waiting = FuturesUnordered::new();
        let mut sent = 0_u64;
        let mut work = std::pin::pin!(work.fuse());
        let mut result = None;
        loop {
            let due = Duration::from_secs_f64(sent as f64 / f64::from(self.rate));
            tokio::select! {
                Some(reply) = waiting.next() => self.replies.borrow_mut().push(reply),
                ended = &mut work => result = Some(ended),
                () = tokio::time::sleep_until((self.start + due).into()),
                    if result.is_none() && waiting.len() < usize::from(most) =>
                {
                    let (client, id) = (client.clone(), rng.u32(100_000..=999_999).to_string());
                    sent += 1;
                    waiting.push(async move {
                        let answer = self.balancer.home(&client, &id).await;
                        Reply { due, done: self.now(), answer }
                    });
                }
            }
            if let Some(ended) = result.take_if(|_| waiting.is_empty()) {
                return ended;
            }
        }
    }
}

impl Reply {
    /// How long it took, from when it was due.
    pub fn took(&self) -> Duration {
        self.done.saturating_sub(self.due)
    }
}

/// An embedded balancer needs three files more for each request.
fn most_waiting(rate: u32) -> u16 {
    let limit = getrlimit(Resource::Nofile);
    // 1,024 unless asked for more: too few for the users of a replica that hangs.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).is_ok();
    let files = if raised { limit.maximum } else { limit.current }.unwrap_or(u64::MAX);
    let most = (MOST_WAITING * u64::from(rate)).max(100).min(files / 5);
    most.try_into().unwrap_or(u16::MAX)
}
