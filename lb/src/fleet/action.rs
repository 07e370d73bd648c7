//! What the fleet wants done.

use std::sync::Arc;
use std::time::Duration;

use crate::name::Name;
use crate::ring::{Incarnation, Replica, SeatId, Weight};
use crate::runtime::{Launch, Upstream};

#[cfg(doc)]
use super::Event;
use super::event::{CallId, ChangeId, Revision};
use super::{Record, Refusal, Transition, Vacancy};

/// Something is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Start a replica; answer [`Event::Launched`].
    Launch(Launch),
    /// From now on the seat has this external server, or none; its name is resolved: [`Event::Resolved`].
    Assign {
        /// The seat.
        seat: SeatId,
        /// The server.
        upstream: Option<Upstream>,
    },
    /// Send a heartbeat; answer [`Event::HeartbeatResult`].
    Probe(Arc<Replica>),
    /// Change the ring; answer [`Event::Ring`].
    Ring {
        /// To be repeated in the answer.
        ticket: ChangeId,
        /// What changes.
        change: Change,
    },
    /// Ask all routers and the runtime about a silent replica; answer [`Event::Answered`].
    Ask(Incarnation),
    /// Tell all routers which replicas are suspect now: other replicas are preferred. Repeated while heartbeats are
    /// missed, so that a router finds requests that have begun to wait since.
    Suspects(Vec<Incarnation>),
    /// Ask what a replica that did not get ready wrote last; answer [`Event::LastLogLine`].
    Inquire(Incarnation),
    /// SIGTERM, and SIGKILL after `grace`; answer [`Event::Stopped`].
    Stop {
        /// Which one.
        incarnation: Incarnation,
        /// Zero: kill at once.
        grace: Duration,
    },
    /// Store the record of the target in the place of the one before, or remove it (`None`); answer
    /// [`Event::Recorded`]. One write is under way at a time.
    Record {
        /// To be repeated in the answer.
        revision: Revision,
        /// The new content.
        record: Option<Record>,
    },
    /// Kill a dead replica that may still hold an address, and keep what remembers its seat; answer
    /// [`Event::Ended`] if it has ended.
    End(Incarnation),
    /// Answer a caller.
    Reply {
        /// Who waits.
        call: CallId,
        /// What has come of it.
        result: Result<Answer, Refusal>,
    },
    /// A transition, for whoever follows the events.
    Tell(Transition),
    /// All replicas of the target are ready, for the first time.
    Serving,
    /// Every replica is gone; the process may end.
    Halted,
}

/// A call was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What /rep lists now.
    pub replicas: Vec<Name>,
    /// The seat and the replica that the call was about, if it was about one.
    pub about: Option<(SeatId, Name)>,
    /// Why that seat is vacant, if it is.
    pub vacancy: Option<Vacancy>,
}

/// A change of the ring.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Seats enter the map, all in one epoch.
    Join(Vec<(SeatId, Weight, Option<Arc<Replica>>)>),
    /// A replica takes a vacant seat.
    Occupy(Arc<Replica>),
    /// A replica takes over its seat from another, which may finish what it has; its name is free when this is
    /// answered.
    Handover {
        /// The new one.
        to: Arc<Replica>,
        /// The old one.
        from: Incarnation,
    },
    /// The replica is dead, the seat stays.
    Vacate(SeatId),
    /// The replica lives and gets no new request, the seat stays.
    Drain(Arc<Replica>),
    /// A seat weighs something else.
    Weigh {
        /// Which one.
        seat: SeatId,
        /// From now on.
        weight: Weight,
        /// Until now.
        was: Weight,
    },
    /// Seats leave the map; the names of their occupants are free when this is answered.
    Leave {
        /// Which.
        seats: Vec<SeatId>,
        /// Who had them, drained or not.
        occupants: Vec<Incarnation>,
    },
}
