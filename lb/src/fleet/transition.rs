//! What is told of the fleet: each change of a replica's phase, and of the ring's seats.

use std::sync::Arc;

use serde::Serialize;

use crate::name::Name;
use crate::ring::{Incarnation, Replica, SeatId};

use super::action::{Action, Change};
use super::member::Member;

/// Something that has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Transition {
    /// `phase` (of a replica), `ejected` or `readmitted` (by a router), `not_repeated` (a request under which replicas
    /// were lost), `unreachable` (an external server: its name does not resolve, or none of its addresses answers),
    /// `rolling` (a replacement of all), or what the ring's seat did: `join`, `occupy`, `handover`, `vacate`, `drain`,
    /// `weigh`, `leave`.
    pub name: &'static str,
    /// Of which seat.
    pub seat: SeatId,
    /// Which replica, where one is concerned.
    pub replica: Option<Name>,
    /// Which start of it.
    pub incarnation: Option<Incarnation>,
    /// The phase, or of a seat `vacant` or `occupied`, before; `None`: there was nothing.
    pub was: Option<&'static str>,
    /// The same afterwards; `None`: it is gone.
    pub now: Option<&'static str>,
    /// The cause, where there is more to say.
    pub why: Option<String>,
    /// Of a rolling replacement.
    #[serde(flatten)]
    pub progress: Option<Progress>,
}

/// How far a rolling replacement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Progress {
    /// Replicas that were replaced, or are gone otherwise.
    pub done: usize,
    /// Replicas at its beginning.
    pub total: usize,
}

impl Member {
    /// Something has happened to this replica.
    pub fn tell(
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
    /// What is to be told once every router knows, seat by seat.
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
            // An empty seat leaves too: the phases say whose was not.
            Self::Leave { seats, .. } => seats.iter().map(|seat| of("leave", *seat, None, None)).collect(),
        }
    }
}
