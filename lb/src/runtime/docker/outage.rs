//! An episode in which the engine is away: one log line when it begins, one when it ends.

use std::cell::Cell;
use std::fmt;
use std::time::Instant;

use tokio::sync::Notify;

/// Whether the engine is away, and since when.
#[derive(Default)]
pub(super) struct Outage {
    since: Cell<Option<Instant>>,
    ended: Notify,
}

impl Outage {
    /// A call found the engine away.
    pub fn begin(&self, why: &dyn fmt::Display) {
        if self.since.get().is_none() {
            self.since.set(Some(Instant::now()));
            log::warn!("engine away routing=on lifecycle=waits why={why}");
        }
    }

    /// The engine carried out a call.
    pub fn end(&self) {
        if let Some(since) = self.since.take() {
            log::info!("engine back after_ms={}", since.elapsed().as_millis());
            self.ended.notify_one();
        }
    }

    /// Waits for the end of an episode, also of one that ended since the last call of this.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }
}
