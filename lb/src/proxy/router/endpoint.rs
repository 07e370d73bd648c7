//! The state of a replica in one router, and the requests in flight to it, which report their outcome here.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_http::Payload;
use actix_http::error::PayloadError;
use awc::http::StatusCode;
use awc::http::uri::Authority;
use bytes::Bytes;
use futures::Stream;
use tokio::time::Sleep;

use crate::balance::{Candidate, Failure, Health, Latency};
use crate::proxy::client::{Error, Kind, Phase};
use crate::ring::{Incarnation, Replica, Seated, Weight};
use crate::shortage::is_own_shortage;
use crate::stats::counters::ReplicaTally;

use super::Skip;
use super::lease::Router;

/// The state of a replica in one router.
pub(crate) struct Endpoint {
    pub incarnation: Incarnation,
    /// A copy of this thread, so that its reference count is not shared between workers.
    pub replica: Rc<Replica>,
    pub address: SocketAddr,
    pub authority: Option<Authority>,
    pub weight: Cell<Weight>,
    pub health: RefCell<Health>,
    /// Its heartbeats fail, by the latest message of the supervisor.
    pub suspect: Cell<bool>,
    pub latency: Cell<Latency>,
    /// Credit of weighted round robin.
    pub credit: Cell<i64>,
    pub in_flight: Cell<usize>,
    /// It has left the ring; the supervisor waits until its last request has ended.
    pub gone: Cell<bool>,
    /// Its counters since it first got its seat; they continue while it is drained.
    pub tally: Rc<RefCell<ReplicaTally>>,
}

/// A request in flight to a replica, from the choice to the last byte of the reply.
pub struct InFlight {
    router: Rc<Router>,
    endpoint: Rc<Endpoint>,
    sent: Instant,
    /// Whether it counts as waiting for a reply head. A request with a body does not: its client may be slow.
    awaits_head: bool,
    /// Whether it is the probe of an ejected replica, and its outcome is still open.
    probe: bool,
    /// Whether the status of the reply is one of `--eject-on`.
    error: bool,
    /// Why the first choice was skipped; `None`: it was not.
    first_skipped: Option<Skip>,
    /// Expires with `--request-timeout`; `None`: no limit.
    cutoff: Option<Pin<Box<Sleep>>>,
}

impl Endpoint {
    /// `tally`: its counters from before a drain, else empty ones.
    pub fn new(Seated { replica, weight }: &Seated, tally: Rc<RefCell<ReplicaTally>>) -> Self {
        Self {
            incarnation: replica.incarnation,
            replica: Rc::new(Replica::clone(replica)),
            address: replica.address,
            authority: replica.address.to_string().parse().ok(),
            weight: Cell::new(*weight),
            health: RefCell::default(),
            suspect: Cell::new(false),
            latency: Cell::default(),
            credit: Cell::new(0),
            in_flight: Cell::new(0),
            gone: Cell::new(false),
            tally,
        }
    }

    /// Whether it is ejected or stalled: it gets no requests except probes.
    pub fn is_unavailable(&self) -> bool {
        self.health.borrow().is_unavailable()
    }

    /// Whether requests prefer other replicas, whatever their load.
    pub fn is_last_resort(&self) -> bool {
        self.suspect.get() || self.is_unavailable()
    }

    pub fn candidate(&self, now: Instant) -> Candidate {
        Candidate {
            weight: self.weight.get().get(),
            in_flight: self.in_flight.get(),
            latency: self.latency.get().seconds(now),
            credit: self.credit.get(),
        }
    }
}

impl InFlight {
    /// `awaits_head`: only the replica can delay the reply head. `probe`: the replica is ejected, and this request is
    /// its probe.
    pub(crate) fn new(
        router: &Rc<Router>,
        endpoint: &Rc<Endpoint>,
        awaits_head: bool,
        probe: bool,
        now: Instant,
    ) -> Self {
        router.in_flight.update(|n| n + 1);
        endpoint.in_flight.update(|n| n + 1);
        router.sent(endpoint);
        let mut health = endpoint.health.borrow_mut();
        if awaits_head {
            health.sent(now);
        }
        if probe {
            health.probed(Some(now));
        }
        drop(health);
        let (router, endpoint) = (router.clone(), endpoint.clone());
        Self {
            router,
            endpoint,
            sent: now,
            awaits_head,
            probe,
            error: false,
            first_skipped: None,
            cutoff: None,
        }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether it is the probe of an ejected replica.
    pub(crate) fn is_probe(&self) -> bool {
        self.probe
    }

    /// Whether its replica gets no new requests, so that this one should be hedged. Never for a probe.
    pub(crate) fn is_abandoned(&self) -> bool {
        !self.probe && self.endpoint.is_unavailable()
    }

    /// Whether it is the only request that waits for a reply head of its replica.
    pub(crate) fn is_last(&self) -> bool {
        self.awaits_head && self.endpoint.health.borrow().waiting() == 1
    }

    /// Records why the first choice was skipped.
    pub(crate) fn with_first_skipped(mut self, skip: Option<Skip>) -> Self {
        self.first_skipped = skip;
        self
    }

    /// Why the first choice was skipped; `None`: it was not.
    pub(crate) fn first_skipped(&self) -> Option<Skip> {
        self.first_skipped
    }

    /// Time at which its replica was chosen.
    pub(crate) fn since(&self) -> Instant {
        self.sent
    }

    /// Records the reply head; returns the time since the replica was chosen.
    pub(crate) fn replied(&mut self, status: StatusCode) -> Duration {
        let now = super::now();
        let took = now.saturating_duration_since(self.sent);
        self.error = self.router.settings().eject_on.contains(status.as_u16());
        let mut latency = self.endpoint.latency.get();
        latency.observe(took, now);
        self.router.record_latency(&self.endpoint, took);
        self.endpoint.latency.set(latency);
        self.router.update_health(&self.endpoint, |health| health.replied(self.error, now));
        self.settle();
        if self.error {
            self.router.maybe_eject(&self.endpoint);
        }
        took
    }

    /// Records the complete reply.
    pub(crate) fn completed(&mut self) {
        self.endpoint.health.borrow_mut().completed();
        if std::mem::take(&mut self.probe) {
            self.router.probe_finished(&self.endpoint, !self.error);
        }
    }

    /// Records that the attempt failed or the reply was cut short.
    pub(crate) fn failed(&mut self, error: &Error) {
        let Some(failure) = replica_failure(error, self.sent) else { return };
        // The accept queue of a busy server may be full, and a suspect replica is a last choice already.
        if self.endpoint.suspect.get() && matches!(error.kind, Kind::TimedOut(Phase::Connect)) {
            return;
        }
        self.router.failed(&self.endpoint);
        self.record_failure(failure);
    }

    /// Records that `--request-timeout` expired before the reply head.
    pub(crate) fn timed_out(&mut self) {
        if self.awaits_head {
            self.router.failed(&self.endpoint);
            self.record_failure(Failure::TimedOut { sent: self.sent });
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
        self.endpoint.health.borrow_mut().failed(failure);
        self.settle();
        if std::mem::take(&mut self.probe) {
            self.router.probe_finished(&self.endpoint, false);
        }
        self.router.maybe_eject(&self.endpoint);
    }

    /// Stops counting as waiting for a reply head.
    fn settle(&mut self) {
        if std::mem::take(&mut self.awaits_head) {
            self.router.update_health(&self.endpoint, Health::settled);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.settle();
        let Self { router, endpoint, .. } = self;
        if self.probe {
            endpoint.health.borrow_mut().probed(None);
        }
        router.in_flight.update(|n| n - 1);
        endpoint.in_flight.update(|n| n - 1);
        if endpoint.gone.get() && endpoint.in_flight.get() == 0 {
            router.remove_idle(endpoint.incarnation);
        }
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
