//! The seam between the fleet and the system that runs replicas: the trait [`Runtime`].

pub mod docker;
pub mod fake;
pub mod heartbeat;
pub mod logs;
pub mod process;
pub mod static_servers;
mod upstream;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use futures::future::{LocalBoxFuture, ready};
use futures::stream::LocalBoxStream;

use crate::fleet::{HeartbeatResult, Record};
use crate::name::Name;
use crate::ring::{Incarnation, Replica, SeatId, Weight};
use heartbeat::ProbeRequest;

pub use logs::{NoLogs, Tail};
pub use upstream::{InvalidUpstream, Upstream};

/// Arguments of a launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Seat of the replica.
    pub seat: SeatId,
    /// The hostname, given to the replica as `SERVER_ID`.
    pub name: Name,
    /// Its incarnation: the handle for all later calls.
    pub incarnation: Incarnation,
}

/// Settings of a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The request; `None`: only a TCP handshake.
    pub request: Option<ProbeRequest>,
    /// Longest time until the reply head.
    pub timeout: Duration,
}

/// A started replica, which may not listen yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Id of its container or process, for display.
    pub id: String,
    /// Address on which it will listen.
    pub address: SocketAddr,
}

/// A replica that existed at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its seat, name and incarnation.
    pub launch: Launch,
    /// Weight of its seat.
    pub weight: Weight,
    /// The instance; `None`: it has ended, and only stores its seat.
    pub instance: Option<Instance>,
    /// How the fleet must treat it.
    pub standing: Standing,
}

/// How the fleet must treat a replica that existed at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Adopt it.
    Current,
    /// Adopt it, and replace it then: its specification differs from the present one.
    Outdated,
    /// Stop it: it was leaving, and its seat does not count.
    Leaving,
}

/// An event that the runtime observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A replica has ended, for any reason but [`Runtime::stop`].
    Exited {
        /// Incarnation of the replica.
        incarnation: Incarnation,
        /// How it ended.
        exit: Exit,
    },
    /// A replica got a SIGTERM that the balancer did not send. It has not ended yet.
    Terminated {
        /// Incarnation of the replica.
        incarnation: Incarnation,
    },
    /// The record of the target was removed, but not by [`Runtime::write_record`].
    RecordLost,
    /// The name of an external server was resolved, or could not be.
    Resolved {
        /// The seat of the server.
        seat: SeatId,
        /// `HOST:PORT` as configured.
        id: String,
        /// All its addresses, at least one; or the resolver's error.
        addresses: Result<Vec<SocketAddr>, String>,
    },
    /// Another balancer acts on this cluster: a replica has started that this process does not know.
    Conflict {
        /// Name of that replica's container.
        container: String,
    },
    /// The engine is reachable again: launches that failed for that reason can be repeated.
    Available,
}

/// How a replica ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It ended on its own or by a signal; the text says how, with its last line of output.
    Ended(String),
    /// Another process took the port that was chosen for it: not a fault of the replica, which is started again.
    PortTaken,
}

/// Error of a launch, or of another call of the runtime.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The engine rejected the call; the text is the engine's.
    #[error("{0}")]
    Refused(String),
    /// The launch failed for a reason outside the replica: the engine is unreachable, or the balancer is short of
    /// descriptors, ports or memory. It does not count as a failed start of the replica.
    #[error("{0}")]
    Unavailable(String),
    /// The replicas' network has no free address. This does not count as a failed start of the replica; a dead replica
    /// that still holds an address must be killed first ([`Runtime::end`]).
    #[error("{0}")]
    NoAddress(String),
    /// The configuration is impossible; the text names the flag.
    #[error("{0}")]
    Configured(String),
    /// An unmanaged container has the name.
    #[error(
        "the name '{0}' is held by a container that is not ours: rename or remove it, or give another --cluster"
    )]
    NameTaken(Name),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(why) => f.write_str(why),
            Self::PortTaken => f.write_str("another process took its port"),
        }
    }
}

/// Starts, stops and watches replicas. All calls come from the main thread, and none blocks it.
pub trait Runtime {
    /// Starts a replica and returns once it has an address.
    fn launch(&self, launch: Launch) -> LocalBoxFuture<'static, Result<Instance, Error>>;

    /// Ends a replica: SIGTERM, and SIGKILL after `grace` (zero: at once). Returns when it is gone; an unknown
    /// incarnation counts as gone.
    fn stop(&self, incarnation: Incarnation, grace: Duration) -> LocalBoxFuture<'static, ()>;

    /// Sets the external server of a seat (`None`: none); its name is resolved now, and again periodically. Only for
    /// runtimes of external servers.
    fn assign(&self, _: SeatId, _: Option<Upstream>) {}

    /// Kills a dead replica so that its address is free, and keeps its container, which stores the seat. Returns
    /// whether it has ended. `false` in runtimes whose addresses cannot run out.
    fn end(&self, _: Incarnation) -> LocalBoxFuture<'static, bool> {
        Box::pin(ready(false))
    }

    /// Marks a replica as leaving its seat for good: when this returns its name is free for another, and later
    /// listings show it as [`Standing::Leaving`].
    fn retire(&self, _: Incarnation) -> LocalBoxFuture<'static, ()> {
        Box::pin(ready(()))
    }

    /// The replicas of this cluster that exist now.
    fn list(&self) -> LocalBoxFuture<'static, Result<Vec<Found>, Error>>;

    /// Reads the record of the target that an earlier balancer of this cluster has left; called once, before
    /// [`list`](Self::list).
    fn read_record(&self) -> LocalBoxFuture<'static, Result<Option<Record>, Error>> {
        Box::pin(ready(Ok(None)))
    }

    /// Stores the record of the target in place of the previous one, or removes it (`None`). When this returns `Ok`
    /// the record survives the balancer, if the runtime can store one. Calls do not overlap.
    fn write_record(&self, _: Option<Record>) -> LocalBoxFuture<'static, Result<(), Error>> {
        Box::pin(ready(Ok(())))
    }

    /// Events from now on; called once.
    fn events(&self) -> LocalBoxStream<'static, Event>;

    /// The last line that a replica wrote; `None` if the runtime does not see its output.
    fn last_log_line(&self, _: Incarnation) -> LocalBoxFuture<'static, Option<String>> {
        Box::pin(ready(None))
    }

    /// The output of a replica, if the runtime sees it.
    fn logs(&self, _: Incarnation, _: Tail) -> LocalBoxFuture<'static, Result<logs::Output, NoLogs>> {
        Box::pin(ready(Err(NoLogs::Unseen)))
    }

    /// Whether the replica is suspended: its processes are stopped (process state T), or the engine has paused its
    /// container. `None` if that is not known. A suspended replica is never considered busy.
    fn is_suspended(&self, _: Incarnation) -> LocalBoxFuture<'static, Option<bool>> {
        Box::pin(ready(None))
    }

    /// Sends one heartbeat, over a fresh connection, and waits for its outcome without a time limit: the caller has one.
    fn probe(&self, replica: &Replica, heartbeat: &Heartbeat) -> LocalBoxFuture<'static, HeartbeatResult> {
        let (address, request) = (replica.address, heartbeat.request.clone());
        Box::pin(async move { heartbeat::send(address, request.as_ref()).await })
    }
}
