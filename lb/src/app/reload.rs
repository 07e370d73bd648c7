//! ReloadActor: owns the configuration in force, reads the file again and distributes the changes.
//!
//! Reloads read the file one after the other. Each worker applies the new settings between two requests.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures::future::join_all;
use tokio::time::timeout;

use crate::admin::{Difference, NotReloaded, Reload};
use crate::auth::AuthHandle;
use crate::auth::token::Token;
use crate::config::{Config, Control, RuntimeConfig, Source};
use crate::control::panic_guard::PanicGuard;
use crate::control::supervisor::SupervisorHandle;
use crate::observe::access_log::AccessLog;
use crate::proxy::control_api::LiveLimits;
use crate::proxy::redaction::KeyRedactor;

use super::{admin_auth, files, parts};

/// The longest wait for a worker to apply a configuration.
const WORKER_TIMEOUT: Duration = Duration::from_secs(1);

/// Owns the configuration in force.
pub(super) struct ReloadActor {
    config: Arc<Config>,
    /// Reads the configuration again; `None` in an embedded balancer, where a reload fails.
    source: Option<Source>,
    /// The numbers of connections that the limit of open files allows.
    connections: files::Connections,
    targets: ReloadTargets,
    /// The admin token if we have generated it; only then it may be logged.
    generated: Option<Token>,
    workers: Vec<Recipient<Configure>>,
    _guard: PanicGuard,
}

/// The parts outside the workers that apply a new configuration.
pub(super) struct ReloadTargets {
    pub supervisor: SupervisorHandle,
    pub limits: LiveLimits,
    pub access_log: AccessLog,
    pub key_redactor: KeyRedactor,
    pub auth: AuthHandle,
}

/// Subscribes a worker to every later configuration, and returns the one in force.
#[derive(Message)]
#[rtype(result = "Arc<Config>")]
struct Subscribe(Recipient<Configure>);

/// Applies a configuration in a worker.
#[derive(Clone, Message)]
#[rtype(result = "()")]
struct Configure(Arc<Config>);

/// Returns the configuration in force.
#[derive(Message)]
#[rtype(result = "Arc<Config>")]
pub(super) struct InForce;

/// Reads the file and applies the changes outside the workers.
#[derive(Message)]
#[rtype(result = "Result<Difference, NotReloaded>")]
struct Read;

/// Sends the configuration to every worker; the reply comes when all have applied it, or after [`WORKER_TIMEOUT`].
#[derive(Message)]
#[rtype(result = "()")]
struct Distribute;

impl ReloadActor {
    pub fn new(
        config: Config,
        (source, connections): (Option<Source>, files::Connections),
        targets: ReloadTargets,
        generated: Option<Token>,
    ) -> Self {
        let (config, workers) = (Arc::new(config), Vec::new());
        Self { config, source, connections, targets, generated, workers, _guard: PanicGuard("reload") }
    }

    /// Applies the settings that can change live, and returns what differs.
    fn change_to(&mut self, read: &Config) -> Difference {
        let mut config = Config::clone(&self.config);
        let difference = config.change_to(&self.connections.fitted(read));
        if let (Some(token), Control::Token, true) =
            (&self.generated, config.control, config.control != self.config.control)
        {
            admin_auth::log_token(token);
        }
        // Only a changed value sets the target: an unchanged one must not undo changes through the API.
        let external = matches!(config.runtime, RuntimeConfig::Static { .. });
        let target = (!external && config.replicas != self.config.replicas).then_some(config.replicas);
        if let (Some(token), true) = (&config.admin_token, config.admin_token != self.config.admin_token) {
            self.targets.auth.change(token.clone());
        }
        self.targets.limits.set(parts::control_body(&config));
        self.targets
            .access_log
            .configure(config.access_log.clone(), parts::redactor(&config, &self.targets.key_redactor));
        let (settings, heartbeat) = (parts::fleet(&config), parts::heartbeat(&config));
        self.targets.supervisor.configure(settings, heartbeat, target);
        self.config = Arc::new(config);
        difference
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
            let difference = read.map(|read| reload.change_to(&read));
            match &difference {
                Ok(Difference { changed, restart }) => {
                    log::info!("reloaded changed={} restart={}", changed.join(","), restart.join(","));
                }
                Err(error) => log::error!("not reloaded why={error}"),
            }
            difference
        })))
    }
}

impl Handler<Distribute> for ReloadActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Distribute, _: &mut Self::Context) -> Self::Result {
        self.workers.retain(Recipient::connected);
        let configure = Configure(self.config.clone());
        let replies =
            self.workers.iter().map(|worker| timeout(WORKER_TIMEOUT, worker.send(configure.clone())));
        let replies = join_all(replies);
        Box::pin(async move {
            if replies.await.iter().any(Result::is_err) {
                log::warn!("reload unanswered by=worker");
            }
        })
    }
}

impl Handler<Subscribe> for ReloadActor {
    type Result = Arc<Config>;

    fn handle(&mut self, Subscribe(worker): Subscribe, _: &mut Self::Context) -> Self::Result {
        self.workers.retain(Recipient::connected);
        self.workers.push(worker);
        self.config.clone()
    }
}

impl Handler<InForce> for ReloadActor {
    type Result = Arc<Config>;

    fn handle(&mut self, _: InForce, _: &mut Self::Context) -> Self::Result {
        self.config.clone()
    }
}

/// Applies each configuration to the parts of one worker, on its thread.
struct ConfigFollower {
    reload: Addr<ReloadActor>,
    apply: Box<dyn Fn(&Config)>,
    _guard: PanicGuard,
}

/// Calls `apply` on this thread with the configuration in force and with every later one.
pub(super) fn follow(reload: Addr<ReloadActor>, apply: impl Fn(&Config) + 'static) {
    ConfigFollower { reload, apply: Box::new(apply), _guard: PanicGuard("worker") }.start();
}

impl Actor for ConfigFollower {
    type Context = Context<Self>;

    /// Applies the configuration in force first: actix may restart a worker, whose initial settings are then outdated.
    fn started(&mut self, ctx: &mut Self::Context) {
        let subscribed = self.reload.send(Subscribe(ctx.address().recipient())).into_actor(self);
        ctx.wait(subscribed.map(|config, follower, _| {
            // The send fails only while the process ends.
            let _ = config.map(|config| (follower.apply)(&config));
        }));
    }
}

impl Handler<Configure> for ConfigFollower {
    type Result = ();

    fn handle(&mut self, Configure(config): Configure, _: &mut Self::Context) {
        (self.apply)(&config);
    }
}
