//! Transitions that are published as events: each change of a replica's phase, and of the ring's seats.

use std::sync::Arc;

use serde::Serialize;

use crate::name::Name;
use crate::ring::{Incarnation, Replica, SeatId};

use super::action::{Action, Change};
use super::member::Member;

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
    /// The phase, or for a seat `vacant` or `occupied`, before the change; `None`: it did not exist.
    pub was: Option<&'static str>,
    /// The same after the change; `None`: it is gone.
    pub now: Option<&'static str>,
    /// The cause, if there is more to say.
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
        Action::Tell(Transition {
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

impl Change {
    /// The transitions to publish once every router has acknowledged, seat by seat.
    pub fn transitions(&self) -> Vec<Transition> {
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
        let by = |transition, replica: &Replica| Transition {
            replica: Some(replica.name.clone()),
            incarnation: Some(replica.incarnation),
            ..transition
        };
        let taken = |name, seat, was, replica: &Replica| by(of(name, seat, was, Some("occupied")), replica);
        match self {
            Self::Join(seats) => {
                let join = |seat, replica: &Option<Arc<Replica>>| match replica {
                    None => of("join", seat, None, Some("vacant")),
                    Some(replica) => taken("join", seat, None, replica),
                };
                seats.iter().map(|(seat, _, replica)| join(*seat, replica)).collect()
            }
            Self::Occupy(replica) => vec![taken("occupy", replica.seat, Some("vacant"), replica)],
            Self::Handover { to, .. } => vec![taken("handover", to.seat, Some("occupied"), to)],
            Self::Vacate(seat) => vec![of("vacate", *seat, Some("occupied"), Some("vacant"))],
            Self::Drain(replica) => {
                vec![by(of("drain", replica.seat, Some("occupied"), Some("vacant")), replica)]
            }
            Self::Weigh { seat, weight, was } => {
                let why = Some(format!("weight={weight} was={was}"));
                vec![Transition { why, ..of("weigh", *seat, None, None) }]
            }
            // A vacant seat leaves too; the phases show which replicas leave.
            Self::Leave { seats, .. } => seats.iter().map(|seat| of("leave", *seat, None, None)).collect(),
        }
    }
}
