//! Sliding window over the last minute of a replica or of all traffic, in slices of about a second.

use std::collections::VecDeque;
use std::time::Duration;

use super::histogram::{Delta, Histogram};

/// Slices over which the balance of the load is measured.
pub const MINUTE: usize = 60;

/// Slices over which rates and latencies are measured.
pub const RECENT: usize = 10;

/// Measurements of about one second.
#[derive(Clone, Debug, Default)]
pub struct Slice {
    /// Length of the slice.
    pub took: Duration,
    /// Number of requests.
    pub requests: u64,
    /// Number of requests that the weight would have given to this replica.
    pub fair: f64,
    /// Number of failed requests.
    pub errors: u64,
    /// Durations of the requests.
    pub durations: Delta,
}

/// The latest slices, at most [`MINUTE`]; only the latest [`RECENT`] keep their durations.
#[derive(Clone, Debug, Default)]
pub struct Window(VecDeque<Slice>);

/// Sum of several slices.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// Total length of the slices.
    pub took: Duration,
    /// Number of requests.
    pub requests: u64,
    /// Number of failed requests.
    pub errors: u64,
    /// Durations of the requests.
    pub durations: Histogram,
}

impl Window {
    /// Adds a slice and drops the oldest one beyond [`MINUTE`].
    pub fn push(&mut self, slice: Slice) {
        self.0.push_front(slice);
        self.0.truncate(MINUTE);
        if let Some(older) = self.0.get_mut(RECENT) {
            older.durations = Delta::default();
        }
    }

    /// Sum of the latest [`RECENT`] slices.
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

    /// Number of requests in the whole window, and the number that the weights would have given.
    pub fn minute(&self) -> (u64, f64) {
        self.0.iter().fold((0, 0.0), |(requests, fair), slice| (requests + slice.requests, fair + slice.fair))
    }
}

impl Sum {
    /// `count` divided by the total length in seconds; 0 if that is zero.
    pub fn per_second(&self, count: u64) -> f64 {
        if self.took.is_zero() { 0.0 } else { count as f64 / self.took.as_secs_f64() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_slices_are_dropped() {
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
