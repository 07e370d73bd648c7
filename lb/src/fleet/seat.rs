//! One seat of the fleet: its replica, the one that is starting for it, and its next launch.

use std::time::{Duration, Instant};

use crate::name::Name;
use crate::ring::{Incarnation, Weight};

use super::Vacancy;
use super::event::CallId;
use super::external::External;
use super::restart::Restart;

/// A seat of the target, or one that an unanswered /add has reserved.
pub(super) struct Seat {
    weight: Weight,
    occupancy: Occupancy,
    /// The replica that is starting for the seat.
    candidate: Option<Incarnation>,
    /// Name of the next replica; `None`: a random one.
    name: Option<Name>,
    /// The call that waits for the next replica, and is answered whether it gets ready or not.
    replacing: Option<CallId>,
    /// Why the seat is vacant, from the first failure until a replica is ready.
    vacancy: Option<Vacancy>,
    /// The seat is vacant because its replica hung: until it is filled, no second one is replaced in a mass hang.
    hung: bool,
    pub restart: Restart,
    /// The external server of the seat; `None` if the balancer runs the replicas.
    pub external: Option<External>,
}

/// Occupancy of a seat in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occupancy {
    /// The seat is not in the ring: this /add waits for its replica.
    Reserved(CallId),
    Vacant,
    /// This replica has the seat, from `Occupy` or `Join` on.
    Occupied(Incarnation),
    /// Vacant because this replica is cordoned; it may have died since. The seat is not refilled before the cordon ends.
    Cordoned(Incarnation),
}

impl Seat {
    /// A vacant seat.
    pub fn new(weight: Weight) -> Self {
        Self {
            weight,
            occupancy: Occupancy::Vacant,
            candidate: None,
            name: None,
            replacing: None,
            vacancy: None,
            hung: false,
            restart: Restart::default(),
            external: None,
        }
    }

    /// A seat that joins the ring when all replicas of an /add are ready.
    pub fn reserved(weight: Weight, call: CallId) -> Self {
        Self { occupancy: Occupancy::Reserved(call), ..Self::new(weight) }
    }

    pub fn weight(&self) -> Weight {
        self.weight
    }

    /// Changes the weight, and returns the previous one.
    pub fn set_weight(&mut self, weight: Weight) -> Weight {
        std::mem::replace(&mut self.weight, weight)
    }

    /// Whether the seat is in the ring, or is about to be.
    pub fn joined(&self) -> bool {
        self.reserved_by().is_none()
    }

    /// The /add that waits for the replica of this seat; `None` once the seat is in the ring.
    pub fn reserved_by(&self) -> Option<CallId> {
        if let Occupancy::Reserved(call) = self.occupancy { Some(call) } else { None }
    }

    pub fn occupant(&self) -> Option<Incarnation> {
        if let Occupancy::Occupied(occupant) = self.occupancy { Some(occupant) } else { None }
    }

    pub fn cordoned(&self) -> Option<Incarnation> {
        if let Occupancy::Cordoned(cordoned) = self.occupancy { Some(cordoned) } else { None }
    }

    /// The replica that holds the seat: its occupant, or the cordoned one.
    pub fn holder(&self) -> Option<Incarnation> {
        self.occupant().or(self.cordoned())
    }

    pub fn candidate(&self) -> Option<Incarnation> {
        self.candidate
    }

    /// Makes a replica the one that starts for the seat.
    pub fn set_candidate(&mut self, candidate: Incarnation) {
        self.candidate = Some(candidate);
    }

    pub fn take_candidate(&mut self) -> Option<Incarnation> {
        self.candidate.take()
    }

    /// A replica is launched for the seat.
    pub fn launched(&mut self, candidate: Incarnation, now: Instant) {
        self.set_candidate(candidate);
        self.restart.launched(now);
    }

    /// Plans the next launch, and returns its delay. An external server is not launched, only tried: the limit of
    /// launches does not hold for it.
    pub fn plan(&mut self, delay: Duration, now: Instant) -> Duration {
        if self.external.is_none() {
            return self.restart.plan(delay, now);
        }
        self.restart.plan_unbounded(delay, now);
        delay
    }

    /// Gives the seat to its candidate, and returns the occupancy before.
    pub fn occupy(&mut self, candidate: Incarnation) -> Occupancy {
        self.candidate = None;
        std::mem::replace(&mut self.occupancy, Occupancy::Occupied(candidate))
    }

    /// The occupant has died, or the cordon has ended without a replica.
    pub fn vacate(&mut self) {
        self.occupancy = Occupancy::Vacant;
    }

    /// Keeps the seat vacant for a cordoned replica; a planned launch is cancelled.
    pub fn cordon(&mut self, replica: Incarnation) {
        self.restart.cancel();
        self.occupancy = Occupancy::Cordoned(replica);
    }

    /// Gives the seat back to its cordoned replica; `call` is answered when requests are routed there.
    pub fn uncordon(&mut self, replica: Incarnation, call: CallId) {
        (self.occupancy, self.replacing) = (Occupancy::Occupied(replica), Some(call));
    }

    /// Plans the launch of a successor for a call, which is answered when it is ready or has failed.
    pub fn replace(&mut self, call: CallId, now: Instant) {
        self.await_next(call);
        self.plan(Duration::ZERO, now);
    }

    /// Whether a call waits for the next replica.
    pub fn is_awaited(&self) -> bool {
        self.replacing.is_some()
    }

    /// Registers a call that waits for the next replica.
    pub fn await_next(&mut self, call: CallId) {
        self.replacing = Some(call);
    }

    /// Takes the call that waits for the next replica, to answer it.
    pub fn take_call(&mut self) -> Option<CallId> {
        self.replacing.take()
    }

    /// The name that is reserved for the next replica; `None`: a random one.
    pub fn next_name(&self) -> Option<&Name> {
        self.name.as_ref()
    }

    pub fn set_next_name(&mut self, name: Option<Name>) {
        self.name = name;
    }

    /// Takes the name of the next replica, unless it is random: an external server keeps its name.
    pub fn take_next_name(&mut self) -> Option<Name> {
        match &self.external {
            Some(external) => Some(external.name().clone()),
            None => self.name.take(),
        }
    }

    /// Why the seat is vacant; `None` if it is not, or if nothing was tried yet.
    pub fn vacancy(&self) -> Option<Vacancy> {
        match self.occupancy {
            Occupancy::Occupied(_) => None,
            Occupancy::Cordoned(_) => {
                let reason = "its replica was drained by hand".to_owned();
                Some(Vacancy { last_error: reason.clone(), reason })
            }
            Occupancy::Reserved(_) | Occupancy::Vacant => self.vacancy.clone(),
        }
    }

    /// The replica of the seat has died, or an attempt to fill the seat has failed: the first failure is the reason of
    /// the vacancy, a later one its last error.
    pub fn record_failure(&mut self, why: &str) {
        let first = || Vacancy { reason: why.to_owned(), last_error: String::new() };
        why.clone_into(&mut self.vacancy.get_or_insert_with(first).last_error);
    }

    /// The replica of the seat hung.
    pub fn mark_hung(&mut self) {
        self.hung = true;
    }

    pub fn is_hung(&self) -> bool {
        self.hung
    }

    /// A replica serves in the seat: clears the failures of the ones before.
    pub fn clear_failures(&mut self) {
        (self.hung, self.vacancy) = (false, None);
        if let Some(external) = &mut self.external {
            external.clear_failures();
        }
    }
}
