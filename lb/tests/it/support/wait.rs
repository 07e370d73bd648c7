//! Waiting for a state with a deadline.

use std::time::{Duration, Instant};

/// Time limit for every awaited state; test machines are slow and noisy.
pub const STATE_TIMEOUT: Duration = Duration::from_secs(120);

/// Pause between two looks at the state.
const LOOK: Duration = Duration::from_millis(5);

/// Waits until `state` returns true; fails the test after [`STATE_TIMEOUT`].
pub fn until(what: &str, state: impl FnMut() -> bool) {
    assert!(within(STATE_TIMEOUT, state), "timed out waiting until {what}");
}

/// Waits until `state` returns true; returns false if it does not within `time`.
pub fn within(time: Duration, mut state: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + time;
    while !state() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(LOOK);
    }
    true
}

/// Like [`until`], in a test whose thread also runs tasks.
pub async fn until_async(what: &str, state: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + STATE_TIMEOUT;
    while !state().await {
        assert!(Instant::now() < deadline, "timed out waiting until {what}");
        tokio::time::sleep(LOOK).await;
    }
}
