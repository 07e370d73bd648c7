//! Continuations: the steps that follow when the ring has answered a change.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::ring::Incarnation;

use super::{Busy, CallId, ChangeId, Fleet, RouterId};

/// The step that follows when the ring has answered a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OnRingReply {
    /// The first seats are in the map; nothing follows.
    Seated,
    /// An /add is complete: these replicas get requests.
    Added(CallId, Vec<Incarnation>),
    /// The replica occupies its seat.
    Occupied(Incarnation),
    /// The replica has given its seat to another and begins to drain.
    HandedOver { from: Incarnation, to: Incarnation },
    /// The cordoned replica gets no new request, and stays alive.
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

impl Fleet {
    /// The ring has applied a change, and every router has acknowledged it.
    pub(super) fn ring_answered(&mut self, id: ChangeId, busy: Busy, now: Instant) {
        match self.pending_changes.remove(&id) {
            None | Some(OnRingReply::Seated) => {}
            Some(OnRingReply::Occupied(incarnation)) => {
                self.ready(incarnation, now);
                self.answer_replacing(incarnation);
            }
            Some(OnRingReply::Added(call, incarnations)) => {
                for incarnation in incarnations {
                    self.ready(incarnation, now);
                }
                self.reply_list(call);
            }
            Some(OnRingReply::HandedOver { from, to }) => {
                self.drain(from, routers(&busy, from), now);
                self.ready(to, now);
                self.answer_replacing(to);
            }
            Some(OnRingReply::Cordoned(call, incarnation)) => {
                self.on_cordoned(call, incarnation, routers(&busy, incarnation), now);
            }
            Some(OnRingReply::Vacated(incarnation)) => {
                if let Some(member) = self.members.get_mut(&incarnation) {
                    member.vacated();
                }
            }
            Some(OnRingReply::Weighed(call)) => self.reply_list(call),
            Some(OnRingReply::Left(call, incarnations)) => {
                for incarnation in incarnations {
                    self.drain(incarnation, routers(&busy, incarnation), now);
                }
                if let Some(call) = call {
                    self.reply_list(call);
                }
            }
        }
    }
}

/// The routers that still have requests in flight to a replica.
fn routers(busy: &Busy, of: Incarnation) -> BTreeSet<RouterId> {
    busy.iter().filter(|(_, incarnation)| *incarnation == of).map(|(router, _)| *router).collect()
}
