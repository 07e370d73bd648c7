//! Events: the input of the fleet.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use crate::fleet::runtime::{Exit, Found, Instance, RuntimeError, Upstream};
use crate::name::Name;
use crate::ring::{Incarnation, SeatId, Weight};

use super::{Record, Settings};

/// Number of a router (one per HTTP worker).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouterId(pub u64);

/// Correlates the answer with the call that waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// Correlates the ring's reply with the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeId(pub u64);

/// Number of a write of the record of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub u64);

/// The routers that still have requests in flight to a replica that has left the ring.
pub type Busy = Vec<(RouterId, Incarnation)>;

/// Load per seat, by which /rm chooses: requests in flight, and slots owned.
pub type Loads = BTreeMap<SeatId, (usize, usize)>;

/// What an /rm removes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// How many seats to remove, at least one.
    pub n: usize,
    /// Replicas to remove; with `seats` at most `n`. The rest are chosen by load.
    pub names: Vec<Name>,
    /// Seats to remove, vacant or not.
    pub seats: Vec<SeatId>,
}

/// What the routers observe of a replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Progress: when a reply head, or a byte of a body or of a tunnel in either direction, last moved; `None`: never.
    pub last_progress: Option<Instant>,
    /// The start of the oldest request that waits for the head of its reply; `None`: no request waits. While one waits,
    /// a request that has reached `--head-timeout` counts too, until there is progress again.
    pub waiting_since: Option<Instant>,
}

impl Activity {
    /// Combines the observations of two routers.
    pub fn merge(self, other: Self) -> Self {
        let waiting = [self.waiting_since, other.waiting_since];
        Self {
            last_progress: self.last_progress.max(other.last_progress),
            waiting_since: waiting.into_iter().flatten().min(),
        }
    }
}

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
    /// A replica has ended.
    Exited {
        /// Incarnation of the replica.
        incarnation: Incarnation,
        /// How it ended.
        exit: Exit,
    },
    /// A replica got a SIGTERM that the balancer did not send.
    Terminated {
        /// Incarnation of the replica.
        incarnation: Incarnation,
    },
    /// Another balancer acts on the replicas of this cluster.
    Conflict {
        /// Name of the container by which this was noticed.
        container: String,
    },
    /// The engine is reachable again after an outage.
    Available,
    /// A dead replica was killed; it holds no address any more.
    Ended {
        /// Incarnation of the replica.
        incarnation: Incarnation,
    },
    /// A heartbeat has been answered, or has failed.
    HeartbeatResult {
        /// Incarnation of the replica.
        incarnation: Incarnation,
        /// Outcome of the heartbeat.
        beat: HeartbeatResult,
    },
    /// The reply to [`Action::Ask`](super::Action::Ask).
    Answered {
        /// The incarnation of the silent replica.
        incarnation: Incarnation,
        /// What all routers together observe; `None`: unknown, because a router did not answer in time.
        activity: Option<Activity>,
        /// Whether it is suspended: its processes are stopped (process state T), or its container is paused. `None`: the
        /// runtime does not know, or did not answer in time.
        suspended: Option<bool>,
    },
    /// The reply to [`Action::Inquire`](super::Action::Inquire).
    LastLogLine {
        /// Incarnation of the replica.
        incarnation: Incarnation,
        /// The last line of its output; `None`: unknown.
        line: Option<String>,
    },
    /// The ring has changed, and every router has acknowledged.
    Ring {
        /// Number of the change.
        ticket: ChangeId,
        /// The routers that still have requests in flight to replicas that left the ring.
        busy: Busy,
    },
    /// The last request of a router to a replica that has left the ring has ended.
    Idle {
        /// The router that sent the notice.
        router: RouterId,
        /// Incarnation of the replica.
        incarnation: Incarnation,
    },
    /// A router has ejected a replica because of its failures.
    Suspected {
        /// The router that sent the notice.
        router: RouterId,
        /// Incarnation of the replica.
        incarnation: Incarnation,
    },
    /// A router sends requests to an ejected replica again.
    Readmitted {
        /// The router that sent the notice.
        router: RouterId,
        /// Incarnation of the replica.
        incarnation: Incarnation,
    },
    /// A replica that the fleet stopped is gone.
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
    /// The record of the target was removed from outside.
    RecordLost,
    /// /add was called.
    Add {
        /// The call that waits.
        call: CallId,
        /// Number of replicas to add, at least one.
        n: usize,
        /// Names of the first new replicas, at most `n`; the rest get random names.
        names: Vec<Name>,
    },
    /// /rm was called.
    Remove {
        /// The call that waits.
        call: CallId,
        /// What to remove.
        removal: Removal,
        /// The load of each seat.
        loads: Loads,
    },
    /// Cordons a replica: it gets no new request, and lives on.
    Drain {
        /// The call that waits.
        call: CallId,
        /// Name of the replica.
        name: Name,
    },
    /// Ends the cordon of a replica: it gets requests again.
    Undrain {
        /// The call that waits.
        call: CallId,
        /// Name of the replica.
        name: Name,
    },
    /// Replaces a replica by a new one in the same seat.
    Replace {
        /// The call that waits.
        call: CallId,
        /// Name of the replica.
        name: Name,
    },
    /// Replaces all replicas, one after the other.
    RollingReplace {
        /// The call that waits; it is answered when the replacement has begun.
        call: CallId,
    },
    /// Changes the weight of a seat.
    Weigh {
        /// The call that waits.
        call: CallId,
        /// Number of the seat.
        seat: SeatId,
        /// The new weight.
        weight: Weight,
    },
    /// Adds an external server.
    AddUpstream {
        /// The call that waits.
        call: CallId,
        /// The server.
        upstream: Upstream,
    },
    /// Removes an external server with its seat.
    RemoveUpstream {
        /// The call that waits.
        call: CallId,
        /// Its configured name.
        name: Name,
    },
    /// The name of an external server was resolved, or could not be.
    Resolved {
        /// The seat of the server.
        seat: SeatId,
        /// `HOST:PORT` as configured.
        id: String,
        /// All its addresses, at least one; or the resolver's error.
        addresses: Result<Vec<SocketAddr>, String>,
    },
    /// New settings, for everything that begins from now on.
    Configure(Settings),
    /// Changes the number of seats.
    Scale {
        /// The call that waits.
        call: CallId,
        /// The new number of seats.
        target: usize,
        /// The load of each seat, for the choice if the number shrinks.
        loads: Loads,
    },
    /// The balancer is about to end: no change is accepted, unanswered calls are rolled back, and nothing is launched.
    Close,
    /// The balancer ends: stops all replicas.
    Stop,
    /// The balancer ends now: kills the replicas that are left.
    Kill,
    /// The time that [`next_wake`](super::Fleet::next_wake) returned has come.
    Tick,
}

/// Outcome of a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeartbeatResult {
    /// A good answer arrived in time.
    Good,
    /// The connection was refused: nothing listens at the address.
    Refused,
    /// No good answer arrived in time; the text says why.
    Missed(String),
    /// The heartbeat failed because the balancer itself lacked descriptors, local ports or memory, which the text
    /// names. It says nothing about the replica.
    Void(String),
}
