//! RouterActor: one per HTTP worker; asks the ring for the slot of a request and forwards it.
//!
//! # Layout
//! - `forward`: one request, from its key to its reply; `attempt`: its attempts that wait for a reply head
//! - `choice`: which replica an attempt goes to, `explain`: would go to; `verdict`: which are passed over
//! - `lease`: what the router knows of the ring; `upstream`: and of each replica
//! - `measure`: what it counts
//! - `request_log`: what befell a request; `hot`: which keys come most often

mod attempts;
mod choice;
mod counters;
mod ejection;
mod endpoint;
mod explain;
mod forward;
mod hot_keys;
mod lease;
mod request_id;
mod request_log;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use actix_http::Payload;
use actix_http::header::HeaderMap;
use awc::http::uri::PathAndQuery;
use awc::http::{Method, StatusCode};
use futures::TryFutureExt;
use send_wrapper::SendWrapper;
use tokio::sync::oneshot;

use super::client::ReplayBody;
use super::key::KeySources;
use crate::balance::{Bound, Policy};
use crate::fleet::{Activity, RouterId};
use crate::observe::redaction::KeyRedactor;
use crate::ring::{Incarnation, Seated};
use crate::statuses::Statuses;

use crate::control::panic_guard::{PanicGuard, exit_on_panic};
use crate::control::ring::{Recalled, Register, RingActor};
use crate::control::supervisor::{RegisterRouter, SupervisorActor};

pub use counters::{Answer, Measure};
pub use endpoint::InFlight;
pub use explain::{Explain, Explained};
pub use hot_keys::{COUNTERS, Generation, HotKeySnapshot, HotKeyTracker, HotKeys, Label};
use lease::{Notices, Router};
pub use request_log::{
    ClientRequest, FirstChoiceSkipped, RequestInfo, RequestLog, RequestLogger, RequestObserver,
};

/// What the routers go by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where a request's key comes from.
    pub key: KeySources,
    /// How keys are shown to people.
    pub key_redactor: KeyRedactor,
    /// Which replica is the first choice.
    pub policy: Policy,
    /// How much one replica may have of what is in flight; `None`: any part of it.
    pub bound: Option<Bound>,
    /// Further attempts after a failed one.
    pub retries: u32,
    /// Further attempts of all requests, per hundred of them.
    pub retry_budget: u32,
    /// From the request to the last byte of its reply; `None`: any time.
    pub request_timeout: Option<Duration>,
    /// Requests in flight of one router; more are refused.
    pub max_in_flight: usize,
    /// Statuses of replies that count as failures of the replica.
    pub eject_on: Statuses,
    /// Towards the replicas.
    pub upstream: super::client::Settings,
}

/// Forwards the requests of one HTTP worker.
pub struct RouterActor {
    router: Rc<Router>,
    supervisor: Addr<SupervisorActor>,
    _guard: PanicGuard,
}

/// A request to forward. Lives on the worker's thread, as the actor does.
#[derive(Message)]
#[rtype(result = "Result<SendWrapper<Reply>, Error>")]
pub struct Route {
    /// What to forward.
    pub request: SendWrapper<Request>,
    /// Resolves when the client has left: actix would go on with an answer that nobody waits for.
    pub gone: oneshot::Receiver<()>,
}

/// What is to reach a replica, free of hop-by-hop fields.
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Path and query as received.
    pub target: PathAndQuery,
    /// End-to-end fields, `Host` among them if the client sent one.
    pub headers: HeaderMap,
    /// The client's address: the peer's, or what trusted proxies say.
    pub client: IpAddr,
    /// Its body.
    pub body: Option<ReplayBody>,
    /// Where it is noted what befalls it.
    pub request_log: Rc<RequestLog>,
}

/// What a replica answered, as it came.
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its reason phrase, unless it is the usual one.
    pub reason: Option<&'static str>,
    /// Its fields, without `Transfer-Encoding`.
    pub headers: HeaderMap,
    /// Its body; an error in it means that it was cut short.
    pub payload: Payload,
    /// To be dropped with the last byte of the body.
    pub in_flight: InFlight,
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No seat is occupied.
    #[error("no replica is ready")]
    NoReplica,
    /// `--max-in-flight`.
    #[error("too many requests in flight")]
    Overloaded,
    /// The last attempt failed like this.
    #[error("{0}")]
    Upstream(super::client::Error),
    /// `--request-timeout` is up.
    #[error("no reply within {0:?} (--request-timeout)")]
    TooLong(Duration),
    /// The client left before there was a reply.
    #[error("the client has left")]
    ClientLeft,
    /// The balancer is ending.
    #[error("the balancer is stopping")]
    Stopping,
}

/// Give back every lease: the ring has changed. Answered by [`Recalled`].
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Recall {
    /// The ring's new epoch.
    pub epoch: u64,
    /// Every occupied seat.
    pub seated: Arc<[Seated]>,
    /// The replicas that get no new request from now on.
    pub gone: Vec<Incarnation>,
    /// They are dead: what waits for a reply head from them fails at once.
    pub abort: bool,
}

/// From now on requests go by these; those in flight keep what they began with.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Configure(pub Settings);

/// The replicas whose heartbeats fail now: other replicas are preferred. Never awaited.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Suspects(pub Arc<[Incarnation]>);

/// Say what is in flight, and what became of the rest.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Loaded")]
pub struct Load;

/// The answer to [`Load`].
#[derive(Clone, Debug, MessageResponse)]
pub struct Loaded {
    /// Per replica, those that have left and are not done among them.
    pub replicas: Vec<LoadOf>,
    /// Since the router started.
    pub counts: Counts,
}

/// What a router has done beside forwarding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[schema(as = Routing)]
pub struct Counts {
    /// Attempts beyond the first of a request.
    pub retries: u64,
    /// Attempts that the retry budget did not allow.
    pub budget_exhausted: u64,
    /// Requests that passed a replica over because of the bounded load.
    pub spills: u64,
    /// Replicas ejected, probes that failed not among them.
    pub ejections: u64,
    /// Replicas that stalled.
    pub stalls: u64,
    /// Replicas readmitted.
    pub readmissions: u64,
    /// Requests that failed and were not repeated any more, because replicas were lost under them.
    pub not_repeated: u64,
}

/// What a router knows of one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadOf {
    /// Which.
    pub incarnation: Incarnation,
    /// Requests in flight to it.
    pub in_flight: usize,
    /// What shows that it works.
    pub activity: Activity,
    /// Why a request would pass it over now.
    pub skip: Option<Skip>,
}

/// Why a router passes an occupied seat over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skip {
    /// It has as much in flight as `--bounded-load` allows.
    OverBound,
    /// Its heartbeats fail.
    Suspect,
    /// It is ejected, or stalls.
    Ejected,
}

impl Skip {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OverBound => "over bound",
            Self::Suspect => "suspect",
            Self::Ejected => "ejected",
        }
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.retries += other.retries;
        self.budget_exhausted += other.budget_exhausted;
        self.spills += other.spills;
        self.ejections += other.ejections;
        self.stalls += other.stalls;
        self.readmissions += other.readmissions;
        self.not_repeated += other.not_repeated;
    }
}

impl RouterActor {
    /// The router of this thread. `id` is never used again, also not when the worker is restarted.
    pub fn new(
        id: RouterId,
        settings: Settings,
        ring: Addr<RingActor>,
        supervisor: Addr<SupervisorActor>,
    ) -> Self {
        let notices = Notices {
            idle: supervisor.clone().recipient(),
            suspicion: supervisor.clone().recipient(),
            readmission: supervisor.clone().recipient(),
            not_repeated: supervisor.clone().recipient(),
        };
        let router = Router::new(id, settings, ring, notices);
        Self { router: Rc::new(router), supervisor, _guard: PanicGuard("router") }
    }

    /// Who counts the requests of its worker.
    pub fn observer(&self) -> Rc<dyn RequestObserver> {
        self.router.clone()
    }
}

impl Actor for RouterActor {
    type Context = Context<Self>;

    /// Look-ups begin after the ring's answer: from then on every recall reaches us.
    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        let id = self.router.id;
        let (load, explain) = (ctx.address().recipient(), ctx.address().recipient());
        let suspects = ctx.address().recipient();
        self.supervisor.do_send(RegisterRouter { router: id, load, explain, suspects });
        let register = Register { router: id, recall: ctx.address().recipient() };
        let registered = self.router.ring.send(register).into_actor(self);
        ctx.wait(registered.map(|registered, actor, ctx| match registered {
            Ok(registered) => actor.router.registered(registered),
            Err(_) => ctx.stop(), // the ring is gone: the process ends
        }));
    }
}

impl Handler<Route> for RouterActor {
    type Result = ResponseFuture<Result<SendWrapper<Reply>, Error>>;

    fn handle(&mut self, Route { request, gone }: Route, _: &mut Self::Context) -> Self::Result {
        let forwarded = Box::pin(forward::forward(self.router.clone(), request.take(), gone));
        Box::pin(exit_on_panic("router", forwarded).map_ok(SendWrapper::new))
    }
}

impl Handler<Recall> for RouterActor {
    type Result = ();

    fn handle(&mut self, Recall { epoch, seated, gone, abort }: Recall, _: &mut Self::Context) {
        let busy = self.router.recall(epoch, &seated, &gone, abort);
        self.router.ring.do_send(Recalled { router: self.router.id, epoch, busy });
    }
}

impl Handler<Configure> for RouterActor {
    type Result = ();

    fn handle(&mut self, Configure(settings): Configure, _: &mut Self::Context) {
        self.router.configure(settings);
    }
}

impl Handler<Suspects> for RouterActor {
    type Result = ();

    fn handle(&mut self, Suspects(suspects): Suspects, _: &mut Self::Context) {
        self.router.suspects(&suspects);
    }
}

impl Handler<Load> for RouterActor {
    type Result = Loaded;

    fn handle(&mut self, _: Load, _: &mut Self::Context) -> Loaded {
        self.router.loaded()
    }
}

impl Handler<HotKeys> for RouterActor {
    type Result = HotKeySnapshot;

    fn handle(&mut self, _: HotKeys, _: &mut Self::Context) -> HotKeySnapshot {
        self.router.hot.borrow_mut().heat(now())
    }
}

/// Tokio's time, which tests can pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
