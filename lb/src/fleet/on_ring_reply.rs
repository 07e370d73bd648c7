//! What the fleet does when the ring has answered a change.

use crate::ring::Incarnation;

use super::CallId;

/// What to do when the ring has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OnRingReply {
    /// The first seats are in the map; nothing waits for it.
    Seated,
    /// An /add is complete: these replicas are routed to.
    Added(CallId, Vec<Incarnation>),
    /// The replica has its seat.
    Occupied(Incarnation),
    /// The replica has handed its seat over to another and begins to drain.
    HandedOver { from: Incarnation, to: Incarnation },
    /// The replica gets no request any more, and lives on.
    Drained(CallId, Incarnation),
    /// The seat has its weight.
    Weighed(CallId),
    /// The dead replica gets no request any more.
    Vacated(Incarnation),
    /// A removal is complete; these replicas begin to drain. Without a call it was another configuration.
    Left(Option<CallId>, Vec<Incarnation>),
}
