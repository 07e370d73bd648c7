//! The handle of a router: all that code outside of this module may do with RouterActor.

use std::future::Future;
use std::rc::Rc;

use actix::prelude::*;
use futures::FutureExt;
use send_wrapper::SendWrapper;
use tokio::sync::oneshot;

use crate::control::ring::RingHandle;
use crate::control::supervisor::SupervisorHandle;
use crate::fleet::RouterId;

use super::actor::{Configure, HotKeys, Measure, Route, RouterActor};
use super::{Error, HotKeySnapshot, Measurement, Reply, Request, RequestObserver, Settings};

/// Handle of a router, cheap to clone. All methods but [`route`](Self::route) may be called on any thread.
#[derive(Clone, Debug)]
pub struct RouterHandle(Addr<RouterActor>);

impl RouterHandle {
    /// Starts a router on this thread; also returns the observer that counts the requests of this worker. `id` must
    /// never be reused, not even by a restart of the worker.
    pub fn start(
        id: RouterId,
        settings: Settings,
        ring: RingHandle,
        supervisor: SupervisorHandle,
    ) -> (Self, Rc<dyn RequestObserver>) {
        let router = RouterActor::new(id, settings, ring, supervisor);
        let observer = router.observer();
        (Self(router.start()), observer)
    }

    /// Forwards a request, on the router's thread. Dropping the future, when the client has disconnected, cancels the
    /// request.
    ///
    /// # Errors
    /// When there is no reply; [`Error::Stopping`] also if the router has ended.
    pub fn route(&self, request: Request) -> impl Future<Output = Result<Reply, Error>> + use<> {
        let (alive, cancelled) = oneshot::channel();
        let reply = self.0.send(Route { request: SendWrapper::new(request), cancelled });
        // Not an `async` block, which would move the large future into its state once more.
        reply.map(move |reply| {
            let _alive = alive; // dropped with this future
            Ok(reply.map_err(|_| Error::Stopping)??.take())
        })
    }

    /// Replaces the settings for later requests; requests in flight keep theirs.
    pub fn configure(&self, settings: Settings) {
        self.0.do_send(Configure(settings));
    }

    /// The statistics of the router; `None` if it has ended.
    pub fn measure(&self) -> impl Future<Output = Option<Measurement>> + use<> {
        self.0.send(Measure).map(Result::ok)
    }

    /// The most frequent keys of the router; `None` if it has ended.
    pub fn hot_keys(&self) -> impl Future<Output = Option<HotKeySnapshot>> + use<> {
        self.0.send(HotKeys).map(Result::ok)
    }
}
