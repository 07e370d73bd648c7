//! What RingActor is told and asked, and what it answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::prelude::*;

use crate::fleet::{Busy, RouterId};
use crate::ring::{
    self, Incarnation, Layout, Proposal, Replica, RingError, SeatId, Seated, Slot, SlotMap, Weight,
};

#[cfg(doc)]
use super::PAGE;
use crate::proxy::router;

/// Seats enter the map, all in one epoch, vacant or occupied.
#[derive(Message)]
#[rtype(result = "Result<Changed, RingError>")]
pub struct Join(pub Vec<(SeatId, Weight, Option<Arc<Replica>>)>);

/// A replica takes its vacant seat.
#[derive(Message)]
#[rtype(result = "Result<Changed, RingError>")]
pub struct Occupy(pub Arc<Replica>);

/// A replica takes over its seat from another, which gets no new request from now on and may finish what it has.
#[derive(Message)]
#[rtype(result = "Result<Changed, RingError>")]
pub struct Handover(pub Arc<Replica>);

/// The replica of a seat is dead; the seat stays. What waits for its reply is aborted.
#[derive(Message)]
#[rtype(result = "Result<Changed, RingError>")]
pub struct Vacate(pub SeatId);

/// The replica of a seat lives and gets no new request from now on; it may finish what it has. The seat stays. [`Occupy`]
/// takes it back.
#[derive(Message)]
#[rtype(result = "Result<Changed, RingError>")]
pub struct Drain(pub SeatId);

/// Seats get other weights, all in one epoch.
#[derive(Message)]
#[rtype(result = "Result<Changed, RingError>")]
pub struct Weigh(pub Vec<(SeatId, Weight)>);

/// Seats leave the map.
#[derive(Message)]
#[rtype(result = "Result<Changed, RingError>")]
pub struct Leave(pub Vec<SeatId>);

/// The answer to a change: it is in force in every router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The ring's epoch with this change.
    pub epoch: u64,
    /// Which routers still have requests in flight to a replica that has left.
    pub busy: Busy,
}

/// A router's first message, also when its worker was restarted.
#[derive(Message)]
#[rtype(result = "Registered")]
pub struct Register {
    /// Who.
    pub router: RouterId,
    /// Where its recalls go.
    pub recall: Recipient<router::Recall>,
}

/// The answer to [`Register`].
#[derive(Clone, Debug, MessageResponse)]
pub struct Registered {
    /// The ring's epoch.
    pub epoch: u64,
    /// How keys become slots.
    pub layout: Layout,
    /// Every occupied seat.
    pub seated: Arc<[Seated]>,
}

/// A router has given back its leases of all epochs before this one.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Recalled {
    /// Who.
    pub router: RouterId,
    /// Of which recall.
    pub epoch: u64,
    /// The replicas of the recall to which it still has requests in flight.
    pub busy: Vec<Incarnation>,
}

/// Which replicas serve a slot.
#[derive(Message)]
#[rtype(result = "Found")]
pub struct Lookup {
    /// The slot of the key.
    pub slot: Slot,
    /// How many occupied seats of the walk to pass over.
    pub offset: usize,
}

/// The answer to [`Lookup`]: a lease, good until it is recalled.
#[derive(Clone, Debug, PartialEq, Eq, MessageResponse)]
pub struct Found {
    /// When this was true.
    pub epoch: u64,
    /// The occupied seats of the walk, at most [`PAGE`].
    pub walk: Vec<Arc<Replica>>,
}

/// The whole ring, for people.
#[derive(Message)]
#[rtype(result = "Snapshotted")]
pub struct Snapshot;

/// The answer to [`Snapshot`].
#[derive(Clone, Debug, MessageResponse)]
pub struct Snapshotted {
    /// The ring's epoch.
    pub epoch: u64,
    /// Equal wherever the slot map is equal.
    pub digest: String,
    /// How keys become slots, and slots seats.
    pub layout: Layout,
    /// Slots owned, by seat.
    pub slots: BTreeMap<SeatId, usize>,
}

/// Who owns each slot, for people.
#[derive(Message)]
#[rtype(result = "Mapped")]
pub struct Map;

/// The answer to [`Map`].
#[derive(Clone, Debug, MessageResponse)]
pub struct Mapped {
    /// The ring's epoch.
    pub epoch: u64,
    /// Equal wherever the slot map is equal.
    pub digest: String,
    /// The slot map.
    pub map: SlotMap,
}

/// What a change of the seats would do; nothing changes.
#[derive(Message)]
#[rtype(result = "Result<ring::Plan, RingError>")]
pub struct Plan(pub Proposal);

/// Where a key goes, and why.
#[derive(Message)]
#[rtype(result = "Explained")]
pub struct Explain(pub Vec<u8>);

/// The answer to [`Explain`].
#[derive(Clone, Debug, PartialEq, Eq, MessageResponse)]
pub struct Explained {
    /// The ring's epoch.
    pub epoch: u64,
    /// The key's hash before it was reduced to a slot.
    pub number: u128,
    /// The key's slot.
    pub slot: Slot,
    /// Every seat in the order of the walk; `None`: vacant.
    pub walk: Vec<(SeatId, Option<Arc<Replica>>)>,
}
