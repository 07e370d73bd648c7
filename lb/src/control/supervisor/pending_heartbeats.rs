//! Pending heartbeats: the supervisor waits again for one that was not answered in time, instead of sending another.
//!
//! A server that handles one request at a time leaves connections in its accept queue while it works. A new heartbeat
//! connection for each missed one would fill that queue (5 in Python's standard library) and keep requests out.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use tokio::time::{Instant, timeout};

use crate::fleet::HeartbeatResult;
use crate::ring::Incarnation;
use crate::runtime::heartbeat::unanswered;

/// Lifetime of the first unanswered heartbeat; after it a fresh connection is tried, because the old one may lead to a
/// host that has restarted since. The lifetime doubles with each unanswered heartbeat, up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(60);

/// The unanswered heartbeats by replica.
#[derive(Clone, Default)]
pub(super) struct PendingHeartbeats(Rc<RefCell<BTreeMap<Incarnation, Unanswered>>>);

struct Unanswered {
    answer: LocalBoxFuture<'static, HeartbeatResult>,
    sent: Instant,
    /// Lifetime: no longer than this after `sent` it is waited for.
    keep: Duration,
    /// End of the latest wait. If no other follows for [`LONGEST`], the replica has left, and the entry is removed.
    waited: Instant,
}

impl PendingHeartbeats {
    /// Waits for the answer of the pending heartbeat, or of a new one, for at most `timeout_after`.
    pub fn send(
        &self,
        incarnation: Incarnation,
        timeout_after: Duration,
        start: impl FnOnce() -> LocalBoxFuture<'static, HeartbeatResult>,
    ) -> LocalBoxFuture<'static, HeartbeatResult> {
        let now = Instant::now();
        let known = self.0.borrow_mut().remove(&incarnation);
        let keep = known.as_ref().map_or(FIRST, |known| (known.keep * 2).min(LONGEST));
        let fresh = || Unanswered { answer: start(), sent: now, keep, waited: now };
        let mut heartbeat = known.filter(|known| now < known.sent + known.keep).unwrap_or_else(fresh);
        let unanswered_ones = self.0.clone();
        Box::pin(async move {
            if let Ok(result) = timeout(timeout_after, &mut heartbeat.answer).await {
                return result;
            }
            heartbeat.waited = Instant::now();
            let mut others = unanswered_ones.borrow_mut();
            others.retain(|_, other| other.waited + LONGEST > heartbeat.waited);
            others.insert(incarnation, heartbeat);
            unanswered(timeout_after)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures::FutureExt;
    use futures::future::pending;
    use tokio::time::sleep;

    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(400);
    const INTERVAL: Duration = Duration::from_millis(100);

    async fn send(
        heartbeats: &PendingHeartbeats,
        sent: &Cell<u32>,
        answer: LocalBoxFuture<'static, HeartbeatResult>,
    ) -> HeartbeatResult {
        sleep(INTERVAL).await;
        let start = || {
            sent.set(sent.get() + 1);
            answer
        };
        heartbeats.send(Incarnation(1), TIMEOUT, start).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_replica_gets_few_connections_and_a_late_answer_is_good() {
        let (heartbeats, sent) = (PendingHeartbeats::default(), Cell::new(0));
        let late = async {
            sleep(Duration::from_millis(1500)).await;
            HeartbeatResult::Good
        };
        let mut results = vec![send(&heartbeats, &sent, late.boxed_local()).await];
        while results.last() != Some(&HeartbeatResult::Good) {
            results.push(send(&heartbeats, &sent, pending().boxed_local()).await);
        }
        assert_eq!((results.len(), sent.get()), (4, 1));
        assert_eq!(results[0], unanswered(TIMEOUT));

        // Half a minute of silence.
        for _ in 0..60 {
            send(&heartbeats, &sent, pending().boxed_local()).await;
        }
        assert_eq!(sent.get() - 1, 4, "at 0, 2, 6 and 14 s");
        // The next fresh connection is answered quickly.
        sleep(LONGEST).await;
        let good = async { HeartbeatResult::Good };
        assert_eq!(send(&heartbeats, &sent, good.boxed_local()).await, HeartbeatResult::Good);
    }

    #[tokio::test(start_paused = true)]
    async fn replicas_that_have_left_are_forgotten() {
        let heartbeats = PendingHeartbeats::default();
        for incarnation in 0..100 {
            heartbeats.send(Incarnation(incarnation), TIMEOUT, || pending().boxed_local()).await;
        }
        sleep(LONGEST).await;
        heartbeats.send(Incarnation(100), TIMEOUT, || pending().boxed_local()).await;
        assert_eq!(heartbeats.0.borrow().len(), 1);
    }
}
