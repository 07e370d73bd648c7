//! The messages of SupervisorActor and their replies.

use std::collections::BTreeMap;

use actix::prelude::*;
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::control::router_link::{self, RouterLink};
use crate::fleet::{self, Answer, Command, CommandError, RouterEvent, RouterId, Settings, View};
use crate::name::Name;
use crate::ring::{self, Incarnation, Slot};
use crate::runtime::{Heartbeat, NoLogs, Tail};
use crate::stats::counters::RoutingCounters;

/// Registers a router. The first message of each router, also after a restart of its worker.
#[derive(Message)]
#[rtype(result = "()")]
pub struct RegisterRouter(pub RouterLink);

/// A notice of a router.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Notice {
    /// The router that sends the notice.
    pub router: RouterId,
    /// Content of the notice.
    pub event: RouterEvent,
}

/// /rep: returns the names of the replicas that are ready or suspect, in seat order.
#[derive(Message)]
#[rtype(result = "Vec<Name>")]
pub struct List;

/// Carries out a command. The reply comes when it is complete.
#[derive(Message)]
#[rtype(result = "Result<Answer, CommandError>")]
pub struct Call(pub Command);

/// Carries out a command, and returns its effect on the keys when it is complete. Only for commands that need no loads:
/// the effect of the others is known only once their seats are chosen.
#[derive(Message)]
#[rtype(result = "Result<ring::Plan, CommandError>")]
pub struct CallWithPlan(pub Command);

/// Computes the effect of a command on the keys without carrying it out.
#[derive(Message)]
#[rtype(result = "Result<ring::Plan, CommandError>")]
pub struct Plan(pub Command);

/// Returns the state of the fleet for the API and the metrics.
#[derive(Message)]
#[rtype(result = "State")]
pub struct GetState;

/// The reply to `GetState`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Seats and replicas.
    pub view: View,
    /// Requests in flight by replica, over all routers.
    pub in_flight: BTreeMap<Incarnation, usize>,
    /// The gravest reason for which a router skips a replica now; `None` if no router does.
    pub skips: BTreeMap<Incarnation, Option<router_link::Skip>>,
    /// Sum of the counters of all routers.
    pub routing: RoutingCounters,
    /// Counters of the fleet.
    pub counters: fleet::Counters,
}

/// Explains where a request whose key has this slot would go: one explanation per router.
#[derive(Message)]
#[rtype(result = "RouterExplanations")]
pub struct ExplainSlot(pub Slot);

/// The reply to `ExplainSlot`.
#[derive(Debug, Default)]
pub struct RouterExplanations {
    /// Seats and replicas.
    pub view: View,
    /// The explanation of each router that has replied in time.
    pub routers: Vec<router_link::RouterExplanation>,
}

/// Replaces the settings at run time.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Configure {
    /// Settings of the fleet.
    pub settings: Settings,
    /// Request and timeout of the heartbeats.
    pub heartbeat: Heartbeat,
    /// New target number of seats, reached as by /add or /rm and then logged; `None` leaves the target unchanged.
    pub target: Option<usize>,
}

/// Reads the output of a replica. Of two replicas with the same name, the one in a seat is read.
#[derive(Message)]
#[rtype(result = "Result<mpsc::Receiver<Bytes>, NotRead>")]
pub struct Read {
    /// Name of the replica.
    pub name: Name,
    /// The part of the output to read.
    pub tail: Tail,
}

/// Reasons why the output of a replica cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRead {
    /// No replica has this name.
    #[error("There is no replica '{0}'")]
    Unknown(Name),
    /// The limit of simultaneous readers is reached.
    #[error("Too many read the replicas' output: try again later")]
    TooMany,
    /// The runtime has no output of the replica.
    #[error(transparent)]
    NoLogs(#[from] NoLogs),
}

/// Returns whether requests can be served: at least one replica is ready and the balancer is not shutting down.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct Ready;

/// Begins the shutdown: the balancer is not ready any more and refuses changes of the fleet.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Close;

/// Stops all replicas gracefully. Completes when they have ended.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Stop;

/// Kills the replicas that are left. Completes when they have ended.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Kill;
