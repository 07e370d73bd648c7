//! The messages of RingActor and their replies.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::prelude::*;

use crate::fleet::{Busy, RouterId};
use crate::ring::{self, Incarnation, Layout, Proposal, Replica, RingError, SeatId, Seated, Slot, SlotMap};

use crate::control::router_link;
#[cfg(doc)]
use crate::ring::PAGE;

/// Changes the ring. The reply comes when every router has applied the change; an error has changed nothing.
#[derive(Message)]
#[rtype(result = "Result<Changed, RingError>")]
pub struct Apply(pub ring::Change);

/// The reply to `Apply`, sent when every router has applied the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Epoch of the ring after the change.
    pub epoch: u64,
    /// The replicas that have left the ring and still have requests in flight, with the routers of these requests.
    pub busy: Busy,
}

/// Registers a router. The first message of each router, also after a restart of its worker.
#[derive(Message)]
#[rtype(result = "Registered")]
pub struct Register {
    /// Id of the router.
    pub router: RouterId,
    /// Recipient of the recalls.
    pub recall: Recipient<router_link::Recall>,
}

/// The reply to `Register`.
#[derive(Clone, Debug, MessageResponse)]
pub struct Registered {
    /// Epoch of the ring.
    pub epoch: u64,
    /// Maps keys to slots.
    pub layout: Layout,
    /// All occupied seats.
    pub seated: Arc<[Seated]>,
}

/// Acknowledges a recall: the router has given back the recalled leases.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Recalled {
    /// The router that acknowledges.
    pub router: RouterId,
    /// Epoch of the recall.
    pub epoch: u64,
    /// The replicas of the recall to which it still has requests in flight.
    pub busy: Vec<Incarnation>,
}

/// Looks up the replicas that serve a slot.
#[derive(Message)]
#[rtype(result = "WalkPage")]
pub struct Lookup {
    /// The slot of the key.
    pub slot: Slot,
    /// Number of occupied seats of the walk to skip.
    pub offset: usize,
}

/// The reply to `Lookup`: a lease, which is valid until it is recalled.
#[derive(Clone, Debug, PartialEq, Eq, MessageResponse)]
pub struct WalkPage {
    /// Epoch of the ring at the look-up.
    pub epoch: u64,
    /// The replicas of the walk after `offset`, at most [`PAGE`].
    pub walk: Vec<Arc<Replica>>,
}

/// Returns the state of the ring for the API and for /rm.
#[derive(Message)]
#[rtype(result = "Snapshotted")]
pub struct Snapshot;

/// The reply to `Snapshot`.
#[derive(Clone, Debug, MessageResponse)]
pub struct Snapshotted {
    /// Epoch of the ring.
    pub epoch: u64,
    /// Digest of the slot map: equal slot maps have equal digests.
    pub digest: String,
    /// Maps keys to slots and slots to seats.
    pub layout: Layout,
    /// Number of slots that each seat owns.
    pub slots: BTreeMap<SeatId, usize>,
}

/// Returns the slot map for the API.
#[derive(Message)]
#[rtype(result = "Mapped")]
pub struct Map;

/// The reply to `Map`.
#[derive(Clone, Debug, MessageResponse)]
pub struct Mapped {
    /// Epoch of the ring.
    pub epoch: u64,
    /// Digest of the slot map: equal slot maps have equal digests.
    pub digest: String,
    /// The owner of each slot.
    pub map: SlotMap,
}

/// Computes the effect of a change of the seats without making the change.
#[derive(Message)]
#[rtype(result = "Result<ring::Plan, RingError>")]
pub struct Plan(pub Proposal);

/// Explains the placement of a key: its hash, its slot and the walk.
#[derive(Message)]
#[rtype(result = "Explained")]
pub struct Explain(pub Vec<u8>);

/// The reply to `Explain`.
#[derive(Clone, Debug, PartialEq, Eq, MessageResponse)]
pub struct Explained {
    /// Epoch of the ring.
    pub epoch: u64,
    /// Hash of the key before its reduction to a slot.
    pub number: u128,
    /// Slot of the key.
    pub slot: Slot,
    /// All seats in the order of the walk, each with its replica; `None` if the seat is vacant.
    pub walk: Vec<(SeatId, Option<Arc<Replica>>)>,
}
