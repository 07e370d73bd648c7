//! The admin listener: what the fleet does, why a key goes where it goes, and how the fleet is changed.
//!
//! - `access`: who may ask
//! - `state`, `ring`, `explain`, `events`, `history`, `traffic`, `hot_keys`, `metrics`, `logs`: what there is to see
//! - `change`: /api/plan, /api/add and /api/remove · `upstreams`: /api/upstreams · `fleet`: one replica or seat, steered · `reload`: /api/reload
//! - `query`: parameters · `openapi`: all of it, described

mod access;
pub mod api;
pub mod dashboard;
pub mod metrics;
mod openapi;

use std::collections::BTreeMap;

use actix::{Addr, Recipient};
use actix_web::{HttpRequest, HttpResponse, Route, guard, web};

use crate::control::journal::JournalActor;
use crate::control::ring::RingActor;
use crate::control::supervisor::{Ready, SupervisorActor};
use crate::observe::access_log::AccessLog;
use crate::proxy::guard::Connections;
use crate::proxy::router::Skip;
use crate::ring::Incarnation;
use metrics::actor::MetricsActor;

use crate::proxy::control_api;
use crate::proxy::error::Error;

pub use api::clock::Clock;

pub use api::reload::Reload;

pub use access::{Access, admit, refuse};

/// What the admin listener asks.
#[derive(Clone)]
pub struct Admin {
    /// The name that separates balancers on one engine.
    pub cluster: String,
    /// How long a weight or a drain lasts that the API has set.
    pub lasts: &'static str,
    /// The ring.
    pub ring: Addr<RingActor>,
    /// The events.
    pub journal: Addr<JournalActor>,
    /// What the routers measure.
    pub meter: Addr<MetricsActor>,
    /// The fleet.
    pub supervisor: Addr<SupervisorActor>,
    /// The time of day.
    pub clock: Clock,
    /// The body of a change.
    pub limits: control_api::LiveLimits,
    /// The access log.
    pub access_log: AccessLog,
    /// Those of clients.
    pub connections: Connections,
    /// The configuration.
    pub reload: Recipient<Reload>,
}

/// The routes.
pub fn routes(admin: Admin) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config
            .app_data(web::Data::new(admin))
            .route("/livez", read().to(livez))
            .route("/api/openapi.json", read().to(openapi::document))
            .route("/readyz", read().to(readyz))
            .route("/api/state", read().to(api::state::state))
            .route("/api/explain", read().to(api::explain::explain))
            .route("/api/replicas/{name}/logs", web::get().to(api::logs::logs))
            .route("/api/ring", read().to(api::ring::ring))
            .route("/api/hot-keys", read().to(api::hot_keys::hot_keys))
            .route("/api/history", read().to(api::history::history))
            .route("/api/events", web::get().to(api::events::events))
            .route("/metrics", read().to(metrics::metrics))
            .route("/api/traffic", read().to(api::traffic::traffic))
            .configure(access::routes)
            .configure(api::change::routes)
            .configure(dashboard::routes)
            .configure(api::fleet::routes)
            .configure(api::upstreams::routes)
            .route("/api/reload", web::post().to(api::reload::reload))
            .default_service(web::to(no_such_path));
    }
}

/// GET and HEAD.
fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn no_such_path(request: HttpRequest) -> Result<HttpResponse, Error> {
    let what = format!("{} {}", request.method(), request.path());
    match openapi::allowed(request.path()) {
        Some(allowed) => Err(Error::NotAllowed { what, allowed }),
        None => Err(Error::NoSuchPath(what)),
    }
}

/// Whether the process lives
#[utoipa::path(method(get, head), path = "/livez", responses((status = 200, description = "It does")))]
async fn livez() -> HttpResponse {
    HttpResponse::Ok().finish()
}

/// Whether requests can be served: at least one replica is ready, and the balancer is not stopping
#[utoipa::path(
    method(get, head),
    path = "/readyz",
    responses((status = 200, description = "They can"), (status = 503, description = "They cannot"))
)]
async fn readyz(admin: web::Data<Admin>) -> HttpResponse {
    match admin.supervisor.send(Ready).await {
        Ok(true) => HttpResponse::Ok().finish(),
        _ => HttpResponse::ServiceUnavailable().finish(),
    }
}

/// Why a request would pass a replica over now.
fn skip(skips: &BTreeMap<Incarnation, Option<Skip>>, replica: Incarnation) -> Option<&'static str> {
    Some(skips.get(&replica).copied()??.as_str())
}
