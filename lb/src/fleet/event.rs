//! What the fleet is told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use crate::name::Name;
use crate::ring::{Incarnation, SeatId, Weight};
use crate::runtime::{Error, Exit, Found, Instance, Upstream};

use super::{Record, Settings};

/// Which router (HTTP worker) speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouterId(pub u64);

/// Which caller of /add or /rm waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// Which change of the ring an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeId(pub u64);

/// Number of a write of the record of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub u64);

/// The routers that still have requests in flight to a replica that has left the ring.
pub type Busy = Vec<(RouterId, Incarnation)>;

/// What /rm chooses by, per seat: requests in flight, and slots owned.
pub type Loads = BTreeMap<SeatId, (usize, usize)>;

/// What an /rm asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// How many fewer, at least one.
    pub n: usize,
    /// Some of those to remove; with the seats at most `n`. The rest are chosen.
    pub names: Vec<Name>,
    /// Some of the seats to remove, vacant or not.
    pub seats: Vec<SeatId>,
}

/// What the routers see of a replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Progress: when a reply head, or a byte of a body or of a tunnel in either direction, last moved; `None`: never.
    pub last_progress: Option<Instant>,
    /// The start of the oldest request that waits for the head of its reply; `None`: no request waits. While one waits,
    /// a request that has reached `--head-timeout` counts too, until there is progress again.
    pub waiting_since: Option<Instant>,
}

impl Activity {
    /// What two routers see together.
    pub fn merge(self, other: Self) -> Self {
        let waiting = [self.waiting_since, other.waiting_since];
        Self {
            last_progress: self.last_progress.max(other.last_progress),
            waiting_since: waiting.into_iter().flatten().min(),
        }
    }
}

/// Something happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The record of the target that an earlier balancer has left; comes before [`Event::Listed`], if at all.
    Restored(Record),
    /// The first look around, and the first event but [`Event::Restored`]: what exists of our cluster.
    Listed(Vec<Found>),
    /// A launch came to an end; the replica need not listen yet. One that failed has left nothing behind.
    Launched {
        /// Which one.
        incarnation: Incarnation,
        /// Its id and address, or the engine's reason.
        result: Result<Instance, Error>,
    },
    /// A replica ended.
    Exited {
        /// Which one.
        incarnation: Incarnation,
        /// How.
        exit: Exit,
    },
    /// Somebody else told a replica to end.
    Terminated {
        /// Which one.
        incarnation: Incarnation,
    },
    /// Another balancer acts on our replicas.
    Conflict {
        /// The replica that gave it away.
        container: String,
    },
    /// The engine was away and answers again.
    Available,
    /// A dead replica was killed; it holds no address any more.
    Ended {
        /// Incarnation of the replica.
        incarnation: Incarnation,
    },
    /// A heartbeat was answered, or not.
    HeartbeatResult {
        /// Whose.
        incarnation: Incarnation,
        /// How it went.
        beat: HeartbeatResult,
    },
    /// The answer to [`Action::Ask`](super::Action::Ask).
    Answered {
        /// The incarnation of the silent replica.
        incarnation: Incarnation,
        /// What all routers see of it together; `None`: a router did not answer in time, so that this is not known.
        activity: Option<Activity>,
        /// Whether it is suspended: its processes are stopped (process state T), or its container is paused. `None`: the
        /// runtime does not know, or did not answer in time.
        suspended: Option<bool>,
    },
    /// What a replica that did not get ready wrote last.
    LastLogLine {
        /// Which one.
        incarnation: Incarnation,
        /// Its last line of output, if that is known.
        line: Option<String>,
    },
    /// The ring has changed and every router knows.
    Ring {
        /// Which change.
        ticket: ChangeId,
        /// Who still has requests in flight to what left.
        busy: Busy,
    },
    /// A router's last request to a replica that has left the ring has ended.
    Idle {
        /// Whose.
        router: RouterId,
        /// To which replica.
        incarnation: Incarnation,
    },
    /// A router has ejected a replica for what its traffic shows.
    Suspected {
        /// Who.
        router: RouterId,
        /// Which one.
        incarnation: Incarnation,
    },
    /// A router sends requests to an ejected replica again.
    Readmitted {
        /// Who.
        router: RouterId,
        /// Which one.
        incarnation: Incarnation,
    },
    /// A replica that we stopped is gone.
    Stopped {
        /// Which one.
        incarnation: Incarnation,
    },
    /// A write of the record of the target has ended.
    Recorded {
        /// The write.
        revision: Revision,
        /// The reason if the runtime could not write it.
        result: Result<(), String>,
    },
    /// The record of the target was removed from outside.
    RecordLost,
    /// /add was called.
    Add {
        /// Who waits.
        call: CallId,
        /// How many more, at least one.
        n: usize,
        /// The first of their names, at most `n`; the rest are random.
        names: Vec<Name>,
    },
    /// /rm was called.
    Remove {
        /// Who waits.
        call: CallId,
        /// What is to go.
        removal: Removal,
        /// What the choice goes by.
        loads: Loads,
    },
    /// A replica is to get no new request, and to live on.
    Drain {
        /// Who waits.
        call: CallId,
        /// Which one.
        name: Name,
    },
    /// A drained replica is to get requests again.
    Undrain {
        /// Who waits.
        call: CallId,
        /// Which one.
        name: Name,
    },
    /// A replica is to give its seat to a new one.
    Replace {
        /// Who waits.
        call: CallId,
        /// Which one.
        name: Name,
    },
    /// All replicas are to be replaced, one after the other.
    RollingReplace {
        /// Who waits, until it has begun.
        call: CallId,
    },
    /// A seat is to weigh something else.
    Weigh {
        /// Who waits.
        call: CallId,
        /// Which one.
        seat: SeatId,
        /// How much.
        weight: Weight,
    },
    /// An external server is to be added.
    AddUpstream {
        /// The call that waits.
        call: CallId,
        /// The server.
        upstream: Upstream,
    },
    /// An external server is to be removed with its seat.
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
    /// From now on the rules depend on these.
    Configure(Settings),
    /// There is to be another number of seats.
    Scale {
        /// Who waits.
        call: CallId,
        /// How many.
        target: usize,
        /// What the choice goes by, if there are to be fewer.
        loads: Loads,
    },
    /// The balancer is about to end: the fleet is changed no more, what has not joined is taken back, and nothing is
    /// launched any more.
    Close,
    /// The balancer ends: stop all replicas.
    Stop,
    /// The balancer ends now: kill what is left.
    Kill,
    /// The time that [`next_wake`](super::Fleet::next_wake) named has come.
    Tick,
}

/// How a heartbeat went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeartbeatResult {
    /// Answered well in time.
    Good,
    /// Nobody listens there.
    Refused,
    /// No good answer in time; the text says why.
    Missed(String),
    /// The heartbeat failed for a shortage of the balancer's own (descriptors, local ports, memory): it says nothing
    /// about the replica. The text says which shortage.
    Void(String),
}
