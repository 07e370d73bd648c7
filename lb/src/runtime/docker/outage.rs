//! An outage of the engine: one log line when it begins, one when it ends.

use std::cell::Cell;
use std::fmt;
use std::time::Instant;

use tokio::sync::Notify;

/// Whether the engine is unreachable, and since when.
#[derive(Default)]
pub(super) struct Outage {
    since: Cell<Option<Instant>>,
    ended: Notify,
}

impl Outage {
    /// A call found the engine unreachable.
    pub fn begin(&self, why: &dyn fmt::Display) {
        if self.since.get().is_none() {
            self.since.set(Some(Instant::now()));
            log::warn!(routing = "on", lifecycle = "waits", why:%; "engine away");
        }
    }

    /// A call of the engine succeeded.
    pub fn end(&self) {
        if let Some(since) = self.since.take() {
            log::info!(after_ms:% = since.elapsed().as_millis(); "engine back");
            self.ended.notify_one();
        }
    }

    /// Waits for the end of an outage, including one that ended since the previous call.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }
}
