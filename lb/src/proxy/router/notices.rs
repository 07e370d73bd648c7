//! The notices of a router to the supervisor. None of them is awaited.

use std::cell::Cell;
use std::time::{Duration, Instant};

use awc::http::Method;

use crate::control::supervisor::NoticeSender;
use crate::fleet::{RouterEvent, RouterId};
use crate::ring::Replica;

/// Minimum time between two [`RouterEvent::NotRepeated`] notices of one router.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Sends the notices of one router.
pub(crate) struct Notices {
    supervisor: NoticeSender,
    /// Time of the last [`RouterEvent::NotRepeated`]; `None`: none was sent.
    not_repeated_reported: Cell<Option<Instant>>,
}

impl Notices {
    pub fn new(supervisor: NoticeSender) -> Self {
        Self { supervisor, not_repeated_reported: Cell::new(None) }
    }

    /// Id of the router that sends the notices.
    pub fn router(&self) -> RouterId {
        self.supervisor.router()
    }

    pub fn send(&self, event: RouterEvent) {
        self.supervisor.send(event);
    }

    /// A request is not repeated, because replicas were lost while they served it. Logged and sent at most once in
    /// [`REPORT_INTERVAL`]: a server that breaks every connection must not fill the journal.
    pub fn not_repeated(&self, replica: impl FnOnce() -> Option<Replica>, method: &Method, now: Instant) {
        let reported = self.not_repeated_reported.get();
        if reported.is_some_and(|at| now.saturating_duration_since(at) < REPORT_INTERVAL) {
            return;
        }
        let Some(replica) = replica() else { return };
        self.not_repeated_reported.set(Some(now));
        log::warn!(
            method:%, replica:% = replica.name, why = "replicas_were_lost_under_it";
            "request not repeated"
        );
        self.send(RouterEvent::NotRepeated { replica, method: method.to_string() });
    }
}
