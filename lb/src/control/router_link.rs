//! The messages of the control plane to the routers, and their replies. A router hands over a [`RouterLink`], which sends
//! them, so that the control plane depends on no router.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use actix::prelude::*;

use crate::balance::Policy;
use crate::fleet::{Activity, RouterId};
use crate::ring::{Incarnation, Seated, Slot, SlotSet};
use crate::stats::counters::RoutingCounters;

/// Sends messages to one router. The ring and the supervisor get one when the router starts.
#[derive(Clone)]
pub struct RouterLink {
    id: RouterId,
    recall: Recipient<Recall>,
    load: Recipient<Load>,
    activity: Recipient<GetActivity>,
    explain: Recipient<Explain>,
    suspects: Recipient<Suspects>,
}

impl RouterLink {
    /// The link to an actor that handles all messages of this module.
    pub fn new<A>(id: RouterId, router: &Addr<A>) -> Self
    where
        A: Actor<Context = Context<A>>
            + Handler<Recall>
            + Handler<Load>
            + Handler<GetActivity>
            + Handler<Explain>
            + Handler<Suspects>,
    {
        Self {
            id,
            recall: router.clone().recipient(),
            load: router.clone().recipient(),
            activity: router.clone().recipient(),
            explain: router.clone().recipient(),
            suspects: router.clone().recipient(),
        }
    }

    /// Id of the router.
    pub fn id(&self) -> RouterId {
        self.id
    }

    /// Whether the router still runs.
    pub fn is_connected(&self) -> bool {
        self.load.connected()
    }

    /// The part of the link that the ring keeps.
    pub(super) fn recalls(&self) -> &Recipient<Recall> {
        &self.recall
    }

    /// Sends the list of suspect replicas.
    pub(super) fn publish_suspects(&self, suspects: Arc<[Incarnation]>) {
        self.suspects.do_send(Suspects(suspects));
    }

    /// The load and the counters of the router; `None` if it has stopped. The message is sent before this returns.
    pub(super) fn load(&self) -> impl Future<Output = Option<Loaded>> + use<> {
        let loaded = self.load.send(Load);
        async move { loaded.await.ok() }
    }

    /// The signs of progress of a replica that the router has seen; `None` if the router has stopped.
    pub(super) fn activity(&self, of: Incarnation) -> impl Future<Output = Option<Activity>> + use<> {
        let activity = self.activity.send(GetActivity(of));
        async move { activity.await.ok() }
    }

    /// How the router would route a key of this slot; `None` if it cannot, or has stopped.
    pub(super) fn explain(&self, slot: Slot) -> impl Future<Output = Option<RouterExplanation>> + use<> {
        let explained = self.explain.send(Explain(slot));
        async move { explained.await.ok().flatten() }
    }
}

/// Message: the ring has changed. The router drops the leases of some slots and acknowledges it
/// ([`RingHandle::recalled`](super::ring::RingHandle::recalled)).
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Recall {
    /// The ring's new epoch.
    pub epoch: u64,
    /// The slots whose leases end: the first replicas of their walk may have changed.
    pub slots: Arc<SlotSet>,
    /// Every occupied seat, in seat order.
    pub seated: Arc<[Seated]>,
    /// The replicas that left the ring: they get no new requests.
    pub gone: Vec<Incarnation>,
    /// The replicas in `gone` are dead: requests that wait for a reply head from them fail at once.
    pub abort: bool,
}

/// Message: replaces the list of replicas whose heartbeats fail, in ascending order; requests prefer other replicas. It is
/// never awaited.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Suspects(pub Arc<[Incarnation]>);

/// Message: returns the signs of progress of one replica. Not part of [`Load`]: it is sent for
/// each silent replica after each missed heartbeat, and many replicas may be silent.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Activity")]
pub struct GetActivity(pub Incarnation);

/// Message: returns the load of each replica and the router's counters.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Loaded")]
pub struct Load;

/// The reply to [`Load`].
#[derive(Clone, Debug, MessageResponse)]
pub struct Loaded {
    /// The replicas, including those that left the ring and still have requests in flight.
    pub replicas: Vec<LoadOf>,
    /// Counters since the router started.
    pub routing: RoutingCounters,
}

/// Load and state of one replica in one router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadOf {
    /// Incarnation of the replica.
    pub incarnation: Incarnation,
    /// Number of requests in flight to it.
    pub in_flight: usize,
    /// Why a request would skip it now; `None`: it would not.
    pub skip: Option<Skip>,
}

/// Reasons why a router skips the replica of an occupied seat, in ascending order of severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skip {
    /// It has as many requests in flight as `--bounded-load` allows.
    OverBound,
    /// Its heartbeats fail.
    Suspect,
    /// It is ejected or stalled; both are `ejected` in logs and in the API.
    Unavailable,
}

impl Skip {
    /// The reason as text in logs and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OverBound => "over bound",
            Self::Suspect => "suspect",
            Self::Unavailable => "ejected",
        }
    }

    /// By replica, the most severe reason of all routers to skip it; `None` if no router would skip it.
    pub fn worst_by_replica(
        skips: impl Iterator<Item = (Incarnation, Option<Self>)>,
    ) -> BTreeMap<Incarnation, Option<Self>> {
        let mut all = BTreeMap::new();
        for (incarnation, skip) in skips {
            let worst = all.entry(incarnation).or_insert(skip);
            *worst = skip.max(*worst);
        }
        all
    }
}

/// Message: returns how a GET whose key is in this slot would be routed, without sending or counting a request.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Option<RouterExplanation>")]
pub struct Explain(pub Slot);

/// The reply to [`Explain`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterExplanation {
    /// Epoch of the router's copy of the ring.
    pub epoch: u64,
    /// The policy that chooses the replica of a first attempt.
    pub policy: Policy,
    /// The replicas of the occupied seats in seat order, each with the reason why a request would skip it.
    pub skips: Vec<(Incarnation, Option<Skip>)>,
    /// The replica that would be chosen; `None`: no seat is occupied, or the policy does not use the key.
    pub chosen: Option<Incarnation>,
}
