//! The messages of SupervisorActor and their replies.

use std::collections::BTreeMap;

use actix::prelude::*;
use awc::http::Method;
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::control::router;
use crate::fleet::{self, Answer, CommandError, Removal, RouterId, Settings, View};
use crate::name::Name;
use crate::ring::{self, Incarnation, Replica, SeatId, Slot, Weight};
use crate::runtime::{Heartbeat, NoLogs, Tail, Upstream};

/// Registers a router. The first message of each router, also after a restart of its worker.
#[derive(Message)]
#[rtype(result = "()")]
pub struct RegisterRouter {
    /// Id of the router.
    pub router: RouterId,
    /// Recipient of requests for its load.
    pub load: Recipient<router::Load>,
    /// Recipient of requests for the activity of a replica.
    pub activity: Recipient<router::GetActivity>,
    /// Recipient of requests to explain a slot.
    pub explain: Recipient<router::Explain>,
    /// Recipient of the list of suspect replicas.
    pub suspects: Recipient<router::Suspects>,
}

/// Notice: the last request of a router to a replica that has left the ring has ended.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Idle {
    /// The router that sent the notice.
    pub router: RouterId,
    /// Incarnation of the replica that has left the ring.
    pub incarnation: Incarnation,
}

/// Notice: a router has ejected a replica. The supervisor sends the next heartbeat of the replica at once.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Ejected {
    /// The router that sent the notice.
    pub router: RouterId,
    /// Incarnation of the ejected replica.
    pub incarnation: Incarnation,
}

/// Notice: a router sends requests to an ejected replica again.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Readmitted {
    /// The router that sent the notice.
    pub router: RouterId,
    /// Incarnation of the readmitted replica.
    pub incarnation: Incarnation,
}

/// Notice: a request is not repeated any more, because replicas were lost under it; see [`Counts::not_repeated`].
///
/// [`Counts::not_repeated`]: router::Counts::not_repeated
#[derive(Message)]
#[rtype(result = "()")]
pub struct NotRepeated {
    /// The router that sent the notice.
    pub router: RouterId,
    /// The replica of the last attempt.
    pub replica: Replica,
    /// The method of the request. The target is left out, because it may contain the key.
    pub method: Method,
}

/// /rep: returns the names of the replicas that are ready or suspect, in seat order.
#[derive(Message)]
#[rtype(result = "Vec<Name>")]
pub struct List;

/// /add: completes when the new replicas are ready and get requests.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<Name>, CommandError>")]
pub struct Add {
    /// Number of replicas to add.
    pub n: usize,
    /// Names of the first new replicas; the other names are random.
    pub names: Vec<Name>,
}

/// /rm: completes when the seats have left the ring.
#[derive(Message)]
#[rtype(result = "Result<Vec<Name>, CommandError>")]
pub struct Remove(pub Removal);

/// Cordons a replica: it gets no new request, stays alive and keeps its seat. Completes when no new request reaches it.
#[derive(Message)]
#[rtype(result = "Result<Answer, CommandError>")]
pub struct Drain(pub Name);

/// Ends the cordon of a replica. Completes when it gets requests again.
#[derive(Message)]
#[rtype(result = "Result<Answer, CommandError>")]
pub struct Undrain(pub Name);

/// Replaces a replica by a new one in the same seat. Completes when the new one has taken over.
#[derive(Message)]
#[rtype(result = "Result<Answer, CommandError>")]
pub struct Replace(pub Name);

/// Adds an external server to the ring. Completes when it gets requests, or when none of its addresses has answered:
/// its seat is then vacant until one does.
#[derive(Message)]
#[rtype(result = "Result<Answer, CommandError>")]
pub struct AddUpstream(pub Upstream);

/// Removes an external server and its seat from the ring. Completes when no new request reaches it.
#[derive(Message)]
#[rtype(result = "Result<Answer, CommandError>")]
pub struct RemoveUpstream(pub Name);

/// Replaces all replicas, one after the other. Returns their number at once.
#[derive(Message)]
#[rtype(result = "Result<usize, CommandError>")]
pub struct RollingReplace;

/// Changes the weight of a seat. Completes, with the effect on the keys, when every router has applied the change.
#[derive(Message)]
#[rtype(result = "Result<ring::Plan, CommandError>")]
pub struct Weigh {
    /// The seat to change.
    pub seat: SeatId,
    /// The new weight.
    pub weight: Weight,
}

/// Computes the effect of a change on the present ring without making the change.
#[derive(Message)]
#[rtype(result = "Result<ring::Plan, CommandError>")]
pub enum Plan {
    /// /add.
    Add(Add),
    /// /rm.
    Remove(Remove),
    /// Adding an external server.
    AddUpstream(Upstream),
    /// Removing the external server of this name.
    RemoveUpstream(Name),
    /// Changing the weights of seats, all at once.
    Weigh(Vec<(SeatId, Weight)>),
}

/// Returns the state of the fleet for the API and the metrics.
#[derive(Message)]
#[rtype(result = "State")]
pub struct GetState;

/// The reply to [`GetState`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Seats and replicas.
    pub view: View,
    /// Requests in flight by replica, over all routers.
    pub in_flight: BTreeMap<Incarnation, usize>,
    /// The gravest reason for which a router skips a replica now; `None` if no router does.
    pub skips: BTreeMap<Incarnation, Option<router::Skip>>,
    /// Sum of the counters of all routers.
    pub counts: router::Counts,
    /// Counters of the fleet.
    pub tally: fleet::Tally,
}

/// Explains where a request whose key has this slot would go: one explanation per router.
#[derive(Message)]
#[rtype(result = "RouterExplanations")]
pub struct ExplainSlot(pub Slot);

/// The reply to [`ExplainSlot`].
#[derive(Debug, Default)]
pub struct RouterExplanations {
    /// Seats and replicas.
    pub view: View,
    /// The explanation of each router that has replied in time.
    pub routers: Vec<router::Explained>,
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
