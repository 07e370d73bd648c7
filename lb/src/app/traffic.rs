//! The traffic server: actix's accepting thread and workers, our guard, actix's HTTP/1 encoder, our service.

use std::cell::RefCell;
use std::future::ready;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::{Actor, Addr};
use actix_http::{HttpService, KeepAlive};
use actix_rt::net::TcpStream;
use actix_server::{Server, ServerHandle};
use actix_service::{ServiceFactoryExt, fn_service};

use crate::admin::metrics::actor;
use crate::admin::metrics::actor::MetricsActor;
use crate::auth::actor::AuthActor;
use crate::config::Config;
use crate::control::ring::RingActor;
use crate::control::supervisor::{StartTime, SupervisorActor};
use crate::fleet::RouterId;
use crate::observe::access_log::AccessLog;
use crate::observe::redaction::KeyRedactor;
use crate::proxy::forwarded::Connected;
use crate::proxy::guard::{Acceptor, Connections, GuardedStream};
use crate::proxy::router;
use crate::proxy::router::{RequestLogger, RequestObserver, RouterActor};
use crate::proxy::service;
use crate::proxy::socket;

use super::reload::{ReloadActor, follow};
use super::{StartError, parts, spawn};

/// Bytes that are gathered before they are written to a client: measured, a quarter less CPU at 1 MB.
const WRITE_BUFFER: usize = 128 * 1024;

/// Seconds that a worker may take to end, more than any `--drain`: that can change, and we wait for it ourselves.
const LONGEST_DRAIN: u64 = 48 * 60 * 60;

/// What every worker is given.
#[derive(Clone)]
pub(super) struct WorkerContext {
    pub ring: Addr<RingActor>,
    pub supervisor: Addr<SupervisorActor>,
    pub meter: Addr<MetricsActor>,
    pub reload: Addr<ReloadActor>,
    pub start_time: StartTime,
    pub gate: Addr<AuthActor>,
    pub key_redactor: KeyRedactor,
    pub access_log: AccessLog,
    pub connections: Connections,
    /// The most connections that a worker accepts.
    pub per_worker: usize,
}

/// Serves clients on `listener`, by one router for each worker.
pub(super) fn serve(
    config: &Config,
    listener: TcpListener,
    supplies: WorkerContext,
) -> Result<(SocketAddr, ServerHandle), StartError> {
    let failed = |error| StartError::Listen { flag: "--listen", address: config.listen, error };
    let address = listener.local_addr().map_err(failed)?;
    let (routing, limits) = (parts::router(config, &supplies.key_redactor), parts::inbound(config));
    let settings = parts::front(config, supplies.start_time.clone(), supplies.gate.clone(), address.port());
    let (ids, logging) = (Arc::new(AtomicU64::new(0)), config.access_log.is_some());
    let builder = Server::build()
        .workers(config.workers)
        // Beyond this actix stops accepting; before it, connections over --max-connections are answered 503.
        .max_concurrent_connections(supplies.per_worker)
        .shutdown_timeout(LONGEST_DRAIN)
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let builder = builder.listen("traffic", listener, move || {
        let (supplies, routing) = (supplies.clone(), routing.clone());
        let (ids, stopping, to_supervisor) = (ids.clone(), stopping.clone(), supplies.supervisor.clone());
        let door = Rc::new(Acceptor::new(limits.clone(), supplies.connections.clone()));
        let settings = Rc::new(RefCell::new(settings.clone()));
        let (guarding, front) = (door.clone(), settings.clone());
        let worker = move || {
            let id = RouterId(ids.fetch_add(1, Ordering::Relaxed));
            let WorkerContext {
                ring,
                supervisor,
                meter,
                reload,
                start_time,
                gate,
                key_redactor,
                access_log,
                ..
            } = supplies.clone();
            let router = RouterActor::new(id, routing.clone(), ring, supervisor);
            let log: Rc<dyn RequestObserver> = Rc::new(access_log.observer());
            let request_logger = RequestLogger::new([router.observer(), log]);
            request_logger.ask(logging); // what begins before the first word of ReloadActor has its line too
            let router = router.start();
            meter.do_send(actor::Attach { id, router: router.clone() });
            let (door, front, to_router) = (guarding.clone(), front.clone(), router.clone());
            let asking = request_logger.clone();
            follow(reload, move |config| {
                door.configure(parts::inbound(config));
                *front.borrow_mut() = parts::front(config, start_time.clone(), gate.clone(), address.port());
                asking.ask(config.access_log.is_some());
                to_router.do_send(router::Configure(parts::router(config, &key_redactor)));
            });
            (router, request_logger)
        };
        // Every deadline is the guard's.
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
            let user_timeout = socket::user_timeout([Some(door.idle_timeout())]);
            let opened = socket::prepare(&io, user_timeout).and_then(|()| io.peer_addr());
            ready(opened.map(|peer| (door.guard(io), Some(peer))))
        })
        .map_err(actix_http::error::DispatchError::Io)
        .and_then(http)
    });
    Ok((address, spawn(builder.map_err(failed)?.run())))
}
