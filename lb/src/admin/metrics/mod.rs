//! /metrics: all counters and gauges, in the text format of Prometheus.
//!
//! - `actor`: collects the counters of the routers · `aggregate`: adds them up
//! - `exposition`: the text format · `requests`, `fleet`, `process`: the families

pub mod actor;
pub mod aggregate;
mod exposition;
mod fleet;
mod process;
mod requests;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, web};
use futures::future::join;

use crate::control::journal::Count;
use crate::control::ring::Snapshot;
use crate::control::supervisor::GetState;
use crate::fleet::CommandError;
use crate::observe::access_log;
use actor::{GetTraffic, Scrape};

use super::Admin;
use crate::admin::error::Error;

use exposition::Exposition;

/// All metrics, for Prometheus
///
/// The counters include every request that has ended.
#[utoipa::path(
    method(get, head),
    path = "/metrics",
    responses((status = 200, description = "The text format of Prometheus", body = String, content_type = "text/plain"))
)]
pub async fn metrics(admin: web::Data<Admin>) -> Result<HttpResponse, Error> {
    let (totals, traffic) = join(admin.metrics.send(Scrape), admin.metrics.send(GetTraffic)).await;
    let (ring, state) = join(admin.ring.send(Snapshot), admin.supervisor.send(GetState)).await;
    let audience = admin.journal.send(Count).await;
    let stopping = |_| CommandError::Stopping;
    let (totals, traffic) = (totals.map_err(stopping)?, traffic.map_err(stopping)?);
    let (ring, state) = (ring.map_err(stopping)?, state.map_err(stopping)?);

    let mut exposition = Exposition::default();
    requests::expose(&mut exposition, &totals, &state.view);
    let help = "Open client connections, without those beyond the limit, which are answered 503.";
    exposition.gauge("lb_connections_open", help, admin.connections.open() as f64);
    exposition.gauge(
        "lb_connections_max",
        "Limit of open client connections.",
        admin.connections.limit() as f64,
    );
    fleet::expose(&mut exposition, &ring, &state, &traffic, &audience.map_err(stopping)?);
    let access_log::Counts { written, dropped } = admin.access_log.counts();
    exposition.counter("lb_access_log_lines_total", "Lines written to the access log.", written);
    let help = "Access log lines that were dropped because the queue was full or the write failed.";
    exposition.counter("lb_access_log_lines_dropped_total", help, dropped);
    process::expose(&mut exposition);
    let build = [("version", env!("CARGO_PKG_VERSION")), ("cluster", admin.cluster.as_str())];
    exposition
        .gauges("lb_build_info", "Version and cluster of this balancer; the value is always 1.")
        .set(&build, 1.0);
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, exposition::CONTENT_TYPE)).body(exposition.text()))
}
