//! A request in flight to a replica: passes its outcome to the endpoints and to the statistics.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_http::Payload;
use actix_http::error::PayloadError;
use awc::http::StatusCode;
use bytes::Bytes;
use futures::Stream;
use tokio::time::Sleep;

use crate::balance::Failure;
use crate::proxy::client::{Error, Kind, Phase};
use crate::shortage::is_own_shortage;

use super::endpoints::{Endpoint, Outstanding};
use super::state::Router;
use super::{Skip, now};

/// A request in flight to a replica, from the choice to the last byte of the reply.
pub struct InFlight {
    router: Rc<Router>,
    request: Outstanding,
    /// Why the first choice was skipped; `None`: it was not.
    first_skipped: Option<Skip>,
    /// Expires with `--request-timeout`; `None`: no limit.
    cutoff: Option<Pin<Box<Sleep>>>,
}

impl InFlight {
    /// Counts an attempt. `first_skipped`: why the first choice was skipped.
    pub(crate) fn new(router: Rc<Router>, request: Outstanding, first_skipped: Option<Skip>) -> Self {
        request.endpoint().counters().borrow_mut().attempts += 1;
        Self { router, request, first_skipped, cutoff: None }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        self.request.endpoint()
    }

    /// Whether it is the probe of an ejected replica.
    pub(crate) fn is_probe(&self) -> bool {
        self.request.is_probe()
    }

    /// Whether its replica gets no new requests, so that this one should be hedged. Never for a probe.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.request.is_abandoned()
    }

    /// Whether it is the only request that waits for a reply head of its replica.
    pub(crate) fn is_last(&self) -> bool {
        self.request.is_last()
    }

    /// Why the first choice was skipped; `None`: it was not.
    pub(crate) fn first_skipped(&self) -> Option<Skip> {
        self.first_skipped
    }

    /// Time at which its replica was chosen.
    pub(crate) fn since(&self) -> Instant {
        self.request.since()
    }

    /// Records the reply head; returns the time since the replica was chosen.
    pub(crate) fn replied(&mut self, status: StatusCode) -> Duration {
        let now = now();
        let took = now.saturating_duration_since(self.since());
        let error = self.router.settings().eject_on.contains(status.as_u16());
        self.endpoint().counters().borrow_mut().durations.record(took);
        let change = self.router.endpoints.borrow_mut().replied(&mut self.request, error, took, now);
        self.router.announce_all(change);
        took
    }

    /// Records the complete reply.
    pub(crate) fn completed(&mut self) {
        let change = self.router.endpoints.borrow_mut().completed(&mut self.request, now);
        self.router.announce_all(change);
    }

    /// Records that the attempt failed or the reply was cut short.
    pub(crate) fn failed(&mut self, error: &Error) {
        let Some(failure) = replica_failure(error, self.since()) else { return };
        // The accept queue of a busy server may be full, and a suspect replica is a last choice already.
        if self.endpoint().is_suspect() && matches!(error.kind, Kind::TimedOut(Phase::Connect)) {
            return;
        }
        self.record_failure(failure);
    }

    /// Records that `--request-timeout` expired before the reply head.
    pub(crate) fn timed_out(&mut self) {
        if self.request.awaits_head() {
            self.record_failure(Failure::TimedOut { sent: self.since() });
        }
    }

    /// Fails the body of the reply when `cutoff` expires.
    pub(crate) fn cut_at(&mut self, cutoff: Option<Pin<Box<Sleep>>>) {
        self.cutoff = cutoff;
    }

    /// Reads the next bytes of the reply's body, and records its end or failure.
    pub fn poll_body(
        &mut self,
        payload: Pin<&mut Payload>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, PayloadError>>> {
        if self.cutoff.as_mut().is_some_and(|cutoff| cutoff.as_mut().poll(cx).is_ready()) {
            let late = io::Error::new(io::ErrorKind::TimedOut, "--request-timeout");
            return Poll::Ready(Some(Err(PayloadError::Incomplete(Some(late)))));
        }
        let polled = payload.poll_next(cx);
        match &polled {
            Poll::Ready(None) => self.completed(),
            Poll::Ready(Some(Err(error))) => {
                if let Some(error) = Error::of_body(error) {
                    self.failed(error);
                }
            }
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }

    fn record_failure(&mut self, failure: Failure) {
        self.endpoint().counters().borrow_mut().failures += 1;
        let change = self.router.endpoints.borrow_mut().failed(&mut self.request, failure, now());
        self.router.announce_all(change);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let change = self.router.endpoints.borrow_mut().end(&mut self.request);
        self.router.announce_all(change);
    }
}

/// The failure of the replica behind an error; `None` if the client or the balancer caused it.
fn replica_failure(error: &Error, sent: Instant) -> Option<Failure> {
    match &error.kind {
        Kind::Connect(error) if is_own_shortage(error) => None,
        Kind::Connect(_) | Kind::Broke(_) | Kind::Malformed(_) | Kind::TimedOut(Phase::Body) => {
            Some(Failure::Failed)
        }
        Kind::TimedOut(Phase::Connect | Phase::Head) => Some(Failure::TimedOut { sent }),
        Kind::TimedOut(Phase::Upload) | Kind::Client(_) | Kind::Request(_) => None,
        Kind::Unknown(_) | Kind::Aborted => None,
    }
}
