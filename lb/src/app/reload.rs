//! ReloadActor: owns the configuration in force, reads the file again and sends it to every part.
//!
//! Every part subscribes in the same way ([`ReloadHandle::follow`]) and applies its settings on its own thread, a worker
//! between two requests. Reloads read the file one after the other.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures::future::join_all;
use tokio::time::timeout;

use crate::admin;
use crate::admin::{Difference, NotReloaded, Reload};
use crate::config::{Config, Source};
use crate::control::panic_guard::PanicGuard;

use super::descriptors;

/// The longest wait for a part to apply a configuration.
const APPLY_TIMEOUT: Duration = Duration::from_secs(1);

/// The configuration in force and its changes.
#[derive(Clone)]
pub(super) struct ReloadHandle {
    actor: Addr<ReloadActor>,
    /// The configuration of the start, with which every part is created.
    start: Arc<Config>,
}

/// Owns the configuration in force.
struct ReloadActor {
    config: Arc<Config>,
    /// Reads the configuration again; `None` in an embedded balancer, where a reload fails.
    source: Option<Source>,
    /// The numbers of connections that the limit of open files allows.
    connections: descriptors::Connections,
    followers: Vec<Recipient<Configure>>,
    _guard: PanicGuard,
}

/// Subscribes a part to every later configuration, and returns the one in force.
#[derive(Message)]
#[rtype(result = "Arc<Config>")]
struct Subscribe(Recipient<Configure>);

/// Applies a configuration in a part.
#[derive(Clone, Message)]
#[rtype(result = "()")]
struct Configure(Arc<Config>);

/// Returns the configuration in force.
#[derive(Message)]
#[rtype(result = "Arc<Config>")]
struct InForce;

/// Reads the file, and puts the settings in force that can change live.
#[derive(Message)]
#[rtype(result = "Result<Difference, NotReloaded>")]
struct Read;

/// Sends the configuration to every part; the reply comes when all have applied it, or after [`APPLY_TIMEOUT`].
#[derive(Message)]
#[rtype(result = "()")]
struct Distribute;

impl ReloadHandle {
    /// Starts the actor. `source` is used to read the configuration again.
    pub fn start(config: &Config, source: Option<Source>, connections: descriptors::Connections) -> Self {
        let (start, followers) = (Arc::new(config.clone()), Vec::new());
        let (config, _guard) = (start.clone(), PanicGuard("reload"));
        Self { actor: ReloadActor { config, source, connections, followers, _guard }.start(), start }
    }

    /// Calls `apply` on this thread whenever the configuration changes: with the one that was in force and the new one.
    /// The first change is from the configuration of the start, also if a part is created later.
    pub fn follow(&self, apply: impl Fn(&Config, &Config) + 'static) {
        let (reload, applied) = (self.actor.clone(), self.start.clone());
        ConfigFollower { reload, apply: Box::new(apply), applied, _guard: PanicGuard("worker") }.start();
    }

    /// Reads the configuration again, and logs the outcome.
    pub fn reload(&self) {
        self.actor.do_send(Reload);
    }

    /// The configuration in force; `None` only while the process ends.
    pub async fn in_force(&self) -> Option<Arc<Config>> {
        self.actor.send(InForce).await.ok()
    }

    /// The handle of the admin API.
    pub fn api(&self) -> admin::ReloadHandle {
        admin::ReloadHandle::new(self.actor.clone().recipient())
    }
}

impl Actor for ReloadActor {
    type Context = Context<Self>;
}

impl Handler<Reload> for ReloadActor {
    type Result = ResponseFuture<Result<Difference, NotReloaded>>;

    fn handle(&mut self, _: Reload, ctx: &mut Self::Context) -> Self::Result {
        let this = ctx.address();
        Box::pin(async move {
            let difference = this.send(Read).await.unwrap_or(Err(NotReloaded::Stopping));
            let _ = this.send(Distribute).await;
            match &difference {
                Ok(Difference { changed, restart }) => {
                    log::info!(changed:% = changed.join(","), restart:% = restart.join(","); "reloaded");
                }
                Err(error) => log::error!(why:% = error; "not reloaded"),
            }
            difference
        })
    }
}

impl Handler<Read> for ReloadActor {
    type Result = AtomicResponse<Self, Result<Difference, NotReloaded>>;

    /// Reads on a blocking thread. `AtomicResponse` delays all other messages meanwhile, so that of two reloads the one
    /// that has read the file last wins.
    fn handle(&mut self, _: Read, _: &mut Self::Context) -> Self::Result {
        let source = self.source.clone();
        let read = actix_rt::task::spawn_blocking(move || source.ok_or(NotReloaded::NoFile)?.read());
        let read = async { read.await.unwrap_or(Err(NotReloaded::Stopping)) }.into_actor(self);
        AtomicResponse::new(Box::pin(read.map(|read, reload, _| {
            let mut config = Config::clone(&reload.config);
            let difference = config.change_to(&reload.connections.fitted(&read?));
            reload.config = Arc::new(config);
            Ok(difference)
        })))
    }
}

impl Handler<Distribute> for ReloadActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Distribute, _: &mut Self::Context) -> Self::Result {
        self.followers.retain(Recipient::connected);
        let configure = Configure(self.config.clone());
        let replies =
            self.followers.iter().map(|follower| timeout(APPLY_TIMEOUT, follower.send(configure.clone())));
        let replies = join_all(replies);
        Box::pin(async move {
            if replies.await.iter().any(Result::is_err) {
                log::warn!(by = "worker"; "reload unanswered");
            }
        })
    }
}

impl Handler<Subscribe> for ReloadActor {
    type Result = Arc<Config>;

    fn handle(&mut self, Subscribe(follower): Subscribe, _: &mut Self::Context) -> Self::Result {
        self.followers.retain(Recipient::connected);
        self.followers.push(follower);
        self.config.clone()
    }
}

impl Handler<InForce> for ReloadActor {
    type Result = Arc<Config>;

    fn handle(&mut self, _: InForce, _: &mut Self::Context) -> Self::Result {
        self.config.clone()
    }
}

/// Applies the change from one configuration to another.
type Apply = Box<dyn Fn(&Config, &Config)>;

/// Applies each configuration to one part, on the thread of that part.
struct ConfigFollower {
    reload: Addr<ReloadActor>,
    apply: Apply,
    applied: Arc<Config>,
    _guard: PanicGuard,
}

impl ConfigFollower {
    fn apply(&mut self, config: Arc<Config>) {
        (self.apply)(&self.applied, &config);
        self.applied = config;
    }
}

impl Actor for ConfigFollower {
    type Context = Context<Self>;

    /// Actix may restart a worker, whose initial settings are then outdated.
    fn started(&mut self, ctx: &mut Self::Context) {
        let subscribed = self.reload.send(Subscribe(ctx.address().recipient())).into_actor(self);
        ctx.wait(subscribed.map(|config, follower, _| {
            // The send fails only while the process ends.
            if let Ok(config) = config
                && !Arc::ptr_eq(&config, &follower.applied)
            {
                follower.apply(config);
            }
        }));
    }
}

impl Handler<Configure> for ConfigFollower {
    type Result = ();

    fn handle(&mut self, Configure(config): Configure, _: &mut Self::Context) {
        self.apply(config);
    }
}
