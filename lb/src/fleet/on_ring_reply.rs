//! Continuations: what the fleet does when the ring has answered a change.

use crate::ring::Incarnation;

use super::CallId;

/// What to do when the ring has answered a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OnRingReply {
    /// The first seats are in the map; nothing follows.
    Seated,
    /// An /add is complete: these replicas are routed to.
    Added(CallId, Vec<Incarnation>),
    /// The replica occupies its seat.
    Occupied(Incarnation),
    /// The replica has given its seat to another and begins to drain.
    HandedOver { from: Incarnation, to: Incarnation },
    /// The cordoned replica gets no new request, and lives on.
    Cordoned(CallId, Incarnation),
    /// The seat has its new weight.
    Weighed(CallId),
    /// The dead replica gets no new request.
    Vacated(Incarnation),
    /// A removal is complete; these replicas begin to drain. Without a call, the configuration removed them.
    Left(Option<CallId>, Vec<Incarnation>),
}

impl OnRingReply {
    /// The replicas that leave their seats for good by the change.
    pub fn retired(&self) -> Vec<Incarnation> {
        match self {
            Self::HandedOver { from, .. } => vec![*from],
            Self::Left(_, leaving) => leaving.clone(),
            Self::Seated
            | Self::Added(..)
            | Self::Occupied(_)
            | Self::Cordoned(..)
            | Self::Weighed(_)
            | Self::Vacated(_) => Vec::new(),
        }
    }
}
