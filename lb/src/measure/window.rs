//! The last minute of a replica or of all, in slices of about a second.

use std::collections::VecDeque;
use std::time::Duration;

use super::histogram::{Delta, Histogram};

/// For how long it is known how even the load was, in slices.
pub const MINUTE: usize = 60;

/// For how long rates and durations are told, in slices.
pub const RECENT: usize = 10;

/// What happened in about a second.
#[derive(Clone, Debug, Default)]
pub struct Slice {
    /// How long it was.
    pub took: Duration,
    /// Requests.
    pub requests: u64,
    /// How many of all requests should have come here by weight.
    pub fair: f64,
    /// Requests that failed.
    pub errors: u64,
    /// How long they took.
    pub durations: Delta,
}

/// The latest slices, at most [`MINUTE`]; durations are kept of [`RECENT`].
#[derive(Clone, Debug, Default)]
pub struct Window(VecDeque<Slice>);

/// Some slices together.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// How long they were.
    pub took: Duration,
    /// Requests.
    pub requests: u64,
    /// Requests that failed.
    pub errors: u64,
    /// How long they took.
    pub durations: Histogram,
}

impl Window {
    /// One more slice; the oldest one goes.
    pub fn push(&mut self, slice: Slice) {
        self.0.push_front(slice);
        self.0.truncate(MINUTE);
        if let Some(older) = self.0.get_mut(RECENT) {
            older.durations = Delta::default();
        }
    }

    /// The latest slices.
    pub fn recent(&self) -> Sum {
        let mut sum = Sum::default();
        for slice in self.0.iter().take(RECENT) {
            sum.took += slice.took;
            sum.requests += slice.requests;
            sum.errors += slice.errors;
            sum.durations.absorb(&slice.durations);
        }
        sum
    }

    /// Requests of the whole minute, and how many there should have been.
    pub fn minute(&self) -> (u64, f64) {
        self.0.iter().fold((0, 0.0), |(requests, fair), slice| (requests + slice.requests, fair + slice.fair))
    }
}

impl Sum {
    /// So many of something, a second.
    pub fn per_second(&self, count: u64) -> f64 {
        if self.took.is_zero() { 0.0 } else { count as f64 / self.took.as_secs_f64() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_is_forgotten() {
        let mut window = Window::default();
        assert_eq!(window.recent().per_second(0), 0.0);
        let mut durations = Histogram::default();
        for second in 1..=100u64 {
            let before = durations.clone();
            durations.record(Duration::from_millis(second));
            let took = Duration::from_millis(500);
            let durations = durations.since(&before);
            window.push(Slice { took, requests: second, fair: 2.0, errors: 1, durations });
        }
        let recent = window.recent();
        assert_eq!((recent.requests, recent.errors), ((91..=100).sum(), 10));
        assert_eq!(recent.per_second(recent.errors), 2.0);
        let median = recent.durations.quantile(0.5).unwrap().as_secs_f64();
        assert!((0.092..0.1).contains(&median) && recent.durations.count() == 10, "{median}");
        assert_eq!(window.minute(), ((41..=100).sum(), 120.0));
    }
}
