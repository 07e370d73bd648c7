//! What a router measures: each request at its end, each attempt at its reply head. Never shared with another thread.

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

/// Say what you have counted.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Answer")]
pub struct Measure;

/// The answer to [`Measure`].
#[derive(Clone, Debug, Default, MessageResponse)]
pub struct Answer {
    /// How often the router was asked, this time too: answers may overtake each other.
    pub turn: u64,
    /// Every request of the worker.
    pub tally: Tally,
    /// What the router has done beside forwarding.
    pub counts: Counts,
    /// Who had each seat last.
    pub replicas: Vec<Measured>,
    /// Requests that wait for the ring to say who serves their slot.
    pub lookups: u64,
}

/// A request that waits for an answer of the ring.
pub(crate) struct Waiting<'a>(&'a Cell<u64>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.update(|n| n - 1);
    }
}

impl RequestObserver for Router {
    /// The one place where requests are counted.
    fn on_complete(&self, request: &mut RequestInfo) {
        let tally = &mut *self.tally.borrow_mut();
        let method = request.method.as_ref().map_or(METHODS.len() - 1, method_class);
        tally.requests[method].count(request.status);
        if request.status != Some(StatusCode::SWITCHING_PROTOCOLS) {
            tally.durations.record(request.total); // a tunnel is no request that takes long
        }
        match request.status.and(request.answered_by.take()) {
            None => tally.own.count(request.status),
            Some(replica) => replica.borrow_mut().replies.count(request.status),
        }
    }
}

impl Router {
    /// A request waits for the ring until this is dropped.
    pub fn waiting(&self) -> Waiting<'_> {
        self.lookups.update(|n| n + 1);
        Waiting(&self.lookups)
    }

    /// A request goes to this replica.
    pub fn sent(&self, upstream: &Endpoint) {
        upstream.tally.borrow_mut().attempts += 1;
    }

    /// The head of its reply came.
    pub fn record_latency(&self, upstream: &Endpoint, took: Duration) {
        upstream.tally.borrow_mut().durations.record(took);
    }

    /// It did not come, or the reply was cut short, and that is the replica's fault.
    pub fn failed(&self, upstream: &Endpoint) {
        upstream.tally.borrow_mut().failures += 1;
    }

    fn measured(&self) -> Answer {
        self.turn.update(|turn| turn + 1);
        let measured = |upstream: &Rc<Endpoint>| Measured {
            replica: Replica::clone(&upstream.replica),
            weight: upstream.weight.get(),
            in_flight: upstream.in_flight.get() as u64,
            tally: upstream.tally.borrow().clone(),
            in_ring: !upstream.gone.get(),
        };
        Answer {
            turn: self.turn.get(),
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
