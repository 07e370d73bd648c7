//! What the supervisor is told and asked.

use std::collections::BTreeMap;

use actix::prelude::*;

use crate::actors::router;
use crate::fleet::{Refusal, RouterId, View};
use crate::name::Name;
use crate::ring::{self, Incarnation};

/// A router's first message: it can be asked for its load.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Attach {
    /// Who.
    pub router: RouterId,
    /// Where to ask.
    pub load: Recipient<router::Load>,
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
pub struct Suspicion {
    /// Which replica.
    pub incarnation: Incarnation,
}

/// /rep: the names of the replicas that are ready or suspect, in seat order.
#[derive(Message)]
#[rtype(result = "Vec<Name>")]
pub struct List;

/// /add: answered when the new replicas are ready and routed to.
#[derive(Message)]
#[rtype(result = "Result<Vec<Name>, Refusal>")]
pub struct Add {
    /// How many more.
    pub n: usize,
    /// The first of their names; the rest are random.
    pub names: Vec<Name>,
}

/// /rm: answered when the seats have left the ring.
#[derive(Message)]
#[rtype(result = "Result<Vec<Name>, Refusal>")]
pub struct Remove {
    /// How many fewer.
    pub n: usize,
    /// Some of those to remove; the rest are chosen.
    pub names: Vec<Name>,
}

/// What an /add or /rm would do to the ring now; nothing changes.
#[derive(Message)]
#[rtype(result = "Result<ring::Plan, Refusal>")]
pub enum Plan {
    /// Of this /add.
    Add(Add),
    /// Of this /rm.
    Remove(Remove),
}

/// The whole fleet, for people.
#[derive(Message)]
#[rtype(result = "State")]
pub struct Observe;

/// The answer to [`Observe`].
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
