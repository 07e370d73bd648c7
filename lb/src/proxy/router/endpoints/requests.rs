//! Requests in flight: what their outcome says about the health of their replica.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::balance::{Failure, Health};

use super::change::{Change, ChangeKind};
use super::{AttemptOptions, Endpoint, Endpoints};

/// A request in flight. [`Endpoints::begin`] creates it, and it must be passed to [`Endpoints::end`] once.
pub(crate) struct Outstanding {
    endpoint: Rc<Endpoint>,
    sent: Instant,
    /// Whether it counts as waiting for a reply head. A request with a body does not: its client may be slow.
    awaits_head: bool,
    /// Whether it is the probe of an ejected replica, and its outcome is still open.
    probe: bool,
    /// Whether the status of the reply is one of `--eject-on`.
    error: bool,
}

/// The router has as many requests in flight as [`Limits`](super::Limits) allow.
#[derive(Debug)]
pub(crate) struct LimitReached;

impl Endpoints {
    /// Counts a request as in flight to a chosen replica; it is a probe if one is due.
    pub fn begin(
        &mut self,
        endpoint: Rc<Endpoint>,
        options: AttemptOptions,
        now: Instant,
    ) -> Result<Outstanding, LimitReached> {
        if self.in_flight >= self.limits.max_in_flight {
            return Err(LimitReached);
        }
        self.in_flight += 1;
        endpoint.in_flight.update(|n| n + 1);
        let mut health = endpoint.health.borrow_mut();
        let probe = options.may_probe && health.wants_probe(now);
        if options.bodiless {
            health.sent(now);
        }
        if probe {
            health.probed(Some(now));
        }
        drop(health);
        Ok(Outstanding { endpoint, sent: now, awaits_head: options.bodiless, probe, error: false })
    }

    /// Records the reply head, which arrived `took` after the choice. `error`: its status is one of `--eject-on`.
    pub fn replied(
        &mut self,
        request: &mut Outstanding,
        error: bool,
        took: Duration,
        now: Instant,
    ) -> Option<Change> {
        request.error = error;
        let endpoint = &request.endpoint;
        let mut latency = endpoint.latency.get();
        latency.observe(took, now);
        endpoint.latency.set(latency);
        self.change_health(endpoint, |health| health.replied(error, now));
        self.settle(request);
        if error { self.maybe_eject(&request.endpoint, now) } else { None }
    }

    /// Records the complete reply. The time is needed only if it was a probe.
    pub fn completed(&mut self, request: &mut Outstanding, now: impl FnOnce() -> Instant) -> Option<Change> {
        request.endpoint.health.borrow_mut().completed();
        let probe = std::mem::take(&mut request.probe);
        probe.then(|| self.probe_finished(&request.endpoint, !request.error, now()))
    }

    /// Records that the attempt failed, or that the reply was cut short, because of the replica.
    pub fn failed(&mut self, request: &mut Outstanding, failure: Failure, now: Instant) -> Option<Change> {
        request.endpoint.health.borrow_mut().failed(failure);
        self.settle(request);
        if std::mem::take(&mut request.probe) {
            return Some(self.probe_finished(&request.endpoint, false, now));
        }
        self.maybe_eject(&request.endpoint, now)
    }

    /// Ends a request, whatever has been recorded. Returns [`ChangeKind::Idle`] if it was the last one of a replica
    /// that has left the ring.
    pub fn end(&mut self, request: &mut Outstanding) -> Option<Change> {
        self.settle(request);
        let endpoint = &request.endpoint;
        if request.probe {
            endpoint.health.borrow_mut().probed(None);
        }
        self.in_flight -= 1;
        endpoint.in_flight.update(|n| n - 1);
        let idle = endpoint.gone.get() && endpoint.in_flight.get() == 0;
        idle.then(|| {
            self.known.remove(&endpoint.incarnation());
            ChangeKind::Idle.of(endpoint.incarnation())
        })
    }

    /// Stops counting a request as waiting for a reply head.
    fn settle(&mut self, request: &mut Outstanding) {
        if std::mem::take(&mut request.awaits_head) {
            self.change_health(&request.endpoint, Health::settled);
        }
    }
}

impl Outstanding {
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Time at which its replica was chosen.
    pub fn since(&self) -> Instant {
        self.sent
    }

    /// Whether it waits for a reply head that only the replica can delay.
    pub fn awaits_head(&self) -> bool {
        self.awaits_head
    }

    /// Whether it is the probe of an ejected replica.
    pub fn is_probe(&self) -> bool {
        self.probe
    }

    /// Whether its replica gets no new requests, so that this one should be hedged. Never for a probe.
    pub fn is_abandoned(&self) -> bool {
        !self.probe && self.endpoint.is_unavailable()
    }

    /// Whether it is the only request that waits for a reply head of its replica.
    pub fn is_last(&self) -> bool {
        self.awaits_head && self.endpoint.waiting() == 1
    }
}
