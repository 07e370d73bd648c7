//! An outage of the engine: one log line when it begins, one for each further reason, one when it ends.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::time::Instant;

use tokio::sync::Notify;

/// Whether the engine is unreachable, and since when.
#[derive(Default)]
pub(super) struct Outage {
    since: Cell<Option<Instant>>,
    /// Reasons that were logged since the outage began.
    reasons: RefCell<Vec<String>>,
    ended: Notify,
}

impl Outage {
    /// A call found the engine unreachable.
    ///
    /// A restart shows several reasons one after the other: the connection is closed, nothing listens, and only once the
    /// engine has made a new socket can a mounted file be recognised as dead. So each reason is logged, once.
    pub fn begin(&self, why: &dyn fmt::Display) {
        let why = why.to_string();
        let mut reasons = self.reasons.borrow_mut();
        if reasons.contains(&why) {
            return;
        }
        if self.since.get().is_none() {
            self.since.set(Some(Instant::now()));
            log::warn!(routing = "on", lifecycle = "waits", why:%; "engine away");
        } else {
            log::warn!(why:%; "engine still away");
        }
        reasons.push(why);
    }

    /// A call of the engine succeeded.
    pub fn end(&self) {
        if let Some(since) = self.since.take() {
            self.reasons.borrow_mut().clear();
            log::info!(after_ms:% = since.elapsed().as_millis(); "engine back");
            self.ended.notify_one();
        }
    }

    /// Waits for the end of an outage, including one that ended since the previous call.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }
}
