//! The admin listener: what the fleet does, why a key goes where it goes, and how the fleet is changed.
//!
//! - `access`: who may ask
//! - `state`, `ring`, `explain`, `events`, `history`, `traffic`, `hot_keys`, `metrics`, `logs`: what there is to see
//! - `change`: /api/plan, /api/add and /api/remove · `upstreams`: /api/upstreams · `fleet`: one replica or seat, steered · `reload`: /api/reload
//! - `query`: parameters · `openapi`: all of it, described

mod access;
mod change;
mod clock;
mod events;
mod explain;
mod fleet;
mod history;
mod hot_keys;
mod logs;
mod metrics;
mod openapi;
mod query;
mod reload;
mod ring;
mod state;
mod traffic;
mod upstreams;

use std::collections::BTreeMap;

use actix::{Addr, Recipient};
use actix_web::{HttpRequest, HttpResponse, Route, guard, web};

use crate::access_log::AccessLog;
use crate::actors::journal::JournalActor;
use crate::actors::meter::MeterActor;
use crate::actors::ring::RingActor;
use crate::actors::router::Skip;
use crate::actors::supervisor::{Ready, SupervisorActor};
use crate::inbound::Connections;
use crate::ring::Incarnation;

use super::error::Error;
use super::{control, dashboard};

pub use clock::Clock;

pub use reload::Reload;

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
    pub meter: Addr<MeterActor>,
    /// The fleet.
    pub supervisor: Addr<SupervisorActor>,
    /// The time of day.
    pub clock: Clock,
    /// The body of a change.
    pub limits: control::LiveLimits,
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
            .route("/api/state", read().to(state::state))
            .route("/api/explain", read().to(explain::explain))
            .route("/api/replicas/{name}/logs", web::get().to(logs::logs))
            .route("/api/ring", read().to(ring::ring))
            .route("/api/hot-keys", read().to(hot_keys::hot_keys))
            .route("/api/history", read().to(history::history))
            .route("/api/events", web::get().to(events::events))
            .route("/metrics", read().to(metrics::metrics))
            .route("/api/traffic", read().to(traffic::traffic))
            .configure(access::routes)
            .configure(change::routes)
            .configure(dashboard::routes)
            .configure(fleet::routes)
            .configure(upstreams::routes)
            .route("/api/reload", web::post().to(reload::reload))
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
