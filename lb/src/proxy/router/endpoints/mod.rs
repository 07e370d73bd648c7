//! The replicas of a router: which of them a request may go to, and what their requests reveal about them.
//!
//! Pure: no actor, no socket and no clock. The time is an argument, randomness is given once, and what the router must
//! announce is returned as a [`Change`].
//!
//! # Invariants
//! - The available weight is the sum of the weights of the seated replicas that are neither suspect nor unavailable.
//! - The requests in flight of the router are those of its endpoints together.
//! - No ejection or stall makes more than half of the seated replicas unavailable, and no change of seats leaves more
//!   than half of them so.
//! - A replica that left the ring is forgotten with its last request.
//!
//! # Layout
//! - `endpoint`: the state of one replica · `choice`: chooses the replica of an attempt · `requests`: requests in flight
//!   and their outcome · `ejection`: stalls, ejections, readmissions · `change`: what must be announced

mod change;
mod choice;
mod ejection;
mod endpoint;
mod requests;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Instant;

use crate::balance::{Bound, Policy};
use crate::ring::{Incarnation, SeatId, Seated};

pub(crate) use change::{Change, ChangeKind};
pub(crate) use choice::{AttemptOptions, Choice, Selection};
pub(crate) use endpoint::Endpoint;
pub(crate) use requests::{LimitReached, Outstanding};

/// The replicas that are in the ring or still have requests in flight.
pub(crate) struct Endpoints {
    limits: Limits,
    rng: fastrand::Rng,
    /// The replicas of the occupied seats, in seat order.
    seated: Vec<Rc<Endpoint>>,
    /// The latest replica of each seat, whether or not it is still in the ring.
    latest: BTreeMap<SeatId, Rc<Endpoint>>,
    /// All replicas that are in the ring or still have requests in flight.
    known: HashMap<Incarnation, Rc<Endpoint>>,
    /// Total weight of the seated replicas that are neither suspect nor unavailable.
    available_weight: u64,
    /// Number of requests in flight to all replicas.
    in_flight: usize,
}

/// The settings that restrict the choice of a replica.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Chooses the replica of the first attempt.
    pub policy: Policy,
    /// Bounded load; `None`: unbounded.
    pub bound: Option<Bound>,
    /// Maximum number of requests in flight.
    pub max_in_flight: usize,
}

impl Endpoints {
    pub fn new(limits: Limits, rng: fastrand::Rng) -> Self {
        Self {
            limits,
            rng,
            seated: Vec::new(),
            latest: BTreeMap::new(),
            known: HashMap::new(),
            available_weight: 0,
            in_flight: 0,
        }
    }

    /// Replaces the limits. Requests in flight are not affected.
    pub fn configure(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Replaces the replicas of the occupied seats. A new incarnation starts with empty health and counters; one that
    /// returns from a drain keeps its counters.
    pub fn seat(&mut self, seated: &[Seated], now: Instant) -> Vec<Change> {
        let (known, latest) = (&mut self.known, &mut self.latest);
        let endpoint = |seated: &Seated| {
            let replica = &seated.replica;
            let before =
                || latest.get(&replica.seat).filter(|last| last.incarnation() == replica.incarnation);
            let counters = || before().map(|last| last.counters().clone()).unwrap_or_default();
            let endpoint = known
                .entry(replica.incarnation)
                .or_insert_with(|| Rc::new(Endpoint::new(seated, counters())))
                .clone();
            endpoint.weight.set(seated.weight);
            endpoint.gone.set(false); // it may have been drained before
            latest.insert(replica.seat, endpoint.clone());
            endpoint
        };
        self.seated = seated.iter().map(endpoint).collect();
        self.enforce_max_ejected(now)
    }

    /// Marks replicas as having left the ring; [`seat`](Self::seat) must follow. Returns those that still have requests
    /// in flight.
    pub fn remove(&mut self, gone: &[Incarnation]) -> Vec<Incarnation> {
        let mut busy = Vec::new();
        for incarnation in gone {
            let Some(endpoint) = self.known.get(incarnation) else { continue };
            endpoint.gone.set(true);
            if endpoint.in_flight.get() > 0 {
                busy.push(*incarnation);
            } else {
                self.known.remove(incarnation);
            }
        }
        busy
    }

    pub fn get(&self, incarnation: Incarnation) -> Option<&Rc<Endpoint>> {
        self.known.get(&incarnation)
    }

    /// The replicas of the occupied seats, in seat order.
    pub fn seated(&self) -> &[Rc<Endpoint>] {
        &self.seated
    }

    /// All replicas that are in the ring or still have requests in flight.
    pub fn known(&self) -> impl Iterator<Item = &Endpoint> {
        self.known.values().map(Rc::as_ref)
    }

    /// The latest replica of each seat, whether or not it is still in the ring.
    pub fn latest(&self) -> impl Iterator<Item = &Endpoint> {
        self.latest.values().map(Rc::as_ref)
    }

    /// Number of requests in flight to all replicas.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }
}
