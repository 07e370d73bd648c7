//! Statistics of a router: each request is counted at its end, each attempt at its reply head. They stay on its thread.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use actix::prelude::*;
use awc::http::StatusCode;

use crate::ring::Replica;
use crate::stats::counters::{METHODS, Measured, Tally, method_class};

use super::endpoint::Endpoint;
use super::lease::Router;
use super::{Counts, RequestInfo, RequestObserver, RouterActor};

/// Message: returns the statistics of a router.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Answer")]
pub struct Measure;

/// The answer to [`Measure`].
#[derive(Clone, Debug, Default, MessageResponse)]
pub struct Answer {
    /// Number of this answer, from 1: a receiver drops one that was overtaken by a newer one.
    pub turn: u64,
    /// Counters and durations of all requests of the worker.
    pub tally: Tally,
    /// Counters of routing decisions.
    pub counts: Counts,
    /// Statistics of the latest replica of each seat.
    pub replicas: Vec<Measured>,
    /// Number of requests that wait for a look-up in the ring.
    pub lookups: u64,
}

/// Counts a request that waits for a look-up in the ring, until dropped.
pub(crate) struct PendingLookup<'a>(&'a Cell<u64>);

impl Drop for PendingLookup<'_> {
    fn drop(&mut self) {
        self.0.update(|n| n - 1);
    }
}

impl RequestObserver for Router {
    /// Counts a completed request. Requests are counted nowhere else.
    fn on_complete(&self, request: &mut RequestInfo) {
        let tally = &mut *self.tally.borrow_mut();
        let method = request.method.as_ref().map_or(METHODS.len() - 1, method_class);
        tally.requests[method].count(request.status);
        if request.status != Some(StatusCode::SWITCHING_PROTOCOLS) {
            tally.durations.record(request.total); // the lifetime of a tunnel is not a request duration
        }
        match request.status.and(request.answered_by.take()) {
            None => tally.own.count(request.status),
            Some(replica) => replica.borrow_mut().replies.count(request.status),
        }
    }
}

impl Router {
    /// Counts a look-up as pending until the result is dropped.
    pub fn pending_lookup(&self) -> PendingLookup<'_> {
        self.lookups.update(|n| n + 1);
        PendingLookup(&self.lookups)
    }

    /// Counts an attempt.
    pub fn sent(&self, endpoint: &Endpoint) {
        endpoint.tally.borrow_mut().attempts += 1;
    }

    /// Records the time from the choice of the replica to its reply head.
    pub fn record_latency(&self, endpoint: &Endpoint, took: Duration) {
        endpoint.tally.borrow_mut().durations.record(took);
    }

    /// Counts an attempt that failed, or whose reply was cut short, because of the replica.
    pub fn failed(&self, endpoint: &Endpoint) {
        endpoint.tally.borrow_mut().failures += 1;
    }

    fn measured(&self) -> Answer {
        self.sequence.update(|n| n + 1);
        let measured = |endpoint: &Rc<Endpoint>| Measured {
            replica: Replica::clone(&endpoint.replica),
            weight: endpoint.weight.get(),
            in_flight: endpoint.in_flight.get() as u64,
            tally: endpoint.tally.borrow().clone(),
            in_ring: !endpoint.gone.get(),
        };
        Answer {
            turn: self.sequence.get(),
            tally: Tally { in_flight: self.in_flight.get() as u64, ..self.tally.borrow().clone() },
            counts: self.counts.get(),
            replicas: self.last.borrow().values().map(measured).collect(),
            lookups: self.lookups.get(),
        }
    }
}

impl Handler<Measure> for RouterActor {
    type Result = Answer;

    fn handle(&mut self, _: Measure, _: &mut Self::Context) -> Answer {
        self.router.measured()
    }
}
