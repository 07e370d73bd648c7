//! The traffic server: actix's accept thread and workers, our guard, actix's HTTP/1 dispatcher and our proxy service.

use std::cell::RefCell;
use std::future::ready;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_http::{HttpService, KeepAlive};
use actix_rt::net::TcpStream;
use actix_server::{Server, ServerHandle};
use actix_service::{ServiceFactoryExt, fn_service};

use crate::admin::metrics::MetricsHandle;
use crate::auth::AuthHandle;
use crate::config::Config;
use crate::control::ring::RingHandle;
use crate::control::supervisor::{StartDuration, SupervisorHandle};
use crate::fleet::RouterId;
use crate::observe::access_log::AccessLog;
use crate::proxy::forwarded::Connected;
use crate::proxy::guard::{Admission, ConnectionLimit, GuardedStream};
use crate::proxy::redaction::KeyRedactor;
use crate::proxy::router::{RequestLogger, RequestObserver, RouterHandle};
use crate::proxy::service;
use crate::proxy::socket;

use super::reload::ReloadHandle;
use super::{StartError, spawn};

/// Bytes that are buffered before a write to a client. Measured with replies of 1 MB: a quarter less CPU.
const WRITE_BUFFER: usize = 128 * 1024;

/// Seconds that actix waits for a worker at a stop: more than any `--drain`, which is live and enforced by
/// `Running::stop`.
const MAX_DRAIN: u64 = 48 * 60 * 60;

/// The actors and shared state that every worker uses.
#[derive(Clone)]
pub(super) struct WorkerContext {
    pub ring: RingHandle,
    pub supervisor: SupervisorHandle,
    pub metrics: MetricsHandle,
    pub reload: ReloadHandle,
    pub start_duration: StartDuration,
    pub auth: AuthHandle,
    pub key_redactor: KeyRedactor,
    pub access_log: AccessLog,
    pub connections: ConnectionLimit,
    /// The most connections that a worker accepts.
    pub per_worker: usize,
}

/// Serves the traffic listener, with one router in each worker.
pub(super) fn serve(
    config: &Config,
    listener: TcpListener,
    context: WorkerContext,
) -> Result<(SocketAddr, ServerHandle), StartError> {
    let failed = |error| StartError::Listen { flag: "--listen", address: config.listen, error };
    let address = listener.local_addr().map_err(failed)?;
    let (routing, limits) = (config.router(&context.key_redactor), config.guard());
    let settings = config.service(context.start_duration.clone(), context.auth.clone(), address.port());
    let (ids, logging) = (Arc::new(AtomicU64::new(0)), config.access_log.is_some());
    let builder = Server::build()
        .workers(config.workers)
        // Connections over --max-connections are answered 503; beyond this number actix stops accepting.
        .max_concurrent_connections(context.per_worker)
        .shutdown_timeout(MAX_DRAIN)
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let builder = builder.listen("traffic", listener, move || {
        let (context, routing) = (context.clone(), routing.clone());
        let (ids, stopping, to_supervisor) = (ids.clone(), stopping.clone(), context.supervisor.clone());
        let admission = Rc::new(Admission::new(limits.clone(), context.connections.clone()));
        let settings = Rc::new(RefCell::new(settings.clone()));
        let (live_admission, live_settings) = (admission.clone(), settings.clone());
        let worker = move || {
            let id = RouterId(ids.fetch_add(1, Ordering::Relaxed));
            let WorkerContext {
                ring,
                supervisor,
                metrics,
                reload,
                start_duration,
                auth,
                key_redactor,
                access_log,
                ..
            } = context.clone();
            let (router, counters) = RouterHandle::start(id, routing.clone(), ring, supervisor);
            let log: Rc<dyn RequestObserver> = Rc::new(access_log.observer());
            let request_logger = RequestLogger::new([counters, log]);
            request_logger.record_details(logging); // in force for requests that arrive before the ReloadActor's first reply
            metrics.register(id, router.clone());
            let (admission, settings) = (live_admission.clone(), live_settings.clone());
            let to_router = router.clone();
            let live_logger = request_logger.clone();
            reload.follow(move |_, config| {
                admission.configure(config.guard());
                *settings.borrow_mut() = config.service(start_duration.clone(), auth.clone(), address.port());
                live_logger.record_details(config.access_log.is_some());
                to_router.configure(config.router(&key_redactor));
            });
            (router, request_logger)
        };
        // The guard enforces all deadlines.
        let http = HttpService::build()
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(Duration::ZERO)
            .h1_allow_half_closed(false)
            .h1_write_buffer_size(WRITE_BUFFER)
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .on_connect_ext(|io: &GuardedStream<TcpStream>, extensions| {
                extensions.insert(io.connection());
                extensions.insert(Connected::default());
            })
            .h1(service::service(settings, to_supervisor, worker));
        fn_service(move |io: TcpStream| {
            let opened = socket::prepare(&io, socket::user_timeout([])).and_then(|()| io.peer_addr());
            ready(opened.map(|peer| (admission.guard(io), Some(peer))))
        })
        .map_err(actix_http::error::DispatchError::Io)
        .and_then(http)
    });
    Ok((address, spawn(builder.map_err(failed)?.run())))
}
