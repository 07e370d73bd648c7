//! What the supervisor is told and asked.

use std::collections::BTreeMap;

use actix::prelude::*;
use awc::http::Method;
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::fleet::{self, Answer, CommandError, Removal, RouterId, Settings, View};
use crate::name::Name;
use crate::proxy::router;
use crate::ring::{self, Incarnation, Replica, SeatId, Slot, Weight};
use crate::runtime::{Heartbeat, NoLogs, Tail, Upstream};

/// A router's first message: it can be asked for its load.
#[derive(Message)]
#[rtype(result = "()")]
pub struct RegisterRouter {
    /// Who.
    pub router: RouterId,
    /// Where to ask.
    pub load: Recipient<router::Load>,
    /// Where to ask where a key would go.
    pub explain: Recipient<router::Explain>,
    /// The recipient of the suspect replicas.
    pub suspects: Recipient<router::Suspects>,
}

/// A router's last request to a replica that has left the ring has ended.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Idle {
    /// Whose.
    pub router: RouterId,
    /// To which replica.
    pub incarnation: Incarnation,
}

/// A router has ejected a replica: its next heartbeat is sent now.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Ejected {
    /// Who.
    pub router: RouterId,
    /// Which replica.
    pub incarnation: Incarnation,
}

/// A router sends requests to an ejected replica again.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Readmitted {
    /// Who.
    pub router: RouterId,
    /// Which replica.
    pub incarnation: Incarnation,
}

/// A request is not repeated any more, because replicas were lost under it; see [`Counts::not_repeated`].
///
/// [`Counts::not_repeated`]: router::Counts::not_repeated
#[derive(Message)]
#[rtype(result = "()")]
pub struct NotRepeated {
    /// The router that sent the notice.
    pub router: RouterId,
    /// The replica of the last attempt.
    pub replica: Replica,
    /// The method of the request. Its target is not told: it may hold the key.
    pub method: Method,
}

/// /rep: the names of the replicas that are ready or suspect, in seat order.
#[derive(Message)]
#[rtype(result = "Vec<Name>")]
pub struct List;

/// /add: answered when the new replicas are ready and routed to.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<Name>, CommandError>")]
pub struct Add {
    /// How many more.
    pub n: usize,
    /// The first of their names; the rest are random.
    pub names: Vec<Name>,
}

/// /rm: answered when the seats have left the ring.
#[derive(Message)]
#[rtype(result = "Result<Vec<Name>, CommandError>")]
pub struct Remove(pub Removal);

/// A replica gets no new request and lives on, its seat stays; answered when no request reaches it any more.
#[derive(Message)]
#[rtype(result = "Result<Answer, CommandError>")]
pub struct Drain(pub Name);

/// A drained replica gets requests again; answered when they reach it.
#[derive(Message)]
#[rtype(result = "Result<Answer, CommandError>")]
pub struct Undrain(pub Name);

/// A replica gives its seat to a new one; answered when that has taken over.
#[derive(Message)]
#[rtype(result = "Result<Answer, CommandError>")]
pub struct Replace(pub Name);

/// An external server joins the ring; answered when requests reach it, or when no address of it answered: then its seat is
/// vacant until one does.
#[derive(Message)]
#[rtype(result = "Result<Answer, CommandError>")]
pub struct AddUpstream(pub Upstream);

/// An external server leaves the ring with its seat; answered when no new request reaches it.
#[derive(Message)]
#[rtype(result = "Result<Answer, CommandError>")]
pub struct RemoveUpstream(pub Name);

/// All replicas give their seats to new ones, one after the other; answered at once with how many.
#[derive(Message)]
#[rtype(result = "Result<usize, CommandError>")]
pub struct RollingReplace;

/// A seat weighs something else; answered, with what it has done to the keys, when every router goes by it.
#[derive(Message)]
#[rtype(result = "Result<ring::Plan, CommandError>")]
pub struct Weigh {
    /// Which seat.
    pub seat: SeatId,
    /// From now on.
    pub weight: Weight,
}

/// What a change would do to the ring now; nothing changes.
#[derive(Message)]
#[rtype(result = "Result<ring::Plan, CommandError>")]
pub enum Plan {
    /// Of this /add.
    Add(Add),
    /// Of this /rm.
    Remove(Remove),
    /// Of an external server added.
    AddUpstream(Upstream),
    /// Of an external server removed.
    RemoveUpstream(Name),
    /// Of other weights, all at once.
    Weigh(Vec<(SeatId, Weight)>),
}

/// The whole fleet, for people.
#[derive(Message)]
#[rtype(result = "State")]
pub struct GetState;

/// The answer to [`GetState`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Seats and replicas.
    pub view: View,
    /// Requests in flight over all routers.
    pub in_flight: BTreeMap<Incarnation, usize>,
    /// Why some router passes a replica over now, if any does.
    pub skips: BTreeMap<Incarnation, Option<router::Skip>>,
    /// What the routers have done, together.
    pub counts: router::Counts,
    /// What was counted of the fleet.
    pub tally: fleet::Tally,
}

/// Where would a request whose key lies here go? Every router is asked.
#[derive(Message)]
#[rtype(result = "RouterExplanations")]
pub struct ExplainSlot(pub Slot);

/// The answer to [`ExplainSlot`].
#[derive(Debug, Default)]
pub struct RouterExplanations {
    /// Seats and replicas.
    pub view: View,
    /// What each router says; one that is silent says nothing.
    pub routers: Vec<router::Explained>,
}

/// From now on the fleet goes by these.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Configure {
    /// The rules.
    pub settings: Settings,
    /// How heartbeats are sent.
    pub heartbeat: Heartbeat,
    /// Another number of seats, if there is to be one: reached as by /add or /rm, and logged when it is.
    pub target: Option<usize>,
}

/// What a replica writes. Of two with the same name, the one in a seat.
#[derive(Message)]
#[rtype(result = "Result<mpsc::Receiver<Bytes>, NotRead>")]
pub struct Read {
    /// Which one.
    pub name: Name,
    /// Which part of it.
    pub tail: Tail,
}

/// Why the output of a replica is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRead {
    /// There is no such replica.
    #[error("There is no replica '{0}'")]
    Unknown(Name),
    /// As many read as may.
    #[error("Too many read the replicas' output: try again later")]
    TooMany,
    /// There is no output.
    #[error(transparent)]
    NoLogs(#[from] NoLogs),
}

/// Whether a request can be served, and will be: at least one replica is ready and the balancer is not ending.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct Ready;

/// The balancer is about to end: not ready, and the fleet is changed no more.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Close;

/// The balancer ends: stop all replicas; answered when they are gone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Stop;

/// The balancer ends now: kill what is left; answered when it is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Kill;
