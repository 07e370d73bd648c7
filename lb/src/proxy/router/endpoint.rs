//! A replica as one router sees it, and a request in flight to it: what became of it is told here.

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

/// A replica as one router sees it.
pub(crate) struct Endpoint {
    pub incarnation: Incarnation,
    /// Of this thread: its count of holders is shared with no other worker.
    pub replica: Rc<Replica>,
    pub address: SocketAddr,
    pub authority: Option<Authority>,
    pub weight: Cell<Weight>,
    pub health: RefCell<Health>,
    /// Its heartbeats fail, as the supervisor last told.
    pub suspect: Cell<bool>,
    pub latency: Cell<Latency>,
    /// Its turn, for round robin.
    pub credit: Cell<i64>,
    pub in_flight: Cell<usize>,
    /// It has left the ring; the supervisor waits for its last request.
    pub gone: Cell<bool>,
    /// What it has done since it first had its seat; also while it is drained.
    pub tally: Rc<RefCell<ReplicaTally>>,
}

/// A request in flight to a replica, from the choice to the last byte of the reply.
pub struct InFlight {
    router: Rc<Router>,
    upstream: Rc<Endpoint>,
    sent: Instant,
    /// Whether it counts among those that wait for a reply head. One with a body may wait for its client.
    waits: bool,
    /// Whether it is the one live request of an ejected replica, and has not yet shown anything.
    probe: bool,
    /// Whether the status of the reply is one of `--eject-on`.
    error: bool,
    /// Why the first choice was passed over.
    passed_over: Option<Skip>,
    /// The end of `--request-timeout`.
    cutoff: Option<Pin<Box<Sleep>>>,
}

impl Endpoint {
    /// `tally`: what it has done before.
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

    /// Whether no request but a probe is sent there.
    pub fn is_unavailable(&self) -> bool {
        self.health.borrow().is_unavailable()
    }

    /// Whether requests prefer other replicas, however much those have in flight.
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
    /// `waits`: nothing but the replica can keep the reply head from coming. `probe`: the replica is ejected, and this is
    /// its one live request.
    pub(crate) fn new(
        router: &Rc<Router>,
        upstream: &Rc<Endpoint>,
        waits: bool,
        probe: bool,
        now: Instant,
    ) -> Self {
        router.in_flight.update(|n| n + 1);
        upstream.in_flight.update(|n| n + 1);
        router.sent(upstream);
        let mut health = upstream.health.borrow_mut();
        if waits {
            health.sent(now);
        }
        if probe {
            health.probed(Some(now));
        }
        drop(health);
        let (router, upstream) = (router.clone(), upstream.clone());
        Self { router, upstream, sent: now, waits, probe, error: false, passed_over: None, cutoff: None }
    }

    pub(crate) fn upstream(&self) -> &Endpoint {
        &self.upstream
    }

    /// Whether it is the one live request of an ejected replica.
    pub(crate) fn is_probe(&self) -> bool {
        self.probe
    }

    /// Whether nobody new is sent to its replica any more, so that it should look for another.
    pub(crate) fn is_given_up(&self) -> bool {
        !self.probe && self.upstream.is_unavailable()
    }

    /// Whether no other request waits for a reply head of this replica.
    pub(crate) fn is_last(&self) -> bool {
        self.waits && self.upstream.health.borrow().waiting() == 1
    }

    /// Notes why the first choice was passed over.
    pub(crate) fn instead(mut self, passed_over: Option<Skip>) -> Self {
        self.passed_over = passed_over;
        self
    }

    /// Why the first choice was passed over.
    pub(crate) fn passed_over(&self) -> Option<Skip> {
        self.passed_over
    }

    /// When its replica was chosen.
    pub(crate) fn since(&self) -> Instant {
        self.sent
    }

    /// The reply head came; returns how long it took.
    pub(crate) fn replied(&mut self, status: StatusCode) -> Duration {
        let now = super::now();
        let took = now.saturating_duration_since(self.sent);
        self.error = self.router.settings().eject_on.contains(status.as_u16());
        let mut latency = self.upstream.latency.get();
        latency.observe(took, now);
        self.router.record_latency(&self.upstream, took);
        self.upstream.latency.set(latency);
        self.router.update_health(&self.upstream, |health| health.replied(self.error, now));
        self.settle();
        if self.error {
            self.router.maybe_eject(&self.upstream);
        }
        took
    }

    /// The reply came to its end.
    pub(crate) fn completed(&mut self) {
        self.upstream.health.borrow_mut().completed();
        if std::mem::take(&mut self.probe) {
            self.router.probed(&self.upstream, !self.error);
        }
    }

    /// The attempt failed, or the reply was cut short.
    pub(crate) fn failed(&mut self, error: &Error) {
        let Some(trouble) = trouble(error, self.sent) else { return };
        // The queue of a busy server may be full, and it is a last choice already.
        if self.upstream.suspect.get() && matches!(error.kind, Kind::TimedOut(Phase::Connect)) {
            return;
        }
        self.router.failed(&self.upstream);
        self.record_failure(trouble);
    }

    /// `--request-timeout` is up, and there is no reply head.
    pub(crate) fn timed_out(&mut self) {
        if self.waits {
            self.router.failed(&self.upstream);
            self.record_failure(Failure::TimedOut { sent: self.sent });
        }
    }

    /// The reply's body ends no later than this.
    pub(crate) fn cut_at(&mut self, cutoff: Option<Pin<Box<Sleep>>>) {
        self.cutoff = cutoff;
    }

    /// The next bytes of the reply's body.
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

    fn record_failure(&mut self, trouble: Failure) {
        self.upstream.health.borrow_mut().failed(trouble);
        self.settle();
        if std::mem::take(&mut self.probe) {
            self.router.probed(&self.upstream, false);
        }
        self.router.maybe_eject(&self.upstream);
    }

    /// It waits for no reply head any more.
    fn settle(&mut self) {
        if std::mem::take(&mut self.waits) {
            self.router.update_health(&self.upstream, Health::settled);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.settle();
        let Self { router, upstream, .. } = self;
        if self.probe {
            upstream.health.borrow_mut().probed(None);
        }
        router.in_flight.update(|n| n - 1);
        upstream.in_flight.update(|n| n - 1);
        if upstream.gone.get() && upstream.in_flight.get() == 0 {
            router.forget(upstream.incarnation);
        }
    }
}

/// What a failure says of the replica; nothing if it is the client's, or our own.
fn trouble(error: &Error, sent: Instant) -> Option<Failure> {
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
