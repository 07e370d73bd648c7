//! The traffic server: actix's accepting thread and workers, our guard, actix's HTTP/1 encoder, our service.

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

use crate::actors::ring::RingActor;
use crate::actors::router::RouterActor;
use crate::actors::supervisor::SupervisorActor;
use crate::config::Config;
use crate::fleet::RouterId;
use crate::http::forwarded::Connected;
use crate::http::front;
use crate::inbound::{Connections, Door, Guarded};
use crate::socket;

use super::{StartError, parts, spawn};

/// Bytes that are gathered before they are written to a client: measured, a quarter less CPU at 1 MB.
const WRITE_BUFFER: usize = 128 * 1024;

/// Serves clients on `listener`, by one router for each worker.
pub(super) fn serve(
    config: &Config,
    settings: front::Settings,
    listener: TcpListener,
    ring: Addr<RingActor>,
    supervisor: Addr<SupervisorActor>,
) -> Result<(SocketAddr, ServerHandle), StartError> {
    let failed = |error| StartError::Listen { flag: "--listen", address: config.listen, error };
    let address = listener.local_addr().map_err(failed)?;
    let connections = Connections::new(config.max_connections);
    let (routing, limits) = (parts::router(config), parts::inbound(config));
    let ids = Arc::new(AtomicU64::new(0));
    let builder = Server::build()
        .workers(config.workers)
        // actix would stop accepting; we answer 503 before.
        .max_concurrent_connections(config.max_connections.saturating_add(1024))
        .shutdown_timeout(config.drain.as_secs().saturating_add(1))
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let builder = builder.listen("traffic", listener, move || {
        let (ring, supervisor, routing) = (ring.clone(), supervisor.clone(), routing.clone());
        let (ids, stopping, to_supervisor) = (ids.clone(), stopping.clone(), supervisor.clone());
        let door = Rc::new(Door::new(limits, connections.clone()));
        let router = move || {
            let id = RouterId(ids.fetch_add(1, Ordering::Relaxed));
            RouterActor::new(id, routing.clone(), ring.clone(), supervisor.clone()).start()
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
            .on_connect_ext(|io: &Guarded<TcpStream>, extensions| {
                extensions.insert(io.connection());
                extensions.insert(Connected::default());
            })
            .h1(front::service(settings.clone(), to_supervisor, router));
        fn_service(move |io: TcpStream| {
            let opened = socket::prepare(&io).and_then(|()| io.peer_addr());
            ready(opened.map(|peer| (door.guard(io), Some(peer))))
        })
        .map_err(actix_http::error::DispatchError::Io)
        .and_then(http)
    });
    Ok((address, spawn(builder.map_err(failed)?.run())))
}
