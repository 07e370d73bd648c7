//! The one seam: whoever starts and ends replicas implements [`Runtime`].

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
use crate::proxy::client::ProbeRequest;
use crate::ring::{Incarnation, Replica, SeatId, Weight};

pub use logs::{NoLogs, Tail};
pub use upstream::{InvalidUpstream, Upstream};

/// What to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The seat that it is meant for.
    pub seat: SeatId,
    /// The hostname, given to the replica as `SERVER_ID`.
    pub name: Name,
    /// Its incarnation: the handle for everything that follows.
    pub incarnation: Incarnation,
}

/// How a heartbeat is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The request; `None`: only a TCP connection.
    pub request: Option<ProbeRequest>,
    /// How long the answer may take.
    pub timeout: Duration,
}

/// What was started (it need not listen yet).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The container's or the process's id, for people.
    pub id: String,
    /// Where it is going to listen.
    pub address: SocketAddr,
}

/// A replica that was there before us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its seat, name and incarnation.
    pub launch: Launch,
    /// Its seat's weight.
    pub weight: Weight,
    /// The instance, or `None` if it has ended and only keeps its seat.
    pub instance: Option<Instance>,
    /// What is to become of it.
    pub standing: Standing,
}

/// What is to become of a replica that was there before us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is adopted.
    Current,
    /// It is adopted, and then replaced: today's replicas are made otherwise.
    Outdated,
    /// It was on its way out: it is stopped, and its seat does not count.
    Leaving,
}

/// What the engine saw happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A replica ended, by whomever.
    Exited {
        /// Which one.
        incarnation: Incarnation,
        /// Why.
        exit: Exit,
    },
    /// Somebody else told a replica to end. It has not ended yet.
    Terminated {
        /// Which one.
        incarnation: Incarnation,
    },
    /// The record of the target was removed by something else than [`Runtime::write_record`].
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
    /// Another balancer acts on our cluster: a replica has started that we know nothing of.
    Conflict {
        /// What the engine calls that replica.
        container: String,
    },
    /// The engine was away and answers again: launches that failed for that reason can be tried again.
    Available,
}

/// How a replica ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// On its own or by a signal; the text says how, with its last line of output.
    Ended(String),
    /// Somebody else took the port that was chosen for it: no fault of the replica, start it again.
    PortTaken,
}

/// Why a replica could not be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The engine's own words.
    #[error("{0}")]
    Refused(String),
    /// The launch failed for a reason outside the replica: the engine is away, or the balancer is short of descriptors,
    /// ports or memory. It does not count as a failed start of the replica.
    #[error("{0}")]
    Unavailable(String),
    /// The replicas' network has no free address. It does not count as a failed start of the replica; a dead replica
    /// that still holds an address is to be ended first ([`Runtime::end`]).
    #[error("{0}")]
    NoAddress(String),
    /// What the user configured cannot be; the text names the flag.
    #[error("{0}")]
    Configured(String),
    /// A container that is not ours has the name.
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

/// Starts, stops and watches replicas. All calls come from the main thread and none blocks it.
pub trait Runtime {
    /// Starts a replica and returns once it has an address.
    fn launch(&self, launch: Launch) -> LocalBoxFuture<'static, Result<Instance, Error>>;

    /// Ends a replica: SIGTERM, and SIGKILL after `grace` (zero: at once). Returns when it is gone; an unknown
    /// incarnation is gone already.
    fn stop(&self, incarnation: Incarnation, grace: Duration) -> LocalBoxFuture<'static, ()>;

    /// The external server that a seat has from now on (`None`: none); its name is resolved now, and again from time to
    /// time. Only of runtimes whose replicas are external.
    fn assign(&self, _: SeatId, _: Option<Upstream>) {}

    /// Kills a dead replica so that its address is free, and keeps what remembers its seat. Returns whether it has
    /// ended. `false` where an address is nothing that can run out.
    fn end(&self, _: Incarnation) -> LocalBoxFuture<'static, bool> {
        Box::pin(ready(false))
    }

    /// A replica leaves its seat for ever: when this returns its name is free for another, and whoever lists the
    /// replicas finds it [`Standing::Leaving`].
    fn retire(&self, _: Incarnation) -> LocalBoxFuture<'static, ()> {
        Box::pin(ready(()))
    }

    /// The replicas of this cluster that exist now.
    fn list(&self) -> LocalBoxFuture<'static, Result<Vec<Found>, Error>>;

    /// The record of the target that an earlier balancer of this cluster has left; called once, before
    /// [`list`](Self::list).
    fn read_record(&self) -> LocalBoxFuture<'static, Result<Option<Record>, Error>> {
        Box::pin(ready(Ok(None)))
    }

    /// Stores the record of the target in the place of the one before, or removes it (`None`). When this returns
    /// `Ok` the record survives the balancer, if the runtime can keep one. Calls do not overlap.
    fn write_record(&self, _: Option<Record>) -> LocalBoxFuture<'static, Result<(), Error>> {
        Box::pin(ready(Ok(())))
    }

    /// What happens from now on; called once.
    fn events(&self) -> LocalBoxStream<'static, Event>;

    /// The last line that a replica wrote, if the runtime sees its output.
    fn last_log_line(&self, _: Incarnation) -> LocalBoxFuture<'static, Option<String>> {
        Box::pin(ready(None))
    }

    /// What a replica writes, if the runtime sees it.
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
