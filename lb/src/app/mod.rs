//! Puts the balancer together, in the order in which its parts depend on each other, and takes it apart again.

mod embed;
mod parts;
mod traffic;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use actix::{Actor, Addr};
use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer};
use tokio::net::TcpSocket;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::actors::journal::JournalActor;
use crate::actors::ring::RingActor;
use crate::actors::supervisor::{Close, Kill, Stop, SupervisorActor};
use crate::config::{Config, Exit};
use crate::http::admin::{self, Admin};
use crate::runtime::{self, Runtime};

pub use embed::Embedded;
pub use parts::runtime;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 4096;

/// Signals that come within this time are one.
const ONE_SIGNAL: Duration = Duration::from_millis(100);

/// Why the balancer did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener's port cannot be had.
    #[error("{flag} {address}: {error}")]
    Listen {
        /// Which listener.
        flag: &'static str,
        /// The address that was asked for.
        address: SocketAddr,
        /// The system's reason.
        error: io::Error,
    },
    /// The replicas that exist cannot be listed.
    #[error("{0}")]
    Runtime(#[from] runtime::Error),
    /// The executable that replicas are started from is unknown.
    #[error("this executable cannot be found: {0}")]
    Executable(io::Error),
    /// Some replica did not get ready in time; the log says why.
    #[error("the replicas are not ready within --start-timeout")]
    NotReady,
}

impl StartError {
    /// 64 for a bad configuration, 1 for anything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Runtime(runtime::Error::Configured(_)) => Exit::BAD_CONFIGURATION,
            _ => 1,
        }
    }
}

/// A balancer that runs.
pub struct Running {
    /// Where the traffic listener is open.
    pub traffic: SocketAddr,
    /// Where the admin listener is open.
    pub admin: Option<SocketAddr>,
    serving: oneshot::Receiver<()>,
    supervisor: Addr<SupervisorActor>,
    traffic_server: ServerHandle,
    admin_server: Option<ServerHandle>,
    drain: Duration,
}

/// Starts the balancer on this thread's actix system: listeners first, then the actors, then the servers.
pub async fn start(config: &Config, runtime: Rc<dyn Runtime>) -> Result<Running, StartError> {
    let found = runtime.list().await?;
    let traffic_listener = listen("--listen", config.listen)?;
    let admin_listener = config.admin_listen.map(|address| listen("--admin-listen", address)).transpose()?;

    let (serving_now, serving) = oneshot::channel();
    let ring = RingActor::new(config.layout).start();
    let journal = JournalActor::new().start();
    let supervisor = SupervisorActor::new(
        parts::fleet(config),
        parts::heartbeat(config),
        runtime,
        found,
        (ring.clone(), journal.clone()),
        serving_now,
    );
    let front = parts::front(config, supervisor.start_time());
    let supervisor = supervisor.start();
    let admin = Admin {
        cluster: config.cluster.to_string(),
        ring: ring.clone(),
        journal,
        supervisor: supervisor.clone(),
        limits: parts::control_body(config),
    };
    let (traffic, traffic_server) =
        traffic::serve(config, front, traffic_listener, ring, supervisor.clone())?;
    let admin_server = admin_listener.map(|listener| serve_admin(listener, admin)).transpose()?;
    let (admin, admin_server) = admin_server.unzip();
    let drain = config.drain;
    match admin {
        Some(admin) => log::info!("listening traffic={traffic} admin={admin}"),
        None => log::info!("listening traffic={traffic} admin=off"),
    }
    Ok(Running { traffic, admin, serving, supervisor, traffic_server, admin_server, drain })
}

/// Runs the balancer until a signal ends it: SIGTERM or SIGINT gracefully, a second one at once. Returns whether it
/// ended gracefully.
pub async fn run(config: &Config, runtime: Rc<dyn Runtime>) -> Result<bool, StartError> {
    let failed = |error| StartError::Listen { flag: "signals", address: config.listen, error };
    let mut term = signal(SignalKind::terminate()).map_err(failed)?;
    let mut int = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut running = start(config, runtime).await?;
    let mut announced = false;
    loop {
        tokio::select! {
            () = running.serving(), if !announced => {
                announced = true;
                running.announce();
            }
            _ = term.recv() => break,
            _ = int.recv() => break,
        }
    }
    let supervisor = running.supervisor.clone();
    let again = async {
        // timeout(1) signals the process and its group: two signals at once are one.
        tokio::time::sleep(ONE_SIGNAL).await;
        (term, int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        io::Result::Ok(())
    };
    tokio::select! {
        () = running.stop() => Ok(true),
        _ = again => Ok(kill(&supervisor).await),
    }
}

impl Running {
    /// Resolves when all replicas of the target are ready for the first time (static: one).
    pub async fn serving(&mut self) {
        if (&mut self.serving).await.is_err() {
            std::future::pending().await // stopped before it was ready
        }
    }

    fn announce(&self) {
        log::info!("ready url=http://{}", self.traffic);
    }

    /// Not ready; no new connection; what is in flight ends; the replicas are stopped.
    pub async fn stop(self) {
        self.supervisor.do_send(Close);
        log::info!("stopping drain_ms={}", self.drain.as_millis());
        if timeout(self.drain, self.traffic_server.stop(true)).await.is_err() {
            log::warn!("drain cut short why=deadline");
        }
        // The supervisor is only gone if the process ends already.
        let _ = self.supervisor.send(Stop).await;
        if let Some(admin) = self.admin_server {
            admin.stop(false).await;
        }
        log::info!("stopped");
    }
}

/// A second signal: kill what is left.
async fn kill(supervisor: &Addr<SupervisorActor>) -> bool {
    log::warn!("killed why=second_signal");
    let patience = Duration::from_secs(5);
    // Whoever does not end within it is killed by the kernel when we do.
    let _ = timeout(patience, supervisor.send(Kill)).await;
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

fn serve_admin(listener: TcpListener, admin: Admin) -> Result<(SocketAddr, ServerHandle), StartError> {
    let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
    let address = listener.local_addr().unwrap_or(unknown);
    let failed = |error| StartError::Listen { flag: "--admin-listen", address, error };
    let server = HttpServer::new(move || App::new().configure(admin::routes(admin.clone())))
        .workers(1)
        .h1_allow_half_closed(false) // a reader that leaves is noticed at once
        .disable_signals()
        .shutdown_timeout(0)
        .listen(listener)
        .map_err(failed)?
        .run();
    Ok((address, spawn(server)))
}

fn spawn(server: actix_web::dev::Server) -> ServerHandle {
    let handle = server.handle();
    actix_rt::spawn(async move {
        if let Err(error) = server.await {
            log::error!("server ended error={error}");
        }
    });
    handle
}
