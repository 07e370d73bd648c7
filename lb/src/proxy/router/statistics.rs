//! Statistics of a router, on its thread: a request is counted when it is complete, its key when it is routed, an attempt
//! when it is sent.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use actix::prelude::*;
use awc::http::StatusCode;

use crate::proxy::redaction::KeyRedactor;
use crate::ring::{Replica, Slot};
use crate::stats::counters::{METHODS, Measured, RequestCounters, RoutingCounters, method_class};

use super::endpoints::{Endpoint, Endpoints};
use super::hot_keys::{HotKeySnapshot, HotKeyTracker};
use super::request_log::{RequestInfo, RequestObserver};

/// The statistics of a router, except the counters of its replicas ([`Endpoint::counters`]).
pub(crate) struct Statistics {
    routing: Cell<RoutingCounters>,
    counters: RefCell<RequestCounters>,
    hot_keys: RefCell<HotKeyTracker>,
    /// Number of calls of [`measure`](Self::measure).
    sequence: Cell<u64>,
    /// Number of requests that wait for a look-up in the ring.
    lookups: Cell<u64>,
}

/// The statistics of a router at one moment.
#[derive(Clone, Debug, Default, MessageResponse)]
pub struct Measurement {
    /// Number of this measurement, from 1: a receiver drops one that was overtaken by a newer one.
    pub sequence: u64,
    /// Counters and durations of all requests of the worker.
    pub counters: RequestCounters,
    /// Counters of routing decisions.
    pub routing: RoutingCounters,
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

impl RequestObserver for Statistics {
    /// Counts a completed request: the only place that counts responses and durations. The keys are counted by
    /// [`count_key`](Self::count_key), attempts and reply heads in [`Endpoint::counters`].
    fn on_complete(&self, request: &mut RequestInfo) {
        let counters = &mut *self.counters.borrow_mut();
        let method = request.method.as_ref().map_or(METHODS.len() - 1, method_class);
        counters.requests[method].count(request.status);
        if request.status != Some(StatusCode::SWITCHING_PROTOCOLS) {
            counters.durations.record(request.total); // the lifetime of a tunnel is not a request duration
        }
        match request.status.and(request.answered_by.take()) {
            None => counters.own.count(request.status),
            Some(replica) => replica.borrow_mut().replies.count(request.status),
        }
    }
}

impl Statistics {
    pub fn new(key_redactor: KeyRedactor, now: Instant) -> Self {
        Self {
            routing: Cell::default(),
            counters: RefCell::default(),
            hot_keys: RefCell::new(HotKeyTracker::new(key_redactor, now)),
            sequence: Cell::new(0),
            lookups: Cell::new(0),
        }
    }

    pub fn configure(&self, key_redactor: &KeyRedactor, now: Instant) {
        self.hot_keys.borrow_mut().configure(key_redactor, now);
    }

    /// Counts a routing decision.
    pub fn count(&self, change: impl FnOnce(&mut RoutingCounters)) {
        let mut routing = self.routing.get();
        change(&mut routing);
        self.routing.set(routing);
    }

    /// Counts a request with this key; `slots` is the number of slots of the layout.
    pub fn count_key(&self, key: &[u8], slot: Slot, slots: u32, now: Instant) {
        self.hot_keys.borrow_mut().count(key, slot, slots, now);
    }

    /// Counts a look-up as pending until the result is dropped.
    pub fn pending_lookup(&self) -> PendingLookup<'_> {
        self.lookups.update(|n| n + 1);
        PendingLookup(&self.lookups)
    }

    /// Counters of routing decisions.
    pub fn routing(&self) -> RoutingCounters {
        self.routing.get()
    }

    /// The most frequent keys.
    pub fn hot_keys(&self, now: Instant) -> HotKeySnapshot {
        self.hot_keys.borrow_mut().snapshot(now)
    }

    /// All statistics, with those of the replicas.
    pub fn measure(&self, endpoints: &Endpoints) -> Measurement {
        self.sequence.update(|n| n + 1);
        let measured = |endpoint: &Endpoint| Measured {
            replica: Replica::clone(endpoint.replica()),
            weight: endpoint.weight(),
            in_flight: endpoint.in_flight() as u64,
            counters: endpoint.counters().borrow().clone(),
            in_ring: endpoint.is_in_ring(),
        };
        Measurement {
            sequence: self.sequence.get(),
            counters: RequestCounters {
                in_flight: endpoints.in_flight() as u64,
                ..self.counters.borrow().clone()
            },
            routing: self.routing.get(),
            replicas: endpoints.latest().map(measured).collect(),
            lookups: self.lookups.get(),
        }
    }
}
