//! Actions: the output of the fleet, carried out by the supervisor.

use std::sync::Arc;
use std::time::Duration;

use crate::fleet::runtime::{Launch, Upstream};
use crate::ring::{Change, Incarnation, Replica, SeatId};

#[cfg(doc)]
use super::Event;
use super::event::{CallId, ChangeId, Revision};
use super::{Answer, CommandError, Record, Transition};

/// An action for the supervisor, returned by [`Fleet::on`](super::Fleet::on).
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Starts a replica; the result comes back as [`Event::Launched`].
    Launch(Launch),
    /// Sets or clears the external server of a seat. Its name is resolved from now on; results come back as
    /// `Event::Resolved`.
    Assign {
        /// Seat of the server.
        seat: SeatId,
        /// The server; `None`: the seat has none any more.
        upstream: Option<Upstream>,
    },
    /// Sends a heartbeat; the result comes back as [`Event::HeartbeatResult`].
    Heartbeat(Arc<Replica>),
    /// Changes the ring; the reply comes back as [`Event::Ring`].
    Ring {
        /// Number of the change, repeated in the reply.
        id: ChangeId,
        /// The change to apply.
        change: Change,
        /// Replicas that leave their seats for good: their names are free once this is answered.
        retire: Vec<Incarnation>,
        /// The transitions to publish once every router has acknowledged, seat by seat.
        transitions: Vec<Transition>,
    },
    /// Inquires all routers and the runtime about the activity of a silent replica; the result comes back as
    /// [`Event::InquiryResult`].
    Inquire(Incarnation),
    /// Publishes the suspect replicas to all routers, which then prefer other replicas. Repeated while heartbeats are
    /// missed, so that a router finds requests that began to wait in the meantime.
    Suspects(Vec<Incarnation>),
    /// Reads the last output line of a replica that did not get ready; it comes back as [`Event::LastLogLine`].
    ReadLastLogLine(Incarnation),
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
    /// Kills a dead replica that may still hold an address, and keeps its container, which stores its seat. Once it has
    /// ended, [`Event::DeadKilled`] comes back.
    KillDead(Incarnation),
    /// Answers a call.
    Reply {
        /// The call to answer.
        call: CallId,
        /// The result of the call.
        result: Result<Answer, CommandError>,
    },
    /// Publishes a transition to the journal of events.
    Publish(Transition),
    /// All replicas of the target are ready, for the first time.
    Serving,
    /// Every replica is gone; the process may end.
    Halted,
}
