//! The types that the fleet and a runtime exchange: launches, instances, exits and errors. The trait that runtimes
//! implement is above the fleet: `crate::runtime::Runtime`.

mod upstream;

use std::fmt;
use std::net::SocketAddr;

use crate::name::Name;
use crate::ring::{Incarnation, SeatId, Weight};

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
    /// The instance; `None`: it has ended, and its container only stores its seat.
    pub instance: Option<Instance>,
    /// How the fleet must treat it.
    pub standing: Standing,
}

/// How the fleet must treat a replica that existed at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is adopted.
    Current,
    /// Adopt it, and replace it then: its specification differs from the present one.
    Outdated,
    /// Stop it: it was leaving, and its seat does not count.
    Leaving,
}

/// An event that the runtime observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeEvent {
    /// A replica has ended, for any reason but `Action::Stop`.
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
    /// The record of the target was removed from outside, not by `Action::Record`.
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
    /// It ended on its own or by a signal; the text contains its exit status and its last line of output.
    Ended(String),
    /// Another process took the port that was chosen for it. This is not a fault of the replica, which is started again.
    PortTaken,
}

/// Error of a launch, or of another call of the runtime.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// The engine rejected the call; the text is the engine's.
    #[error("{0}")]
    Refused(String),
    /// The launch failed for a reason outside the replica: the engine is unreachable, or the balancer is short of
    /// descriptors, ports or memory. It does not count as a failed start of the replica.
    #[error("{0}")]
    Unavailable(String),
    /// The replicas' network has no free address. This does not count as a failed start of the replica; a dead replica
    /// that still holds an address must be killed first (`Action::KillDead`).
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
