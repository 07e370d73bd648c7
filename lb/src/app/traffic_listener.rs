//! The traffic server: in each worker a router, our dispatcher and our proxy service.

use std::cell::RefCell;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::admin::metrics::MetricsHandle;
use crate::auth::AuthHandle;
use crate::config::Config;
use crate::control::ring::RingHandle;
use crate::control::supervisor::{StartDuration, SupervisorHandle};
use crate::fleet::RouterId;
use crate::observe::access_log::AccessLog;
use crate::proxy::dispatcher::{Admission, ConnectionLimit};
use crate::proxy::redaction::KeyRedactor;
use crate::proxy::router::{RequestLogger, RequestObserver, RouterHandle};
use crate::proxy::service::ProxyService;
use crate::proxy::socket;

use super::StartError;
use super::reload::ReloadHandle;
use super::workers::{Worker, Workers};

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
) -> Result<(SocketAddr, Workers), StartError> {
    let failed = |error| StartError::Listen { flag: "--listen", address: config.listen, error };
    let address = listener.local_addr().map_err(failed)?;
    socket::prepare_listener(&listener).map_err(failed)?;
    let (routing, limits) = (config.router(&context.key_redactor), config.client_connections());
    let settings = config.service(context.start_duration.clone(), context.auth.clone(), address.port());
    let (ids, logging) = (Arc::new(AtomicU64::new(0)), config.access_log.is_some());
    let max_open = context.per_worker;
    let workers = Workers::start(config.workers, listener, max_open, move || {
        let id = RouterId(ids.fetch_add(1, Ordering::Relaxed));
        let admission = Rc::new(Admission::new(limits.clone(), context.connections.clone()));
        let settings = Rc::new(RefCell::new(settings.clone()));
        let WorkerContext { ring, supervisor, metrics, reload, access_log, .. } = context.clone();
        let WorkerContext { start_duration, auth, key_redactor, .. } = context.clone();
        let (router, counters) = RouterHandle::start(id, routing.clone(), ring, supervisor.clone());
        let log: Rc<dyn RequestObserver> = Rc::new(access_log.observer());
        let request_logger = RequestLogger::new([counters, log]);
        request_logger.record_details(logging); // in force for requests that arrive before the ReloadActor's first reply
        metrics.register(id, router.clone());
        let (live_admission, live_settings) = (admission.clone(), settings.clone());
        let (live_router, live_logger) = (router.clone(), request_logger.clone());
        reload.follow(move |_, config| {
            live_admission.configure(config.client_connections());
            *live_settings.borrow_mut() =
                config.service(start_duration.clone(), auth.clone(), address.port());
            live_logger.record_details(config.access_log.is_some());
            live_router.configure(config.router(&key_redactor));
        });
        let service = Rc::new(ProxyService::new(settings, supervisor, router, request_logger));
        async { Worker { admission, service } }
    });
    Ok((address, workers.map_err(failed)?))
}
