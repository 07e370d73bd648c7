//! The state of one replica in one router. Only [`Endpoints`](super::Endpoints) changes it.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use crate::balance::{Candidate, Health, Latency};
use crate::ring::{Incarnation, Replica, Seated, Weight};
use crate::stats::counters::ReplicaCounters;

/// The state of a replica in one router, shared by its requests in flight and by the leases.
pub(crate) struct Endpoint {
    incarnation: Incarnation,
    /// A copy of this thread, so that its reference count is not shared between workers.
    replica: Rc<Replica>,
    address: SocketAddr,
    /// Its counters since it first got its seat; they continue while it is drained.
    counters: Rc<RefCell<ReplicaCounters>>,
    pub(super) weight: Cell<Weight>,
    pub(super) health: RefCell<Health>,
    /// Its heartbeats fail, by the latest message of the supervisor.
    pub(super) suspect: Cell<bool>,
    pub(super) latency: Cell<Latency>,
    /// Credit of weighted round robin.
    pub(super) credit: Cell<i64>,
    pub(super) in_flight: Cell<usize>,
    /// It has left the ring; the supervisor waits until its last request has ended.
    pub(super) gone: Cell<bool>,
}

impl Endpoint {
    /// `counters`: its counters from before a drain, else empty ones.
    pub(super) fn new(Seated { replica, weight }: &Seated, counters: Rc<RefCell<ReplicaCounters>>) -> Self {
        Self {
            incarnation: replica.incarnation,
            replica: Rc::new(Replica::clone(replica)),
            address: replica.address,
            counters,
            weight: Cell::new(*weight),
            health: RefCell::default(),
            suspect: Cell::new(false),
            latency: Cell::default(),
            credit: Cell::new(0),
            in_flight: Cell::new(0),
            gone: Cell::new(false),
        }
    }

    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    pub fn replica(&self) -> &Rc<Replica> {
        &self.replica
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its counters. They are statistics only: no choice depends on them.
    pub fn counters(&self) -> &Rc<RefCell<ReplicaCounters>> {
        &self.counters
    }

    pub fn weight(&self) -> Weight {
        self.weight.get()
    }

    /// Latency of its reply heads.
    pub fn latency(&self) -> Latency {
        self.latency.get()
    }

    /// Number of requests in flight from this router.
    pub fn in_flight(&self) -> usize {
        self.in_flight.get()
    }

    /// Whether its seat is occupied by it; otherwise it gets no new requests.
    pub fn is_in_ring(&self) -> bool {
        !self.gone.get()
    }

    /// Whether its heartbeats fail.
    pub fn is_suspect(&self) -> bool {
        self.suspect.get()
    }

    /// Whether it is ejected or stalled: it gets no requests except probes.
    pub fn is_unavailable(&self) -> bool {
        self.health.borrow().is_unavailable()
    }

    /// Whether requests prefer other replicas, whatever their load.
    pub fn is_last_resort(&self) -> bool {
        self.is_suspect() || self.is_unavailable()
    }

    /// Number of requests that wait for a reply head.
    pub(super) fn waiting(&self) -> usize {
        self.health.borrow().waiting()
    }

    pub(super) fn candidate(&self, now: Instant) -> Candidate {
        Candidate {
            weight: self.weight.get().get(),
            in_flight: self.in_flight.get(),
            latency: self.latency.get().seconds(now),
            credit: self.credit.get(),
        }
    }
}
