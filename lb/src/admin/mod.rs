//! The management plane: the API, the metrics and the dashboard of the admin listener.
//!
//! - `access`: the middleware that authorises a request (token, session cookie, `Host`, cross-site rules)
//! - `api`: the handlers below /api · `metrics`: /metrics and the actor that collects the counters of the routers
//! - `dashboard`: the static files of the dashboard · `openapi`: the description of all of these
//! - `error`: errors and their status codes

mod access;
pub mod api;
pub mod dashboard;
mod error;
pub mod metrics;
mod openapi;

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, Route, guard, web};

use crate::control::journal::JournalHandle;
use crate::control::ring::RingHandle;
use crate::control::supervisor::SupervisorHandle;
use crate::observe::access_log::AccessLog;
use crate::proxy::dispatcher::ConnectionLimit;
use crate::proxy::router::Skip;
use crate::ring::Incarnation;
use metrics::MetricsHandle;

use crate::proxy::control_api;
use crate::proxy::error::readiness;

pub use api::clock::Clock;

pub use api::reload::{Difference, NotReloaded, Reload, ReloadHandle};

pub use access::{Access, Settings, authorize, reject};
use error::Error;

/// The actors and shared state that the handlers use.
#[derive(Clone)]
pub struct Admin {
    /// The label that separates balancers on one engine (`--cluster`).
    pub cluster: String,
    /// How long a weight or a cordon that was set through the API remains in force, for people.
    pub durability: &'static str,
    /// Slot map, epoch and walks.
    pub ring: RingHandle,
    /// The transitions of the fleet and their subscribers.
    pub journal: JournalHandle,
    /// The counters of all routers.
    pub metrics: MetricsHandle,
    /// The state of the fleet, and its changes.
    pub supervisor: SupervisorHandle,
    /// Converts monotonic instants to the time of day.
    pub clock: Clock,
    /// The limits for the body of a change.
    pub limits: control_api::LiveLimits,
    /// Its counters are exposed as metrics.
    pub access_log: AccessLog,
    /// The open connections of the traffic listener.
    pub connections: ConnectionLimit,
    /// Reads the configuration file again.
    pub reload: ReloadHandle,
}

/// Registers every route of the admin listener.
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

/// A route for GET and HEAD.
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

/// Whether the process is alive
#[utoipa::path(method(get, head), path = "/livez", responses((status = 200, description = "It is alive")))]
async fn livez() -> HttpResponse {
    HttpResponse::Ok().finish()
}

/// Whether requests can be served: at least one replica is ready, and the balancer is not stopping
#[utoipa::path(
    method(get, head),
    path = "/readyz",
    responses((status = 200, description = "Ready"), (status = 503, description = "Not ready"))
)]
async fn readyz(admin: web::Data<Admin>) -> HttpResponse {
    HttpResponse::build(readiness(admin.supervisor.is_ready().await)).finish()
}

/// Why a router would skip a replica now; `None` if no router would.
fn skip(skips: &BTreeMap<Incarnation, Option<Skip>>, replica: Incarnation) -> Option<&'static str> {
    Some(skips.get(&replica).copied()??.as_str())
}
