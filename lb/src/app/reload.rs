//! The configuration in force, and how one that was read again takes its place while everything runs.
//!
//! The file is read by one reload after the other; each worker takes the new settings over between two requests.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures::future::join_all;
use tokio::time::timeout;

use crate::admin::Reload;
use crate::auth::actor;
use crate::auth::actor::AuthActor;
use crate::auth::token::Token;
use crate::config::{Config, Control, Difference, NotReloaded, RuntimeConfig, Source};
use crate::control::panic_guard::PanicGuard;
use crate::control::supervisor;
use crate::control::supervisor::SupervisorActor;
use crate::observe::access_log::AccessLog;
use crate::observe::redaction::KeyRedactor;
use crate::proxy::control_api::LiveLimits;

use super::{admin_auth, files, parts};

/// How long a worker may take to go by another configuration before it is not waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Owns the configuration.
pub(super) struct ReloadActor {
    config: Arc<Config>,
    /// Where to read it again, if anywhere.
    source: Option<Source>,
    /// What the limit of open files carries.
    connections: files::Connections,
    told: ReloadTargets,
    /// The admin token, if it is ours to tell.
    made: Option<Token>,
    workers: Vec<Recipient<Configure>>,
    _guard: PanicGuard,
}

/// What goes by the configuration beside the workers.
pub(super) struct ReloadTargets {
    pub supervisor: Addr<SupervisorActor>,
    pub limits: LiveLimits,
    pub access_log: AccessLog,
    pub key_redactor: KeyRedactor,
    pub gate: Addr<AuthActor>,
}

/// Whoever sends this is told of every other configuration; answered with the one in force.
#[derive(Message)]
#[rtype(result = "Arc<Config>")]
struct Attach(Recipient<Configure>);

/// From now on this configuration is in force.
#[derive(Clone, Message)]
#[rtype(result = "()")]
struct Configure(Arc<Config>);

/// Which configuration is in force.
#[derive(Message)]
#[rtype(result = "Arc<Config>")]
pub(super) struct InForce;

/// Read the file.
#[derive(Message)]
#[rtype(result = "Result<Difference, NotReloaded>")]
struct Read;

/// Tell every worker; answered when they know.
#[derive(Message)]
#[rtype(result = "()")]
struct Spread;

impl ReloadActor {
    pub fn new(
        config: Config,
        (source, connections): (Option<Source>, files::Connections),
        told: ReloadTargets,
        made: Option<Token>,
    ) -> Self {
        let (config, workers) = (Arc::new(config), Vec::new());
        Self { config, source, connections, told, made, workers, _guard: PanicGuard("reload") }
    }

    /// Puts what can change live in force.
    fn change_to(&mut self, read: &Config) -> Difference {
        let mut config = Config::clone(&self.config);
        let difference = config.change_to(&self.connections.fitted(read));
        if let (Some(token), Control::Token, true) =
            (&self.made, config.control, config.control != self.config.control)
        {
            admin_auth::tell(token);
        }
        // Only another value in the file is a wish: what the API did meanwhile stays otherwise.
        let external = matches!(config.runtime, RuntimeConfig::Static { .. });
        let target = (!external && config.replicas != self.config.replicas).then_some(config.replicas);
        if let (Some(token), true) = (&config.admin_token, config.admin_token != self.config.admin_token) {
            self.told.gate.do_send(actor::Change(token.clone()));
        }
        self.told.limits.set(parts::control_body(&config));
        self.told
            .access_log
            .configure(config.access_log.clone(), parts::redactor(&config, &self.told.key_redactor));
        let (settings, heartbeat) = (parts::fleet(&config), parts::heartbeat(&config));
        self.told.supervisor.do_send(supervisor::Configure { settings, heartbeat, target });
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
            let _ = this.send(Spread).await;
            difference
        })
    }
}

impl Handler<Read> for ReloadActor {
    type Result = AtomicResponse<Self, Result<Difference, NotReloaded>>;

    /// On another thread, and no other message meanwhile: a file that was read earlier must not win.
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

impl Handler<Spread> for ReloadActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Spread, _: &mut Self::Context) -> Self::Result {
        self.workers.retain(Recipient::connected);
        let configure = Configure(self.config.clone());
        let told = self.workers.iter().map(|worker| timeout(PATIENCE, worker.send(configure.clone())));
        let told = join_all(told);
        Box::pin(async move {
            if told.await.iter().any(Result::is_err) {
                log::warn!("reload unanswered by=worker");
            }
        })
    }
}

impl Handler<Attach> for ReloadActor {
    type Result = Arc<Config>;

    fn handle(&mut self, Attach(worker): Attach, _: &mut Self::Context) -> Self::Result {
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

/// Carries the configuration over to the parts of one worker, on its thread.
struct Follower {
    reload: Addr<ReloadActor>,
    apply: Box<dyn Fn(&Config)>,
    _guard: PanicGuard,
}

/// Calls `apply`, on this thread, with the configuration in force and with every later one.
pub(super) fn follow(reload: Addr<ReloadActor>, apply: impl Fn(&Config) + 'static) {
    Follower { reload, apply: Box::new(apply), _guard: PanicGuard("worker") }.start();
}

impl Actor for Follower {
    type Context = Context<Self>;

    /// A worker that was started again has missed what changed since the start.
    fn started(&mut self, ctx: &mut Self::Context) {
        let attached = self.reload.send(Attach(ctx.address().recipient())).into_actor(self);
        ctx.wait(attached.map(|config, follower, _| {
            // Without an answer the process ends.
            let _ = config.map(|config| (follower.apply)(&config));
        }));
    }
}

impl Handler<Configure> for Follower {
    type Result = ();

    fn handle(&mut self, Configure(config): Configure, _: &mut Self::Context) {
        (self.apply)(&config);
    }
}
