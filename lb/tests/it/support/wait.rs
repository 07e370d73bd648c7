//! Waiting for a state with a deadline.

use std::time::{Duration, Instant};

/// Time limit for every awaited state; test machines are slow and noisy.
pub const STATE_TIMEOUT: Duration = Duration::from_secs(120);

/// Waits until `state` returns true; fails the test after [`STATE_TIMEOUT`].
pub fn until(what: &str, mut state: impl FnMut() -> bool) {
    let deadline = Instant::now() + STATE_TIMEOUT;
    while !state() {
        assert!(Instant::now() < deadline, "timed out waiting until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
