//! /metrics: all counters and gauges, in the text format of Prometheus.
//!
//! - `actor`: collects the counters of the routers · `aggregate`: adds them up
//! - `exposition`: the text format · `requests`, `fleet`, `process`: the families

mod actor;
pub mod aggregate;
mod exposition;
mod fleet;
mod handle;
mod process;
mod requests;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, web};
use futures::future::try_join;

use crate::observe::access_log;

use super::Admin;
use crate::admin::error::Error;

use exposition::Exposition;

pub use handle::MetricsHandle;

/// All metrics, for Prometheus
///
/// The counters include every request that has ended.
#[utoipa::path(
    method(get, head),
    path = "/metrics",
    responses((status = 200, description = "The text format of Prometheus", body = String, content_type = "text/plain"))
)]
pub async fn metrics(admin: web::Data<Admin>) -> Result<HttpResponse, Error> {
    let (totals, traffic) = try_join(admin.metrics.scrape(), admin.metrics.traffic()).await?;
    let (ring, state) = try_join(admin.ring.snapshot(), admin.supervisor.state()).await?;
    let subscribers = admin.journal.subscribers().await?;

    let mut exposition = Exposition::default();
    requests::expose(&mut exposition, &totals, &state.view);
    let help = "Open client connections, without those beyond the limit, which are answered 503.";
    exposition.gauge("lb_connections_open", help, admin.connections.open() as f64);
    exposition.gauge(
        "lb_connections_max",
        "Limit of open client connections.",
        admin.connections.limit() as f64,
    );
    fleet::expose(&mut exposition, &ring, &state, &traffic, &subscribers);
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
