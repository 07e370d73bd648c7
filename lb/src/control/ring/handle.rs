//! The handle of RingActor: each method sends one message and returns its reply.

use std::future::Future;

use actix::prelude::*;

use crate::fleet::{CommandError, RouterId};
use crate::ring::{self, Change, Incarnation, Layout, Proposal, Slot};

use super::RingActor;
use super::message::{
    Apply, Changed, Explain, Explained, Lookup, Map, Mapped, Plan, Recalled, Register, Registered, Snapshot,
    Snapshotted, WalkPage,
};
use crate::control::router_link::RouterLink;

/// Access to RingActor from any thread. A method fails with [`CommandError::Stopping`] once the actor has stopped.
#[derive(Clone, Debug)]
pub struct RingHandle(Addr<RingActor>);

impl RingHandle {
    /// Starts the actor on this thread, with an empty ring of this layout.
    pub fn start(layout: Layout) -> Self {
        Self(RingActor::new(layout).start())
    }

    /// Changes the ring; resolves when every router has applied the change. The message is sent before this returns, so
    /// the ring applies changes in the order of the calls.
    ///
    /// # Errors
    /// The change is impossible; nothing has changed.
    pub fn apply(&self, change: Change) -> impl Future<Output = Result<Changed, CommandError>> + use<> {
        let changed = self.0.send(Apply(change));
        async move { Ok(changed.await.map_err(|_| CommandError::Stopping)??) }
    }

    /// Computes the effect of a change of the seats without making it. The message is sent before this returns, so the
    /// plan is for the ring as the changes before have left it.
    ///
    /// # Errors
    /// The change is impossible.
    pub fn plan(&self, proposal: Proposal) -> impl Future<Output = Result<ring::Plan, CommandError>> + use<> {
        let plan = self.0.send(Plan(proposal));
        async move { Ok(plan.await.map_err(|_| CommandError::Stopping)??) }
    }

    /// Registers a router, which gets every recall from now on.
    ///
    /// # Errors
    /// The actor has stopped.
    pub fn register(
        &self,
        router: &RouterLink,
    ) -> impl Future<Output = Result<Registered, CommandError>> + use<> {
        self.send(Register { router: router.id(), recall: router.recalls().clone() })
    }

    /// Acknowledges a recall: the router has given back the leases that the recall of `epoch` names. `busy`: the replicas of
    /// the recall to which it still has requests in flight.
    pub fn recalled(&self, router: RouterId, epoch: u64, busy: Vec<Incarnation>) {
        self.0.do_send(Recalled { router, epoch, busy });
    }

    /// Looks up the replicas that serve a slot, after `offset` occupied seats of the walk.
    ///
    /// # Errors
    /// The actor has stopped.
    pub fn lookup(
        &self,
        slot: Slot,
        offset: usize,
    ) -> impl Future<Output = Result<WalkPage, CommandError>> + use<> {
        self.send(Lookup { slot, offset })
    }

    /// The state of the ring.
    ///
    /// # Errors
    /// The actor has stopped.
    pub fn snapshot(&self) -> impl Future<Output = Result<Snapshotted, CommandError>> + use<> {
        self.send(Snapshot)
    }

    /// The slot map.
    ///
    /// # Errors
    /// The actor has stopped.
    pub async fn map(&self) -> Result<Mapped, CommandError> {
        self.send(Map).await
    }

    /// The placement of a key: its hash, its slot and the walk.
    ///
    /// # Errors
    /// The actor has stopped.
    pub async fn explain(&self, key: Vec<u8>) -> Result<Explained, CommandError> {
        self.send(Explain(key)).await
    }

    fn send<M>(&self, message: M) -> impl Future<Output = Result<M::Result, CommandError>> + use<M>
    where
        M: Message<Result: Send> + Send + 'static,
        RingActor: Handler<M>,
    {
        let reply = self.0.send(message);
        async move { reply.await.map_err(|_| CommandError::Stopping) }
    }
}
