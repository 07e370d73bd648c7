//! SupervisorActor: carries out the actions of the [`Fleet`] and passes it the results as events.

mod actions;
mod commands;
mod configure;
mod explain_slot;
mod handle;
mod message;
mod output;
mod pending_heartbeats;
mod router_notices;
mod start_duration;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use actix::prelude::*;
use futures::future::join_all;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::fleet::{Answer, CallId, CommandError, Event, Fleet, Loads, Record, RouterId, Settings, View};
use crate::name::Name;
use crate::ring::Incarnation;
use crate::runtime::{self, Found, Heartbeat, Runtime};
use crate::stats::counters::RoutingCounters;

use super::journal::JournalHandle;
use super::panic_guard::PanicGuard;
use super::ring::RingHandle;
use super::router_link::{self, RouterLink, Skip};

pub use handle::{NoticeSender, Serving, SupervisorHandle};
use message::{
    Call, CallWithPlan, Close, Configure, ExplainSlot, GetState, Kill, List, Plan, Read, Ready,
    RegisterRouter, Stop,
};
pub use message::{NotRead, Notice, RouterExplanations, State};
use pending_heartbeats::PendingHeartbeats;
pub use start_duration::StartDuration;

/// Timeout of requests to a router, and of the inquiry to the engine whether a replica is suspended.
const REPLY_TIMEOUT: Duration = Duration::from_secs(1);

/// Owns the fleet.
struct SupervisorActor {
    fleet: Fleet,
    runtime: Rc<dyn Runtime>,
    heartbeat: Heartbeat,
    pending_heartbeats: PendingHeartbeats,
    /// Record of the target left by an earlier balancer; taken at the start.
    restored: Option<Record>,
    /// Replicas left by an earlier balancer; taken at the start.
    found: Vec<Found>,
    ring: RingHandle,
    journal: JournalHandle,
    routers: BTreeMap<RouterId, RouterLink>,
    /// Recipients of the replies to the open calls.
    callers: BTreeMap<CallId, oneshot::Sender<Result<Answer, CommandError>>>,
    last_call: u64,
    start_duration: StartDuration,
    timer: Option<SpawnHandle>,
    /// Signalled when all replicas of the target are ready for the first time.
    serving: Option<oneshot::Sender<()>>,
    /// Signalled when all replicas have ended.
    halted: Vec<oneshot::Sender<()>>,
    /// Its strong count is the number of readers of replica output, plus one.
    readers: Rc<()>,
    _guard: PanicGuard,
}

/// The event that results from an action; sent by the task that carries the action out.
#[derive(Message)]
#[rtype(result = "()")]
struct Outcome(Event);

impl SupervisorActor {
    /// A supervisor that adopts, when it starts, what an earlier balancer of the cluster left: the record of the target
    /// and the replicas. `serving` is signalled when all replicas of the target are ready for the first time.
    fn new(
        settings: Settings,
        heartbeat: Heartbeat,
        runtime: Rc<dyn Runtime>,
        (restored, found): (Option<Record>, Vec<Found>),
        (ring, journal): (RingHandle, JournalHandle),
        serving: oneshot::Sender<()>,
    ) -> Self {
        Self {
            fleet: Fleet::new(settings, fastrand::Rng::new()),
            runtime,
            heartbeat,
            pending_heartbeats: PendingHeartbeats::default(),
            restored,
            found,
            ring,
            journal,
            routers: BTreeMap::new(),
            callers: BTreeMap::new(),
            last_call: 0,
            start_duration: StartDuration::default(),
            timer: None,
            serving: Some(serving),
            halted: Vec::new(),
            readers: Rc::new(()),
            _guard: PanicGuard("supervisor"),
        }
    }

    /// A shared handle of the measured start time of replicas.
    fn start_duration(&self) -> StartDuration {
        self.start_duration.clone()
    }

    /// Passes an event to the fleet, carries out the resulting actions and sets the timer for the next tick.
    fn dispatch(&mut self, event: Event, ctx: &mut Context<Self>) {
        let now = Instant::now();
        for action in self.fleet.on(event, now.into_std()) {
            self.carry_out(action, ctx);
        }
        if let Some(measured) = self.fleet.start_duration() {
            self.start_duration.set(measured);
        }
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        let wait = Instant::from_std(self.fleet.next_wake(now.into_std())).saturating_duration_since(now);
        self.timer = Some(ctx.run_later(wait, |supervisor, ctx| supervisor.dispatch(Event::Tick, ctx)));
    }

    /// The loads of all routers; a router that does not reply in time counts as idle.
    fn loads(&self) -> impl Future<Output = Vec<router_link::Loaded>> + use<> {
        let replies: Vec<_> =
            self.routers.values().map(|router| timeout(REPLY_TIMEOUT, router.load())).collect();
        async move { join_all(replies).await.into_iter().flatten().flatten().collect() }
    }

    /// Requests in flight and number of slots of each seat, by which /rm chooses the seats to remove.
    fn seat_loads(&self) -> impl Future<Output = Loads> + use<> {
        let View { seats, others, .. } = self.fleet.view();
        let loads = self.loads();
        let slots = self.ring.snapshot();
        async move {
            let slots = slots.await.map(|snapshot| snapshot.slots).unwrap_or_default();
            let in_flight = in_flight(&loads.await);
            let slots_of = |seat| slots.get(&seat).copied().unwrap_or(0);
            let mut loads: Loads = seats.iter().map(|seat| (seat.seat, (0, slots_of(seat.seat)))).collect();
            let cordoned = others.into_iter().filter(|other| other.cordoned);
            for replica in seats.into_iter().filter_map(|seat| seat.replica).chain(cordoned) {
                if let Some((load, _)) = loads.get_mut(&replica.seat) {
                    *load += in_flight.get(&replica.incarnation).copied().unwrap_or(0);
                }
            }
            loads
        }
    }

    /// Passes [`Event::Stop`] or [`Event::Kill`] to the fleet; resolves when all replicas have ended.
    fn halt(&mut self, event: Event, ctx: &mut Context<Self>) -> ResponseFuture<()> {
        let (halted, done) = oneshot::channel();
        self.halted.push(halted);
        self.dispatch(event, ctx);
        Box::pin(async move { drop(done.await) })
    }

    /// A new call, and the receiver of the reply of the fleet.
    fn open_call(&mut self) -> (CallId, oneshot::Receiver<Result<Answer, CommandError>>) {
        self.last_call += 1;
        let call = CallId(self.last_call);
        let (caller, reply) = oneshot::channel();
        self.callers.insert(call, caller);
        (call, reply)
    }
}

impl Actor for SupervisorActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        ctx.add_stream(self.runtime.events());
        if let Some(record) = self.restored.take() {
            self.dispatch(Event::Restored(record), ctx);
        }
        let found = std::mem::take(&mut self.found);
        self.dispatch(Event::Listed(found), ctx);
    }
}

impl StreamHandler<runtime::Event> for SupervisorActor {
    fn handle(&mut self, event: runtime::Event, ctx: &mut Self::Context) {
        self.dispatch(Event::Runtime(event), ctx);
    }

    /// Does not stop the actor: heartbeats detect dead replicas also without the events of the engine.
    fn finished(&mut self, _: &mut Self::Context) {}
}

impl Handler<Outcome> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, Outcome(event): Outcome, ctx: &mut Self::Context) {
        self.dispatch(event, ctx);
    }
}

impl Handler<List> for SupervisorActor {
    type Result = Vec<Name>;

    fn handle(&mut self, _: List, _: &mut Self::Context) -> Self::Result {
        self.fleet.names()
    }
}

impl Handler<Ready> for SupervisorActor {
    type Result = bool;

    fn handle(&mut self, _: Ready, _: &mut Self::Context) -> Self::Result {
        self.fleet.is_ready()
    }
}

impl Handler<GetState> for SupervisorActor {
    type Result = ResponseFuture<State>;

    fn handle(&mut self, _: GetState, _: &mut Self::Context) -> Self::Result {
        let (view, counters) = (self.fleet.view(), self.fleet.counters().clone());
        let loads = self.loads();
        Box::pin(async move {
            let loads = loads.await;
            let skips = Skip::worst_by_replica(replicas(&loads).map(|load| (load.incarnation, load.skip)));
            let mut routing = RoutingCounters::default();
            loads.iter().for_each(|load| routing += load.routing);
            State { view, in_flight: in_flight(&loads), skips, routing, counters }
        })
    }
}

impl Handler<Close> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, _: Close, ctx: &mut Self::Context) {
        self.dispatch(Event::Close, ctx);
    }
}

impl Handler<Stop> for SupervisorActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) -> Self::Result {
        self.halt(Event::Stop, ctx)
    }
}

impl Handler<Kill> for SupervisorActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Kill, ctx: &mut Self::Context) -> Self::Result {
        self.halt(Event::Kill, ctx)
    }
}

/// Requests in flight by replica, over all routers.
fn in_flight(loads: &[router_link::Loaded]) -> BTreeMap<Incarnation, usize> {
    replicas(loads).fold(BTreeMap::new(), |mut sum, load| {
        *sum.entry(load.incarnation).or_default() += load.in_flight;
        sum
    })
}

fn replicas(loads: &[router_link::Loaded]) -> impl Iterator<Item = &router_link::LoadOf> {
    loads.iter().flat_map(|load| &load.replicas)
}
