//! The seam between the fleet and the system that runs replicas: the trait [`Runtime`].

pub mod docker;
#[cfg(test)]
pub mod fake;
pub mod heartbeat;
pub mod logs;
pub mod process;
pub mod static_servers;

use std::time::Duration;

use futures::future::{LocalBoxFuture, ready};
use futures::stream::LocalBoxStream;

use crate::fleet::{HeartbeatResult, Record};
use crate::ring::{Incarnation, Replica, SeatId};
use heartbeat::HeartbeatRequest;

pub use crate::fleet::runtime::{
    Exit, Found, Instance, InvalidUpstream, Launch, RuntimeError as Error, RuntimeEvent as Event, Standing,
    Upstream,
};
pub use logs::{NoLogs, Tail};

/// Settings of a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The request; `None`: only a TCP handshake.
    pub request: Option<HeartbeatRequest>,
    /// Longest time until the reply head.
    pub timeout: Duration,
}

/// Starts, stops and watches replicas. All calls come from the main thread, and none blocks it.
pub trait Runtime {
    /// Starts a replica and returns once it has an address.
    fn launch(&self, launch: Launch) -> LocalBoxFuture<'static, Result<Instance, Error>>;

    /// Ends a replica: SIGTERM, and SIGKILL after `grace` (zero: at once). Returns when it is gone; an unknown
    /// incarnation counts as gone.
    fn stop(&self, incarnation: Incarnation, grace: Duration) -> LocalBoxFuture<'static, ()>;

    /// Sets the external server of a seat (`None`: none); its name is resolved now, and again periodically. Only for
    /// runtimes of external servers.
    fn assign(&self, _: SeatId, _: Option<Upstream>) {}

    /// Kills a dead replica so that its address is free, and keeps its container, which stores the seat. Returns
    /// whether it has ended. `false` in runtimes whose addresses cannot run out.
    fn kill_dead(&self, _: Incarnation) -> LocalBoxFuture<'static, bool> {
        Box::pin(ready(false))
    }

    /// Marks a replica as leaving its seat for good: when this returns its name is free for another, and later
    /// listings show it as [`Standing::Leaving`].
    fn mark_leaving(&self, _: Incarnation) -> LocalBoxFuture<'static, ()> {
        Box::pin(ready(()))
    }

    /// The replicas of this cluster that exist now.
    fn list(&self) -> LocalBoxFuture<'static, Result<Vec<Found>, Error>>;

    /// Reads the record of the target that an earlier balancer of this cluster has left; called once, before
    /// [`list`](Self::list).
    fn read_record(&self) -> LocalBoxFuture<'static, Result<Option<Record>, Error>> {
        Box::pin(ready(Ok(None)))
    }

    /// Stores the record of the target in place of the previous one, or removes it (`None`). When this returns `Ok`
    /// the record survives the balancer, if the runtime can store one. Calls do not overlap.
    fn write_record(&self, _: Option<Record>) -> LocalBoxFuture<'static, Result<(), Error>> {
        Box::pin(ready(Ok(())))
    }

    /// Events from now on; called once.
    fn events(&self) -> LocalBoxStream<'static, Event>;

    /// The last line that a replica wrote; `None` if the runtime does not see its output.
    fn last_log_line(&self, _: Incarnation) -> LocalBoxFuture<'static, Option<String>> {
        Box::pin(ready(None))
    }

    /// The output of a replica, if the runtime sees it.
    fn logs(&self, _: Incarnation, _: Tail) -> LocalBoxFuture<'static, Result<logs::Output, NoLogs>> {
        Box::pin(ready(Err(NoLogs::Unseen)))
    }

    /// Whether the replica is suspended: its processes are stopped (process state T), or the engine has paused its
    /// container. `None` if that is not known. A suspended replica is never considered busy.
    fn is_suspended(&self, _: Incarnation) -> LocalBoxFuture<'static, Option<bool>> {
        Box::pin(ready(None))
    }

    /// Sends one heartbeat, over a fresh connection, and waits for its outcome without a time limit: the caller has one.
    fn send_heartbeat(
        &self,
        replica: &Replica,
        heartbeat: &Heartbeat,
    ) -> LocalBoxFuture<'static, HeartbeatResult> {
        let (address, request) = (replica.address, heartbeat.request.clone());
        Box::pin(async move { heartbeat::send_unlimited(address, request.as_ref()).await })
    }
}
