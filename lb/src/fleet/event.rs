//! Events: the input of the fleet.

use crate::fleet::runtime::{Found, Instance, RuntimeError, RuntimeEvent};
use crate::ring::Incarnation;

use super::{Activity, Busy, Command, Loads, Record, RouterEvent, RouterId, Settings};

/// Correlates the answer with the call that waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// Correlates the ring's reply with the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeId(pub u64);

/// Number of a write of the record of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub u64);

/// An input of the fleet: a result of an action, a notice of the runtime or a router, a call, or a change of settings.
#[derive(Clone, Debug)]
pub enum Event {
    /// The record of the target that an earlier balancer has left. It comes before [`Event::Listed`], and is missing
    /// if there is none.
    Restored(Record),
    /// The replicas of this cluster that exist at the start. The first event, except for [`Event::Restored`].
    Listed(Vec<Found>),
    /// A launch has ended. The replica may not listen yet; a failed launch has left nothing behind.
    Launched {
        /// Incarnation of the replica.
        incarnation: Incarnation,
        /// Id and address of the replica, or the runtime's error.
        result: Result<Instance, RuntimeError>,
    },
    /// A dead replica was killed ([`Action::KillDead`](super::Action::KillDead)): it holds no address any more, and its
    /// container still stores its seat.
    DeadKilled {
        /// Incarnation of the replica.
        incarnation: Incarnation,
    },
    /// A heartbeat has been answered, or has failed.
    HeartbeatResult {
        /// Incarnation of the replica.
        incarnation: Incarnation,
        /// Result of the heartbeat.
        result: HeartbeatResult,
    },
    /// The result of an inquiry ([`Action::Inquire`](super::Action::Inquire)).
    InquiryResult {
        /// The incarnation of the silent replica.
        incarnation: Incarnation,
        /// What all routers together have observed; `None`: unknown, because a router did not answer in time.
        activity: Option<Activity>,
        /// Whether it is suspended: its processes are stopped (process state T), or its container is paused. `None`: the
        /// runtime cannot find out, or did not answer in time.
        suspended: Option<bool>,
    },
    /// The result of [`Action::ReadLastLogLine`](super::Action::ReadLastLogLine).
    LastLogLine {
        /// Incarnation of the replica.
        incarnation: Incarnation,
        /// The last line of its output; `None`: unknown.
        line: Option<String>,
    },
    /// The ring has changed, and every router has acknowledged.
    Ring {
        /// Number of the change.
        id: ChangeId,
        /// The routers that still have requests in flight to replicas that left the ring.
        busy: Busy,
    },
    /// A replica was stopped ([`Action::Stop`](super::Action::Stop)): its process has ended, and its container, if it had
    /// one, is removed.
    Stopped {
        /// Incarnation of the replica.
        incarnation: Incarnation,
    },
    /// A write of the record of the target has ended.
    Recorded {
        /// Number of the write.
        revision: Revision,
        /// The runtime's reason, if the write failed.
        result: Result<(), String>,
    },
    /// An event that the runtime has observed.
    Runtime(RuntimeEvent),
    /// A router has sent a notice.
    Router {
        /// The router that sent it.
        router: RouterId,
        /// Content of the notice.
        event: RouterEvent,
    },
    /// A command was called.
    Call {
        /// The call that waits for the answer.
        call: CallId,
        /// The operation to carry out.
        command: Command,
        /// The load of each seat; empty unless [`Command::needs_loads`].
        loads: Loads,
    },
    /// New settings, for everything that begins from now on.
    Configure(Settings),
    /// The balancer is about to end: no change is accepted, unanswered calls are rolled back, and nothing is launched.
    Close,
    /// The balancer ends: stops all replicas.
    Stop,
    /// The balancer ends now: kills the replicas that are left.
    Kill,
    /// The time that [`next_wake`](super::Fleet::next_wake) returned has come.
    Tick,
}

/// Result of a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeartbeatResult {
    /// A good answer arrived in time.
    Good,
    /// The connection was refused: nothing listens at the address.
    Refused,
    /// No good answer arrived in time; the text is the reason.
    Missed(String),
    /// The heartbeat failed because the balancer itself lacked descriptors, local ports or memory, which the text
    /// names. It proves nothing about the replica.
    Void(String),
}
