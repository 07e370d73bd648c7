//! The start time of replicas, measured in `fleet/ready.rs` and shared with the HTTP workers: the `Retry-After` of the 503
//! of a request for which there is no replica.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The start time that was measured last; a handle that can be shared between threads.
#[derive(Clone, Debug, Default)]
pub struct StartDuration(Arc<AtomicU64>);

impl StartDuration {
    /// Stores the time from a launch to its first good heartbeat.
    pub(crate) fn set(&self, measured: Duration) {
        self.0.store(u64::try_from(measured.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The start time in whole seconds, rounded up, at least 1; 1 if none was measured yet.
    pub fn seconds(&self) -> u64 {
        self.0.load(Ordering::Relaxed).div_ceil(1000).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up() {
        let time = StartDuration::default();
        assert_eq!(time.seconds(), 1);
        for (ms, seconds) in [(0, 1), (999, 1), (1000, 1), (1001, 2), (12_300, 13)] {
            time.set(Duration::from_millis(ms));
            assert_eq!(time.seconds(), seconds);
        }
    }
}
