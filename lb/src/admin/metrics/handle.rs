//! The handle of MetricsActor: each method sends one message and returns its reply.

use std::future::Future;

use actix::prelude::*;
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::control::ring::RingHandle;
use crate::fleet::{CommandError, RouterId};
use crate::proxy::router::{HotKeySnapshot, RouterHandle};
use crate::stats::traffic::Traffic;

use super::actor::{GetHotKeys, GetTraffic, MetricsActor, RegisterRouter, Scrape, SubscribeTraffic, Totals};

/// Access to MetricsActor from any thread. A method fails with [`CommandError::Stopping`] once the actor has stopped.
#[derive(Clone, Debug)]
pub struct MetricsHandle(Addr<MetricsActor>);

impl MetricsHandle {
    /// Starts the actor on this thread, without routers and with zero counters.
    pub fn start(ring: RingHandle) -> Self {
        Self(MetricsActor::new(ring).start())
    }

    /// Registers a router that has started: it is polled from now on.
    pub fn register(&self, id: RouterId, router: RouterHandle) {
        self.0.do_send(RegisterRouter { id, router });
    }

    /// Polls the routers and returns all counters.
    ///
    /// # Errors
    /// The actor has stopped.
    pub fn scrape(&self) -> impl Future<Output = Result<Totals, CommandError>> + use<> {
        self.send(Scrape)
    }

    /// The traffic of the last minute.
    ///
    /// # Errors
    /// The actor has stopped.
    pub fn traffic(&self) -> impl Future<Output = Result<Traffic, CommandError>> + use<> {
        self.send(GetTraffic)
    }

    /// The traffic of the last minute every second, as event-stream frames. A subscriber that does not read in time
    /// misses frames.
    ///
    /// # Errors
    /// The actor has stopped.
    pub async fn subscribe_traffic(&self) -> Result<mpsc::Receiver<Bytes>, CommandError> {
        self.send(SubscribeTraffic).await
    }

    /// The hot keys of each router that replies in time.
    ///
    /// # Errors
    /// The actor has stopped.
    pub async fn hot_keys(&self) -> Result<Vec<HotKeySnapshot>, CommandError> {
        self.send(GetHotKeys).await
    }

    fn send<M>(&self, message: M) -> impl Future<Output = Result<M::Result, CommandError>> + use<M>
    where
        M: Message<Result: Send> + Send + 'static,
        MetricsActor: Handler<M>,
    {
        let reply = self.0.send(message);
        async move { reply.await.map_err(|_| CommandError::Stopping) }
    }
}
