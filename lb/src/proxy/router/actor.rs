//! RouterActor: owns a router and receives its messages. The [handle](super::RouterHandle) sends those of the data plane,
//! the control plane sends the others to the recipients that the actor registers.

use std::rc::Rc;

use actix::prelude::*;
use futures::TryFutureExt;
use send_wrapper::SendWrapper;
use tokio::sync::oneshot;

use crate::control::panic_guard::{PanicGuard, exit_on_panic};
use crate::control::ring::RingHandle;
use crate::control::router_link::{
    Explain, GetActivity, Load, Loaded, Recall, RouterExplanation, RouterLink, Suspects,
};
use crate::control::supervisor::SupervisorHandle;
use crate::fleet::RouterId;

use super::explain::explain;
use super::forward::forward;
use super::hot_keys::HotKeySnapshot;
use super::notices::Notices;
use super::request_log::RequestObserver;
use super::state::Router;
use super::statistics::Measurement;
use super::{Error, Reply, Request, Settings, now};

/// Forwards the requests of one HTTP worker, on its thread.
pub(super) struct RouterActor {
    id: RouterId,
    router: Rc<Router>,
    supervisor: SupervisorHandle,
    _guard: PanicGuard,
}

/// Message: forwards a request. It must be sent on the actor's thread.
#[derive(Message)]
#[rtype(result = "Result<SendWrapper<Reply>, Error>")]
pub(super) struct Route {
    /// The request to forward.
    pub request: SendWrapper<Request>,
    /// Resolves when the client has disconnected. Dropping the `send` future would not stop the actor's future.
    pub cancelled: oneshot::Receiver<()>,
}

/// Message: replaces the settings for later requests; requests in flight keep theirs.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Configure(pub Settings);

/// Message: returns the statistics of a router.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Measurement")]
pub(super) struct Measure;

/// Message: returns the most frequent keys of a router.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "HotKeySnapshot")]
pub(super) struct HotKeys;

impl RouterActor {
    pub fn new(id: RouterId, settings: Settings, ring: RingHandle, supervisor: SupervisorHandle) -> Self {
        let router = Rc::new(Router::new(settings, ring, Notices::new(supervisor.notices(id))));
        Self { id, router, supervisor, _guard: PanicGuard("router") }
    }

    /// The observer that counts the requests of this worker.
    pub fn observer(&self) -> Rc<dyn RequestObserver> {
        self.router.statistics.clone()
    }
}

impl Actor for RouterActor {
    type Context = Context<Self>;

    /// Look-ups begin after the ring has registered this router: from then on it receives every recall.
    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        let link = RouterLink::new(self.id, &ctx.address());
        self.supervisor.register(link.clone());
        let registered = self.router.ring.register(&link).into_actor(self);
        ctx.wait(registered.map(|registered, actor, ctx| match registered {
            Ok(registered) => actor.router.registered(registered),
            Err(_) => ctx.stop(), // the ring has stopped: the process is ending
        }));
    }
}

impl Handler<Route> for RouterActor {
    type Result = ResponseFuture<Result<SendWrapper<Reply>, Error>>;

    fn handle(&mut self, Route { request, cancelled }: Route, _: &mut Self::Context) -> Self::Result {
        let reply = Box::pin(forward(self.router.clone(), request.take(), cancelled));
        Box::pin(exit_on_panic("router", reply).map_ok(SendWrapper::new))
    }
}

impl Handler<Recall> for RouterActor {
    type Result = ();

    fn handle(&mut self, recall: Recall, _: &mut Self::Context) {
        let epoch = recall.epoch;
        let busy = self.router.recall(recall);
        self.router.ring.recalled(self.id, epoch, busy);
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
        MessageResult(self.router.client.activity(of))
    }
}

impl Handler<Explain> for RouterActor {
    type Result = ResponseFuture<Option<RouterExplanation>>;

    fn handle(&mut self, Explain(slot): Explain, _: &mut Self::Context) -> Self::Result {
        let router = self.router.clone();
        Box::pin(async move { explain(&router, slot).await.ok() })
    }
}

impl Handler<Measure> for RouterActor {
    type Result = Measurement;

    fn handle(&mut self, _: Measure, _: &mut Self::Context) -> Measurement {
        self.router.statistics.measure(&self.router.endpoints.borrow())
    }
}

impl Handler<HotKeys> for RouterActor {
    type Result = HotKeySnapshot;

    fn handle(&mut self, _: HotKeys, _: &mut Self::Context) -> HotKeySnapshot {
        self.router.statistics.hot_keys(now())
    }
}
