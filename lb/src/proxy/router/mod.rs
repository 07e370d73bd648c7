//! RouterActor: one per HTTP worker; looks up the walk of a request's slot in the ring and forwards the request.
//!
//! # Layout
//! - `forward`: one request, from its key to its reply · `attempts`: its attempts that wait for a reply head
//! - `choice`: chooses the replica of an attempt · `explain`: reports that choice without a request · `ejection`: which
//!   replicas are unavailable
//! - `lease`: the router's state and its copy of the ring · `endpoint`: state of each replica, requests in flight
//! - `counters`: statistics · `request_log`: the log record of a request · `hot_keys`: the most frequent keys
//! - `request_id`: X-Request-Id

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
use crate::fleet::RouterId;
use crate::observe::redaction::KeyRedactor;
use crate::statuses::Statuses;

use crate::control::panic_guard::{PanicGuard, exit_on_panic};
use crate::control::ring::{Recalled, Register, RingActor};
use crate::control::supervisor::{RegisterRouter, SupervisorActor};

pub use crate::control::router::{
    Counts, Explain, Explained, GetActivity, Load, LoadOf, Loaded, Recall, Skip, Suspects,
};
pub use counters::{Answer, Measure};
pub use endpoint::InFlight;
pub use hot_keys::{COUNTERS, Generation, HotKeySnapshot, HotKeyTracker, HotKeys, Label};
use lease::Router;
pub use request_log::{
    ClientRequest, FirstChoiceSkipped, RequestInfo, RequestLog, RequestLogger, RequestObserver,
};

/// Configuration of the routers. A request keeps the settings with which it began.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Sources of the request key.
    pub key: KeySources,
    /// Redacts keys in logs and in the API.
    pub key_redactor: KeyRedactor,
    /// Chooses the replica of the first attempt.
    pub policy: Policy,
    /// Bounded load: a replica's share of the requests in flight; `None`: unbounded.
    pub bound: Option<Bound>,
    /// Maximum number of attempts of a request beyond the first.
    pub retries: u32,
    /// Retry budget: further attempts of all requests, in percent of the requests.
    pub retry_budget: u32,
    /// Maximum time from the request to the last byte of its reply; `None`: unlimited.
    pub request_timeout: Option<Duration>,
    /// Maximum number of requests in flight of one router; more are refused with [`Error::Overloaded`].
    pub max_in_flight: usize,
    /// Status codes of replies that count as failures of the replica.
    pub eject_on: Statuses,
    /// Settings of the connections to the replicas.
    pub upstream: super::client::Settings,
}

/// Forwards the requests of one HTTP worker, on its thread.
pub struct RouterActor {
    router: Rc<Router>,
    supervisor: Addr<SupervisorActor>,
    _guard: PanicGuard,
}

/// Message: forwards a request. It must be sent on the actor's thread.
#[derive(Message)]
#[rtype(result = "Result<SendWrapper<Reply>, Error>")]
pub struct Route {
    /// The request to forward.
    pub request: SendWrapper<Request>,
    /// Resolves when the client has disconnected. Dropping the `send` future would not stop the actor's future.
    pub cancelled: oneshot::Receiver<()>,
}

/// A request as it is sent to a replica, without hop-by-hop fields.
pub struct Request {
    /// Method of the request.
    pub method: Method,
    /// Path and query as received, not decoded.
    pub target: PathAndQuery,
    /// End-to-end fields, `Host` among them if the client sent one.
    pub headers: HeaderMap,
    /// The client's address: the peer's, or the one that trusted proxies report.
    pub client: IpAddr,
    /// Body of the request; `None` if it has none.
    pub body: Option<ReplayBody>,
    /// Log record of the request.
    pub request_log: Rc<RequestLog>,
}

/// A replica's reply as received.
pub struct Reply {
    /// Status code of the reply.
    pub status: StatusCode,
    /// Reason phrase; `None` if it is the standard one of the status code.
    pub reason: Option<&'static str>,
    /// Header fields, without `Transfer-Encoding`.
    pub headers: HeaderMap,
    /// Body; yields an error if it was cut short.
    pub payload: Payload,
    /// Counts the request as in flight; dropped after the last byte of the body.
    pub in_flight: InFlight,
}

/// Reasons why a request gets no reply.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No seat is occupied.
    #[error("no replica is ready")]
    NoReplica,
    /// The router has `--max-in-flight` requests in flight.
    #[error("too many requests in flight")]
    Overloaded,
    /// The last attempt failed with this error.
    #[error("{0}")]
    Upstream(super::client::Error),
    /// `--request-timeout` expired before a reply head.
    #[error("no reply within {0:?} (--request-timeout)")]
    TooLong(Duration),
    /// The client disconnected before there was a reply.
    #[error("the client has left")]
    ClientLeft,
    /// The balancer is stopping, or the ring has not registered the router yet.
    #[error("the balancer is stopping")]
    Stopping,
}

/// Message: replaces the settings for later requests; requests in flight keep theirs.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Configure(pub Settings);

impl RouterActor {
    /// A router for this thread. `id` must never be reused, not even by a restart of the worker.
    pub fn new(
        id: RouterId,
        settings: Settings,
        ring: Addr<RingActor>,
        supervisor: Addr<SupervisorActor>,
    ) -> Self {
        let router = Router::new(id, settings, ring, supervisor.clone().recipient());
        Self { router: Rc::new(router), supervisor, _guard: PanicGuard("router") }
    }

    /// The observer that counts the requests of this worker.
    pub fn observer(&self) -> Rc<dyn RequestObserver> {
        self.router.clone()
    }
}

impl Actor for RouterActor {
    type Context = Context<Self>;

    /// Look-ups begin after the ring has registered this router: from then on it receives every recall.
    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        let id = self.router.id;
        let (load, activity) = (ctx.address().recipient(), ctx.address().recipient());
        let (explain, suspects) = (ctx.address().recipient(), ctx.address().recipient());
        self.supervisor.do_send(RegisterRouter { router: id, load, activity, explain, suspects });
        let register = Register { router: id, recall: ctx.address().recipient() };
        let registered = self.router.ring.send(register).into_actor(self);
        ctx.wait(registered.map(|registered, actor, ctx| match registered {
            Ok(registered) => actor.router.registered(registered),
            Err(_) => ctx.stop(), // the ring has stopped: the process is ending
        }));
    }
}

impl Handler<Route> for RouterActor {
    type Result = ResponseFuture<Result<SendWrapper<Reply>, Error>>;

    fn handle(&mut self, Route { request, cancelled }: Route, _: &mut Self::Context) -> Self::Result {
        let reply = Box::pin(forward::forward(self.router.clone(), request.take(), cancelled));
        Box::pin(exit_on_panic("router", reply).map_ok(SendWrapper::new))
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

impl Handler<GetActivity> for RouterActor {
    type Result = MessageResult<GetActivity>;

    fn handle(&mut self, GetActivity(of): GetActivity, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.router.pool.activity(of))
    }
}

impl Handler<HotKeys> for RouterActor {
    type Result = HotKeySnapshot;

    fn handle(&mut self, _: HotKeys, _: &mut Self::Context) -> HotKeySnapshot {
        self.router.hot_keys.borrow_mut().snapshot(now())
    }
}

/// The time of tokio's clock, which tests can pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
