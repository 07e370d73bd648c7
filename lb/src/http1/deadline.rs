//! LiveLimits, checked by one sweep per worker: a timer for each request would cost more than it is worth.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

/// How often deadlines are checked, hence by how much one may be late.
pub(crate) const SWEEP: Duration = Duration::from_millis(250);

/// Every watch of a worker.
#[derive(Default)]
pub(crate) struct Deadlines(RefCell<Vec<Rc<State>>>);

/// One connection's deadline; forgotten when dropped.
pub(crate) struct Deadline(Rc<State>);

#[derive(Default)]
struct State {
    deadline: Cell<Option<Instant>>,
    expired: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

impl Deadlines {
    /// A new watch without a deadline.
    pub(crate) fn add(&self) -> Deadline {
        let state = Rc::<State>::default();
        self.0.borrow_mut().push(state.clone());
        Deadline(state)
    }

    /// Wakes whoever waits past its deadline and forgets dropped watches. `false` when none is left.
    pub(crate) fn sweep(&self, now: Instant) -> bool {
        let mut watches = self.0.borrow_mut();
        watches.retain(|state| Rc::strong_count(state) > 1);
        for state in watches.iter().filter(|s| s.deadline.get().is_some_and(|at| at <= now)) {
            state.expired.set(true);
            state.wake();
        }
        !watches.is_empty()
    }

    /// Wakes everybody, to look again at what is true of their replica.
    pub(crate) fn wake_all(&self) {
        self.0.borrow().iter().for_each(|state| state.wake());
    }
}

impl Deadline {
    /// Sets the deadline, or none; an earlier one no longer counts.
    pub(crate) fn arm(&self, timeout: Option<Duration>) {
        self.0.expired.set(false);
        self.0.deadline.set(timeout.map(|timeout| Instant::now() + timeout));
    }

    /// Wakes the task that waits, to look again at what has changed.
    pub(crate) fn wake(&self) {
        self.0.wake();
    }

    /// Ready once the deadline has passed. The task is woken then and at [`Deadlines::wake_all`].
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.expired.get() {
            return Poll::Ready(());
        }
        let waker = self.0.waker.take().filter(|waker| waker.will_wake(cx.waker()));
        self.0.waker.set(Some(waker.unwrap_or_else(|| cx.waker().clone())));
        Poll::Pending
    }
}

impl State {
    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::task::noop_waker_ref;

    use super::*;

    #[test]
    fn a_watch_expires_once_and_can_be_armed_again() {
        let (watches, cx) = (Deadlines::default(), &mut Context::from_waker(noop_waker_ref()));
        let watch = watches.add();
        watch.arm(Some(Duration::from_secs(1)));
        let now = Instant::now();
        assert!(watches.sweep(now));
        assert!(watch.poll(cx).is_pending());
        assert!(watches.sweep(now + Duration::from_secs(2)));
        assert!(watch.poll(cx).is_ready());
        watch.arm(None);
        assert!(watches.sweep(now + Duration::from_secs(9)));
        assert!(watch.poll(cx).is_pending());
    }

    #[test]
    fn dropped_watches_are_forgotten() {
        let watches = Deadlines::default();
        let (a, b) = (watches.add(), watches.add());
        drop(a);
        assert!(watches.sweep(Instant::now()));
        assert_eq!(watches.0.borrow().len(), 1);
        drop(b);
        assert!(!watches.sweep(Instant::now()));
    }
}
