//! The handle of SupervisorActor: each method sends one message and returns its reply.

use std::rc::Rc;

use actix::prelude::*;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::fleet::{Answer, Command, CommandError, Record, RouterEvent, RouterId, Settings};
use crate::name::Name;
use crate::ring::{self, Slot};
use crate::runtime::{Found, Heartbeat, Runtime, Tail};

use super::message::{
    Call, CallWithPlan, Close, Configure, ExplainSlot, GetState, Kill, List, NotRead, Notice, Plan, Read,
    Ready, RegisterRouter, RouterExplanations, State, Stop,
};
use super::{StartDuration, SupervisorActor};
use crate::control::journal::JournalHandle;
use crate::control::ring::RingHandle;
use crate::control::router_link::RouterLink;

/// Access to SupervisorActor from any thread. A method fails with [`CommandError::Stopping`] once the actor has stopped.
#[derive(Clone, Debug)]
pub struct SupervisorHandle {
    actor: Addr<SupervisorActor>,
    start_duration: StartDuration,
}

/// Resolves when all replicas of the target are ready for the first time.
#[derive(Debug)]
pub struct Serving(oneshot::Receiver<()>);

/// Sends the notices of one router to the supervisor. They are never awaited.
#[derive(Clone)]
pub struct NoticeSender {
    router: RouterId,
    recipient: Recipient<Notice>,
}

impl SupervisorHandle {
    /// Starts the actor on this thread. It adopts what an earlier balancer of the cluster left: the record of the target
    /// and the replicas.
    pub fn start(
        settings: Settings,
        heartbeat: Heartbeat,
        runtime: Rc<dyn Runtime>,
        left: (Option<Record>, Vec<Found>),
        (ring, journal): (RingHandle, JournalHandle),
    ) -> (Self, Serving) {
        let (serving_now, serving) = oneshot::channel();
        let actor = SupervisorActor::new(settings, heartbeat, runtime, left, (ring, journal), serving_now);
        let start_duration = actor.start_duration();
        (Self { actor: actor.start(), start_duration }, Serving(serving))
    }

    /// The measured start time of replicas.
    pub fn start_duration(&self) -> StartDuration {
        self.start_duration.clone()
    }

    /// /rep: the names of the replicas that are ready or suspect, in seat order.
    ///
    /// # Errors
    /// The actor has stopped.
    pub async fn list(&self) -> Result<Vec<Name>, CommandError> {
        self.send(List).await
    }

    /// Whether requests can be served: at least one replica is ready and the balancer is not shutting down.
    pub async fn is_ready(&self) -> bool {
        self.send(Ready).await.unwrap_or(false)
    }

    /// Carries out a command, and returns when it is complete. Dropping the future does not cancel the command.
    ///
    /// # Errors
    /// The fleet rejects the command, or it fails.
    pub async fn call(&self, command: Command) -> Result<Answer, CommandError> {
        // A dropped `send` cancels a message that the actor has not read yet: it runs in a task of its own.
        actix_rt::spawn(self.actor.send(Call(command))).await.map_or(Err(CommandError::Stopping), stopping)?
    }

    /// Carries out a command like [`call`](Self::call), and returns its effect on the keys. Only for commands that need
    /// no loads.
    ///
    /// # Errors
    /// Those of [`call`](Self::call).
    pub async fn call_with_plan(&self, command: Command) -> Result<ring::Plan, CommandError> {
        let plan = actix_rt::spawn(self.actor.send(CallWithPlan(command)));
        plan.await.map_or(Err(CommandError::Stopping), stopping)?
    }

    /// Computes the effect of a command on the keys without carrying it out.
    ///
    /// # Errors
    /// The fleet would reject the command.
    pub async fn plan(&self, command: Command) -> Result<ring::Plan, CommandError> {
        self.send(Plan(command)).await?
    }

    /// The state of the fleet for the API and the metrics.
    ///
    /// # Errors
    /// The actor has stopped.
    pub async fn state(&self) -> Result<State, CommandError> {
        self.send(GetState).await
    }

    /// Where a request whose key has this slot would go: one explanation per router.
    ///
    /// # Errors
    /// The actor has stopped.
    pub async fn explain(&self, slot: Slot) -> Result<RouterExplanations, CommandError> {
        self.send(ExplainSlot(slot)).await
    }

    /// The output of a replica. Of two replicas with the same name, the one in a seat is read.
    ///
    /// # Errors
    /// The outer one: the actor has stopped. The inner one: the output cannot be read.
    pub async fn read(
        &self,
        name: Name,
        tail: Tail,
    ) -> Result<Result<mpsc::Receiver<Bytes>, NotRead>, CommandError> {
        self.send(Read { name, tail }).await
    }

    /// Replaces the settings at run time. `target`: a new target number of seats, reached as by /add or /rm and then
    /// logged; `None` leaves it unchanged.
    pub fn configure(&self, settings: Settings, heartbeat: Heartbeat, target: Option<usize>) {
        self.actor.do_send(Configure { settings, heartbeat, target });
    }

    /// Registers a router: its load counts, and it gets the lists of suspect replicas.
    pub fn register(&self, router: RouterLink) {
        self.actor.do_send(RegisterRouter(router));
    }

    /// The sender of a router's notices.
    pub fn notices(&self, router: RouterId) -> NoticeSender {
        NoticeSender { router, recipient: self.actor.clone().recipient() }
    }

    /// Begins the shutdown: the balancer is not ready any more and refuses changes of the fleet.
    pub fn close(&self) {
        self.actor.do_send(Close);
    }

    /// Stops all replicas gracefully; returns when they have ended.
    pub async fn stop(&self) {
        // The send fails only while the process ends.
        let _ = self.actor.send(Stop).await;
    }

    /// Kills the replicas that are left; returns when they have ended.
    pub async fn kill(&self) {
        let _ = self.actor.send(Kill).await; // as above
    }

    async fn send<M>(&self, message: M) -> Result<M::Result, CommandError>
    where
        M: Message<Result: Send> + Send + 'static,
        SupervisorActor: Handler<M>,
    {
        stopping(self.actor.send(message).await)
    }
}

impl Serving {
    /// Waits for that moment; for ever if the balancer stops before.
    pub async fn wait(&mut self) {
        if (&mut self.0).await.is_err() {
            std::future::pending().await // the sender is dropped at a stop
        }
    }
}

impl NoticeSender {
    /// A sender of notices to a test.
    #[cfg(test)]
    pub fn new(router: RouterId, recipient: Recipient<Notice>) -> Self {
        Self { router, recipient }
    }

    /// The router that sends the notices.
    pub fn router(&self) -> RouterId {
        self.router
    }

    /// Sends a notice.
    pub fn send(&self, event: RouterEvent) {
        self.recipient.do_send(Notice { router: self.router, event });
    }
}

fn stopping<T>(reply: Result<T, MailboxError>) -> Result<T, CommandError> {
    reply.map_err(|_| CommandError::Stopping)
}
