//! Transitions that are published as events: each change of a replica's phase, and of the ring's seats.

use std::sync::Arc;

use serde::Serialize;

use crate::name::Name;
use crate::ring::{Change, Incarnation, Replica, SeatId, Weight};

use super::action::Action;
use super::member::Member;
use super::{Fleet, Seat};

/// A published change. Serialized as is into the events of the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Transition {
    /// `phase` (of a replica), `ejected` or `readmitted` (by a router), `not_repeated` (a request under which replicas
    /// were lost), `unreachable` (an external server whose name does not resolve, or none of whose addresses answers),
    /// `rolling` (a replacement of all), or a change of the ring: `join`, `occupy`, `handover`, `vacate`, `drain`,
    /// `weigh`, `leave`.
    pub name: &'static str,
    /// Number of the seat.
    pub seat: SeatId,
    /// Name of the replica, if the change concerns one.
    pub replica: Option<Name>,
    /// Incarnation of that replica.
    pub incarnation: Option<Incarnation>,
    /// The phase before the change, or for a seat `vacant` or `occupied`; `None`: it did not exist.
    pub was: Option<&'static str>,
    /// The phase after the change, or for a seat `vacant` or `occupied`; `None`: it does not exist any more.
    pub now: Option<&'static str>,
    /// The cause; `None`: the other members show it.
    pub why: Option<String>,
    /// Progress of a rolling replacement.
    #[serde(flatten)]
    pub progress: Option<Progress>,
}

/// Progress of a rolling replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Progress {
    /// Replicas that were replaced, or have left, died or been cordoned meanwhile.
    pub done: usize,
    /// Replicas at its beginning.
    pub total: usize,
}

impl Member {
    /// The action that publishes a transition of this replica.
    pub fn transition(
        &self,
        name: &'static str,
        was: Option<&'static str>,
        now: Option<&'static str>,
        why: Option<String>,
    ) -> Action {
        Action::Publish(Transition {
            name,
            seat: self.launch.seat,
            replica: Some(self.launch.name.clone()),
            incarnation: Some(self.launch.incarnation),
            was,
            now,
            why,
            progress: None,
        })
    }
}

impl Fleet {
    /// The transitions of a change of the ring, seat by seat. It is called before the seats get their new weights.
    pub(super) fn transitions(&self, change: &Change) -> Vec<Transition> {
        let of = |name, seat, was, now| Transition {
            name,
            seat,
            replica: None,
            incarnation: None,
            was,
            now,
            why: None,
            progress: None,
        };
        let taken = |name, seat, was, replica: &Replica| Transition {
            replica: Some(replica.name.clone()),
            incarnation: Some(replica.incarnation),
            ..of(name, seat, was, Some("occupied"))
        };
        match change {
            Change::Join(seats) => {
                let join = |seat, replica: &Option<Arc<Replica>>| match replica {
                    None => of("join", seat, None, Some("vacant")),
                    Some(replica) => taken("join", seat, None, replica),
                };
                seats.iter().map(|(seat, _, replica)| join(*seat, replica)).collect()
            }
            Change::Occupy(replica) => vec![taken("occupy", replica.seat, Some("vacant"), replica)],
            Change::Handover(replica) => vec![taken("handover", replica.seat, Some("occupied"), replica)],
            Change::Vacate(seat) => vec![of("vacate", *seat, Some("occupied"), Some("vacant"))],
            Change::Cordon(seat) => {
                let cordoned = self.seats.get(seat).and_then(|seat| self.members.get(&seat.cordoned()?));
                vec![Transition {
                    replica: cordoned.map(|member| member.launch.name.clone()),
                    incarnation: cordoned.map(|member| member.launch.incarnation),
                    ..of("drain", *seat, Some("occupied"), Some("vacant"))
                }]
            }
            Change::Weigh(weights) => {
                let weigh = |(id, weight): &(SeatId, Weight)| {
                    let was = self.seats.get(id).map(Seat::weight);
                    let why = was.map(|was| format!("weight={weight} was={was}"));
                    Transition { why, ..of("weigh", *id, None, None) }
                };
                weights.iter().map(weigh).collect()
            }
            // A vacant seat leaves too; the phases show which replicas leave.
            Change::Leave(seats) => seats.iter().map(|seat| of("leave", *seat, None, None)).collect(),
        }
    }
}
