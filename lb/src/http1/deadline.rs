//! Deadlines of connections, checked periodically by one sweep per worker instead of a timer per request, which would
//! be more expensive.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

/// Interval of the sweep: a deadline may be noticed this much too late.
pub(crate) const SWEEP: Duration = Duration::from_millis(250);

/// All deadlines of a worker. A task sweeps them as long as there is any.
#[derive(Default)]
pub(crate) struct Deadlines {
    states: RefCell<Vec<Rc<State>>>,
    /// Whether the task runs.
    is_swept: Cell<bool>,
}

/// The deadline of one connection; unregistered when dropped.
pub(crate) struct Deadline(Rc<State>);

#[derive(Default)]
struct State {
    /// `None` if the deadline is not set.
    deadline: Cell<Option<Instant>>,
    expired: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

impl Deadlines {
    /// Registers a new deadline, which is not set, and starts the task unless it runs. Every [`SWEEP`] the task calls
    /// `sweep` with the owner of the deadlines, until that returns `false` (no deadline is left) or the owner is dropped.
    /// `sweep` calls [`Self::sweep`] of these deadlines and returns its result. It must run in a `LocalSet`.
    pub(crate) fn add_swept<T: 'static>(&self, owner: &Rc<T>, sweep: fn(&T, Instant) -> bool) -> Deadline {
        if !self.is_swept.replace(true) {
            tokio::task::spawn_local(sweep_periodically(Rc::downgrade(owner), sweep));
        }
        self.add()
    }

    /// Registers a new deadline, which is not set.
    pub(crate) fn add(&self) -> Deadline {
        let state = Rc::<State>::default();
        self.states.borrow_mut().push(state.clone());
        Deadline(state)
    }

    /// Wakes the tasks whose deadline has passed and removes dropped deadlines. Returns whether any deadline is left.
    pub(crate) fn sweep(&self, now: Instant) -> bool {
        let mut deadlines = self.states.borrow_mut();
        deadlines.retain(|state| Rc::strong_count(state) > 1);
        for state in deadlines.iter().filter(|s| s.deadline.get().is_some_and(|at| at <= now)) {
            state.expired.set(true);
            state.wake();
        }
        if deadlines.is_empty() {
            self.is_swept.set(false); // the task ends by the result
        }
        !deadlines.is_empty()
    }

    /// Whether the task of [`Self::add_swept`] runs.
    #[cfg(test)]
    pub(crate) fn is_swept(&self) -> bool {
        self.is_swept.get()
    }

    /// Wakes all waiting tasks, for example to check the state of their replica again.
    pub(crate) fn wake_all(&self) {
        self.states.borrow().iter().for_each(|state| state.wake());
    }
}

impl Deadline {
    /// Sets the deadline to `timeout` from now, or clears it with `None`; replaces the previous one.
    pub(crate) fn arm(&self, timeout: Option<Duration>) {
        self.0.expired.set(false);
        self.0.deadline.set(timeout.map(|timeout| Instant::now() + timeout));
    }

    /// Wakes the waiting task without expiring the deadline.
    pub(crate) fn wake(&self) {
        self.0.wake();
    }

    /// Ready when the deadline has passed. The task is woken then, by [`Self::wake`] and by [`Deadlines::wake_all`].
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

async fn sweep_periodically<T>(owner: Weak<T>, sweep: fn(&T, Instant) -> bool) {
    let mut ticks = interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(owner) = owner.upgrade() else { return };
        if !sweep(&owner, Instant::now()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::task::noop_waker_ref;

    use super::*;

    #[test]
    fn a_deadline_expires_and_can_be_set_again() {
        let (deadlines, cx) = (Deadlines::default(), &mut Context::from_waker(noop_waker_ref()));
        let deadline = deadlines.add();
        deadline.arm(Some(Duration::from_secs(1)));
        let now = Instant::now();
        assert!(deadlines.sweep(now));
        assert!(deadline.poll(cx).is_pending());
        assert!(deadlines.sweep(now + Duration::from_secs(2)));
        assert!(deadline.poll(cx).is_ready());
        deadline.arm(None);
        assert!(deadlines.sweep(now + Duration::from_secs(9)));
        assert!(deadline.poll(cx).is_pending());
    }

    #[test]
    fn dropped_deadlines_are_removed() {
        let deadlines = Deadlines::default();
        let (a, b) = (deadlines.add(), deadlines.add());
        drop(a);
        assert!(deadlines.sweep(Instant::now()));
        assert_eq!(deadlines.states.borrow().len(), 1);
        drop(b);
        assert!(!deadlines.sweep(Instant::now()));
    }
}
