//! Wiring: starts the parts of the balancer in the order of their dependencies, and stops them.

mod admin_auth;
mod admin_listener;
mod descriptors;
mod embed;
mod error;
mod parts;
mod reload;
mod traffic_listener;
mod workers;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::admin::metrics::MetricsHandle;
use crate::admin::{Admin, Clock};
use crate::config::{Config, Source};
use crate::control::journal::JournalHandle;
use crate::control::ring::RingHandle;
use crate::control::supervisor::{Serving, SupervisorHandle};
use crate::observe::access_log::AccessLog;
use crate::proxy::control_api::LiveLimits;
use crate::proxy::dispatcher::ConnectionLimit;
use crate::proxy::redaction::KeyRedactor;
use crate::runtime::{self, Runtime};

use admin_auth::AdminAuth;
use reload::ReloadHandle;
use traffic_listener::WorkerContext;
use workers::Workers;

pub use embed::Embedded;
pub use error::StartError;
pub use parts::runtime;

/// Length of the listen queue.
const BACKLOG: u32 = 4096;

/// Time, beyond --stop-timeout, for the engine to remove the replicas when the balancer ends.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(60);

/// Signals within this time count as one.
const SIGNAL_DEBOUNCE: Duration = Duration::from_millis(100);

/// A running balancer.
pub struct Running {
    /// The address of the traffic listener, with the actual port.
    pub traffic: SocketAddr,
    /// The address of the admin listener, with the actual port; `None` if it is off.
    pub admin: Option<SocketAddr>,
    serving: Serving,
    supervisor: SupervisorHandle,
    traffic_workers: Workers,
    admin_workers: Option<Workers>,
    access_log: AccessLog,
    reload: ReloadHandle,
}

/// Starts the balancer on this thread's actix system: listeners first, then the actors, then the servers. `source` is
/// used to read the configuration again; without it a reload fails.
///
/// # Errors
/// When a listener cannot be bound, the runtime fails, or a token or the access log cannot be created.
pub async fn start(
    config: &Config,
    source: Option<Source>,
    runtime: Rc<dyn Runtime>,
) -> Result<Running, StartError> {
    let connections = descriptors::Connections::new(config)?;
    let config = &connections.fitted(config);
    let key_redactor = KeyRedactor::new(config.log_key);
    let access_log = parts::access_log(config, &key_redactor)?;
    let restored = runtime.read_record().await?;
    let found = runtime.list().await?;
    let traffic_listener = listen("--listen", config.listen)?;
    let admin_listener = config.admin_listen.map(|address| listen("--admin-listen", address)).transpose()?;

    let admin_auth = AdminAuth::open(config).map_err(StartError::Token)?;
    let ring = RingHandle::start(config.layout);
    let journal = JournalHandle::start();
    let metrics = MetricsHandle::start(ring.clone());
    let (supervisor, serving) = SupervisorHandle::start(
        config.fleet(),
        config.heartbeat(),
        runtime,
        (restored, found),
        (ring.clone(), journal.clone()),
    );
    let limits = LiveLimits::new(config.control_body());
    let reload = ReloadHandle::start(config, source, connections.clone());
    admin_auth.follow(&reload);
    parts::follow_fleet(&reload, supervisor.clone());
    parts::follow_access_log(&reload, access_log.clone(), key_redactor.clone());
    let open_connections = ConnectionLimit::new(config.max_connections);
    let admin = Admin {
        cluster: config.cluster.to_string(),
        durability: parts::durability(config),
        ring: ring.clone(),
        journal,
        metrics: metrics.clone(),
        supervisor: supervisor.clone(),
        clock: Clock::now(),
        limits,
        access_log: access_log.clone(),
        connections: open_connections.clone(),
        reload: reload.api(),
    };
    let context = WorkerContext {
        ring,
        supervisor: supervisor.clone(),
        metrics,
        reload: reload.clone(),
        start_duration: supervisor.start_duration(),
        auth: admin_auth.auth.clone(),
        key_redactor,
        access_log: access_log.clone(),
        connections: open_connections,
        per_worker: connections.per_worker(config),
    };
    let (traffic, traffic_workers) = traffic_listener::serve(config, traffic_listener, context)?;
    let admin_workers = admin_listener
        .map(|listener| {
            admin_listener::serve(
                config,
                listener,
                (admin, connections.admin()),
                admin_auth.access.clone(),
                reload.clone(),
            )
        })
        .transpose()?;
    let (admin, admin_workers) = admin_workers.unzip();
    match admin {
        Some(admin) => log::info!(traffic:%, admin:%; "listening"),
        None => log::info!(traffic:%, admin = "off"; "listening"),
    }
    admin_auth.announce(admin);
    Ok(Running { traffic, admin, serving, supervisor, traffic_workers, admin_workers, reload, access_log })
}

/// Runs the balancer until a signal ends it: SIGTERM or SIGINT gracefully, a second one at once. SIGHUP reads the
/// configuration again, SIGUSR1 reopens the access log. Returns whether it ended gracefully.
///
/// # Errors
/// Those of [`start`].
pub async fn run(config: &Config, source: Source, runtime: Rc<dyn Runtime>) -> Result<bool, StartError> {
    let failed = |error| StartError::Listen { flag: "signals", address: config.listen, error };
    let mut term = signal(SignalKind::terminate()).map_err(failed)?;
    let mut int = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut hup = signal(SignalKind::hangup()).map_err(failed)?;
    let mut log_rotated = signal(SignalKind::user_defined1()).map_err(failed)?;
    let mut running = start(config, Some(source), runtime).await?;
    let mut announced = false;
    loop {
        tokio::select! {
            () = running.serving(), if !announced => {
                announced = true;
                running.announce();
            }
            _ = hup.recv() => running.reload.reload(),
            _ = log_rotated.recv() => running.reopen(),
            _ = term.recv() => break,
            _ = int.recv() => break,
        }
    }
    let (supervisor, access_log) = (running.supervisor.clone(), running.access_log.clone());
    let second_signal = async {
        // timeout(1) signals the process and its group: two signals at once count as one.
        tokio::time::sleep(SIGNAL_DEBOUNCE).await;
        (term, int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        io::Result::Ok(())
    };
    tokio::select! {
        () = running.stop() => Ok(true),
        _ = second_signal => Ok(kill(&supervisor, access_log).await),
    }
}

impl Running {
    /// Resolves when all replicas of the target (static: one) are ready for the first time; never if the balancer stops
    /// before.
    pub async fn serving(&mut self) {
        self.serving.wait().await;
    }

    /// Reopens the access log, after its file was renamed.
    pub fn reopen(&self) {
        self.access_log.reopen();
    }

    fn announce(&self) {
        log::info!(url:% = format_args!("http://{}", self.traffic); "ready");
    }

    /// Stops gracefully: reports not ready, accepts no new connections, waits for the requests in flight for at most
    /// `--drain`, then stops the replicas.
    pub async fn stop(mut self) {
        self.supervisor.close();
        let limits = self.reload.in_force().await.map(|config| (config.drain, config.stop_timeout));
        let (drain, stop_timeout) = limits.unwrap_or_default();
        log::info!(drain_ms:% = drain.as_millis(); "stopping");
        if timeout(drain, self.traffic_workers.drain()).await.is_err() {
            log::warn!(why = "deadline"; "drain cut short");
        }
        if timeout(stop_timeout + REMOVAL_TIMEOUT, self.supervisor.stop()).await.is_err() {
            log::error!(
                why = "not_removed_in_time", next = "the_next_balancer_finds_them";
                "replicas may still run"
            );
        }
        if let Some(admin) = self.admin_workers {
            admin.stop().await;
        }
        self.access_log.finish().await;
        log::info!("stopped");
    }
}

/// Kills the remaining replicas after a second signal. Always returns false: not graceful.
async fn kill(supervisor: &SupervisorHandle, access_log: AccessLog) -> bool {
    log::warn!(why = "second_signal"; "killed");
    let kill_timeout = Duration::from_secs(5);
    // A replica that is still alive afterwards is killed by the kernel when this process ends.
    let _ = timeout(kill_timeout, supervisor.kill()).await;
    access_log.finish().await;
    false
}

fn listen(flag: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)?.into_std()
    };
    bound().map_err(|error| StartError::Listen { flag, address, error })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use actix_service::fn_service;
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use super::workers::Worker;
    use super::*;
    use crate::proxy::dispatcher::{Admission, Incoming, Response};

    /// Run as a process of its own: starts a server, and leaves no descriptors for its workers.
    #[test]
    fn starts_without_descriptors() {
        if std::env::var_os("LB_TEST_NO_DESCRIPTORS").is_none() {
            return;
        }
        actix_rt::System::new().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
            let maximum = getrlimit(Resource::Nofile).maximum;
            setrlimit(Resource::Nofile, Rlimit { current: Some(open + 4), maximum }).unwrap();
            let start = async || Worker {
                admission: Rc::new(Admission::new(
                    Config::default().client_connections(),
                    ConnectionLimit::new(1),
                )),
                service: Rc::new(fn_service(|_: Incoming| {
                    let response = actix_http::Response::ok().set_body(String::new());
                    std::future::ready(Ok::<Response<String>, std::convert::Infallible>(response.into()))
                })),
            };
            let _workers = Workers::start(4, listener, 1, start).unwrap();
            tokio::time::sleep(Duration::from_secs(5)).await;
            std::process::exit(7);
        });
    }

    #[test]
    fn a_server_that_cannot_start_its_workers_ends_the_process() {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["app::tests::starts_without_descriptors", "--exact", "--nocapture"]);
        let ended = command.env("LB_TEST_NO_DESCRIPTORS", "1").output().unwrap();
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{stderr}");
    }
}
