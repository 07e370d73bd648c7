//! Actions: what the supervisor must carry out for the fleet.

use std::sync::Arc;
use std::time::Duration;

use crate::fleet::runtime::{Launch, Upstream};
use crate::name::Name;
use crate::ring::{Incarnation, Replica, SeatId, Weight};

#[cfg(doc)]
use super::Event;
use super::event::{CallId, ChangeId, Revision};
use super::{CommandError, Record, Transition, Vacancy};

/// An action for the supervisor, returned by [`Fleet::on`](super::Fleet::on).
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Starts a replica; the result comes back as [`Event::Launched`].
    Launch(Launch),
    /// Sets or clears the external server of a seat. Its name is resolved from now on; results come back as
    /// [`Event::Resolved`].
    Assign {
        /// Seat of the server.
        seat: SeatId,
        /// The server; `None`: the seat has none any more.
        upstream: Option<Upstream>,
    },
    /// Sends a heartbeat; the outcome comes back as [`Event::HeartbeatResult`].
    Probe(Arc<Replica>),
    /// Changes the ring; the reply comes back as [`Event::Ring`].
    Ring {
        /// Number of the change, repeated in the reply.
        ticket: ChangeId,
        /// The change to apply.
        change: Change,
    },
    /// Asks all routers and the runtime about a silent replica; the reply comes back as [`Event::Answered`].
    Ask(Incarnation),
    /// Publishes the suspect replicas to all routers, which then prefer other replicas. Repeated while heartbeats are
    /// missed, so that a router finds requests that began to wait in the meantime.
    Suspects(Vec<Incarnation>),
    /// Asks for the last output line of a replica that did not get ready; it comes back as [`Event::LastLogLine`].
    Inquire(Incarnation),
    /// Sends SIGTERM, and SIGKILL after `grace`; the end comes back as [`Event::Stopped`].
    Stop {
        /// Incarnation of the replica to stop.
        incarnation: Incarnation,
        /// Time between SIGTERM and SIGKILL; zero kills at once.
        grace: Duration,
    },
    /// Stores the record of the target, or removes it (`None`); the result comes back as [`Event::Recorded`]. At most
    /// one write is under way.
    Record {
        /// Number of the write, repeated in the result.
        revision: Revision,
        /// The new content; `None` removes the record.
        record: Option<Record>,
    },
    /// Kills a dead replica that may still hold an address, and keeps what stores its seat (its container). Once it
    /// has ended, [`Event::Ended`] comes back.
    End(Incarnation),
    /// Answers a call.
    Reply {
        /// The call to answer.
        call: CallId,
        /// The result of the call.
        result: Result<Answer, CommandError>,
    },
    /// Publishes a transition to the journal of events.
    Tell(Transition),
    /// All replicas of the target are ready, for the first time.
    Serving,
    /// Every replica is gone; the process may end.
    Halted,
}

/// The reply to a call that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Names of the replicas that /rep lists after the change.
    pub replicas: Vec<Name>,
    /// The seat and the replica that the call concerned; `None` for calls about the whole fleet.
    pub about: Option<(SeatId, Name)>,
    /// Why that seat is vacant; `None` if it is occupied.
    pub vacancy: Option<Vacancy>,
}

/// A change of the ring.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Adds seats to the slot map, all in one epoch.
    Join(Vec<(SeatId, Weight, Option<Arc<Replica>>)>),
    /// Puts a replica into a vacant seat.
    Occupy(Arc<Replica>),
    /// Gives a seat to another replica while the previous one finishes its requests in flight. The name of the
    /// previous one is free once this is answered.
    Handover {
        /// The replica that takes the seat.
        to: Arc<Replica>,
        /// Incarnation of the replica that gives the seat up.
        from: Incarnation,
    },
    /// Removes a dead replica from its seat; the seat stays in the map.
    Vacate(SeatId),
    /// Takes a live replica out of routing (cordon); the seat stays in the map.
    Drain(Arc<Replica>),
    /// Changes the weight of a seat (1–1000, default 100).
    Weigh {
        /// Number of the seat.
        seat: SeatId,
        /// The new weight.
        weight: Weight,
        /// The previous weight.
        was: Weight,
    },
    /// Removes seats from the map; the names of their occupants are free once this is answered.
    Leave {
        /// Numbers of the seats.
        seats: Vec<SeatId>,
        /// Replicas of these seats, cordoned ones included.
        occupants: Vec<Incarnation>,
    },
}
