//! Signs that a replica works: transferred bytes, and requests that wait for their reply heads.
//!
//! The clock is not read for each byte or request: both are only marked, and the sweep of the worker (every 250 ms)
//! assigns the time to the marks. Hence a time may be up to 250 ms too late, never too early.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use crate::fleet::Activity;

/// Age of a request from which on sent bytes of its body count as progress. Before that they do not prove that the
/// replica works, because the kernel accepts the first bytes also for a process that never reads them.
const PROVEN_AFTER: Duration = Duration::from_secs(1);

/// The progress of one replica, as observed by one worker.
#[derive(Default)]
pub(crate) struct Progress {
    /// Whether bytes were transferred since the last sweep.
    moved: Cell<bool>,
    /// Time of the last progress.
    last: Cell<Option<Instant>>,
    /// Start of the first request that ended by `--head-timeout` without any progress since it began; `None` if there
    /// was progress since then.
    timed_out: Cell<Option<Instant>>,
    /// Time of the last sweep.
    swept: Cell<Option<Instant>>,
    waiting: RefCell<Waiting>,
}

/// The requests that wait for their reply heads.
#[derive(Default)]
struct Waiting {
    /// The start of each request by its number, in the order of their start; `None` until the next sweep. Bounded by
    /// the requests in flight: one that waits for hours keeps no later one.
    starts: BTreeMap<u64, Option<Instant>>,
    /// Number of the next request.
    next: u64,
}

/// A request that waits for its reply head; it stops waiting when this is dropped.
pub(crate) struct Wait {
    progress: Rc<Progress>,
    number: u64,
}

impl Progress {
    /// Marks progress: bytes were transferred.
    pub(crate) fn moved(&self) {
        self.moved.set(true);
    }

    /// Registers a request that begins to wait.
    pub(crate) fn wait(self: &Rc<Self>) -> Wait {
        let mut waiting = self.waiting.borrow_mut();
        let number = waiting.next;
        waiting.next += 1;
        waiting.starts.insert(number, None);
        Wait { progress: self.clone(), number }
    }

    /// Assigns the time `now` to the marks since the last sweep.
    pub(crate) fn sweep(&self, now: Instant) {
        self.swept.set(Some(now));
        if self.moved.take() {
            self.last.set(Some(now));
            self.timed_out.set(None);
        }
        let mut waiting = self.waiting.borrow_mut();
        // The requests without a time are the newest ones.
        for start in waiting.starts.values_mut().rev().take_while(|start| start.is_none()) {
            *start = Some(now);
        }
    }

    /// The activity up to now.
    pub(crate) fn activity(&self, now: Instant) -> Activity {
        self.sweep(now);
        let waiting = self.waiting.borrow();
        let oldest = waiting.starts.values().next().copied().flatten();
        let since = oldest.map(|oldest| self.timed_out.get().map_or(oldest, |at| at.min(oldest)));
        Activity {
            last_progress: self.last.get().map(Instant::into_std),
            waiting_since: since.map(Instant::into_std),
        }
    }
}

impl Wait {
    /// Bytes of the request were written: progress if the request is at least one second old.
    pub(crate) fn sent(&self) {
        let proven =
            |since: Instant| self.progress.swept.get().is_some_and(|now| now >= since + PROVEN_AFTER);
        if self.since().is_some_and(proven) {
            self.progress.moved();
        }
    }

    /// The request ended by `--head-timeout`.
    pub(crate) fn timed_out(&self) {
        let Progress { moved, last, timed_out, .. } = &*self.progress;
        let Some(since) = self.since().filter(|_| !moved.get()) else { return };
        if last.get().is_none_or(|last| last < since) && timed_out.get().is_none_or(|first| since < first) {
            timed_out.set(Some(since));
        }
    }

    fn since(&self) -> Option<Instant> {
        self.progress.waiting.borrow().starts.get(&self.number).copied().flatten()
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.progress.waiting.borrow_mut().starts.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn times(progress: &Progress, now: Instant) -> (Option<Instant>, Option<Instant>) {
        let Activity { last_progress, waiting_since } = progress.activity(now);
        (last_progress.map(Instant::from_std), waiting_since.map(Instant::from_std))
    }

    #[test]
    fn waiting_since_is_the_start_of_the_oldest_waiting_request() {
        let (progress, start) = (Rc::new(Progress::default()), Instant::now());
        assert_eq!(times(&progress, start), (None, None));
        let first = progress.wait();
        progress.sweep(start);
        let second = progress.wait();
        progress.sweep(start + SECOND);
        let third = progress.wait();
        assert_eq!(times(&progress, start + 2 * SECOND).1, Some(start));
        drop(second);
        drop(first);
        assert_eq!(times(&progress, start + 3 * SECOND).1, Some(start + 2 * SECOND));
        drop(third);
        assert_eq!(times(&progress, start + 4 * SECOND), (None, None));
        assert!(progress.waiting.borrow().starts.is_empty());
    }

    #[test]
    fn a_request_that_waits_for_long_keeps_no_later_one() {
        let (progress, start) = (Rc::new(Progress::default()), Instant::now());
        let _long = progress.wait();
        progress.sweep(start);
        (0..10_000).for_each(|_| drop(progress.wait()));
        assert_eq!(progress.waiting.borrow().starts.len(), 1);
        assert_eq!(times(&progress, start + SECOND).1, Some(start));
    }

    #[test]
    fn a_mark_gets_the_time_of_the_next_sweep() {
        let (progress, start) = (Rc::new(Progress::default()), Instant::now());
        progress.moved();
        progress.sweep(start);
        assert_eq!(times(&progress, start + SECOND).0, Some(start));
        progress.moved();
        assert_eq!(times(&progress, start + 2 * SECOND).0, Some(start + 2 * SECOND));
    }

    #[test]
    fn sent_bytes_are_progress_once_the_request_is_a_second_old() {
        let (progress, start) = (Rc::new(Progress::default()), Instant::now());
        let wait = progress.wait();
        wait.sent();
        progress.sweep(start);
        wait.sent();
        assert_eq!(times(&progress, start + SECOND), (None, Some(start)));
        wait.sent();
        assert_eq!(times(&progress, start + 2 * SECOND).0, Some(start + 2 * SECOND));
    }

    #[test]
    fn a_timed_out_request_counts_until_there_is_progress() {
        let (progress, start) = (Rc::new(Progress::default()), Instant::now());
        let first = progress.wait();
        progress.sweep(start);
        first.timed_out();
        drop(first);
        assert_eq!(times(&progress, start + 30 * SECOND).1, None, "no request waits");
        let second = progress.wait();
        assert_eq!(times(&progress, start + 31 * SECOND).1, Some(start));
        progress.moved();
        assert_eq!(times(&progress, start + 32 * SECOND).1, Some(start + 31 * SECOND));
        drop(second);

        let slow = progress.wait();
        progress.sweep(start + 40 * SECOND);
        progress.moved();
        slow.timed_out();
        let _next = progress.wait();
        drop(slow);
        assert_eq!(times(&progress, start + 70 * SECOND).1, Some(start + 70 * SECOND), "there was progress");
    }
}
