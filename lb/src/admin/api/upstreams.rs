//! /api/upstreams: adds and removes external servers (`--runtime static`).

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::fleet::{Answer, Command, Vacancy};
use crate::name::Name;
use crate::ring::SeatId;
use crate::runtime::Upstream;

use super::change::{Details, Planned, plan_response};
use crate::admin::Admin;
use crate::admin::error::Error;
use crate::admin::openapi::Failure;
use crate::proxy::control_api::List;
use crate::proxy::error::bad;
use crate::proxy::json;
use crate::proxy::json::Shape;
use crate::proxy::success::Success;

/// How long a change remains in force: no engine records it.
const DURABILITY: &str = "until the process ends, or the list in the configuration file changes";

/// The body of POST.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "upstream": "c=127.0.0.1:8083*50", "dry_run": true }))]
pub(crate) struct NewUpstream {
    /// `[NAME=]HOST:PORT[*WEIGHT]`, as the flag `--upstream` takes it.
    upstream: String,
    /// Only compute the plan: nothing changes.
    dry_run: Option<bool>,
    /// With `dry_run`: keys whose seat before and after the change is reported.
    keys: Option<Vec<String>>,
    /// With `dry_run`: also report the owner of each slot after the change.
    owners: Option<bool>,
}

/// The body of DELETE.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "c", "dry_run": true }))]
pub(crate) struct OldUpstream {
    /// The configured name of the server.
    name: Name,
    /// Only compute the plan: nothing changes.
    dry_run: Option<bool>,
    /// With `dry_run`: keys whose seat before and after the change is reported.
    keys: Option<Vec<String>>,
    /// With `dry_run`: also report the owner of each slot after the change.
    owners: Option<bool>,
}

/// The list of /rep after the change.
#[derive(Serialize, ToSchema)]
struct Listed {
    #[schema(inline)]
    #[serde(flatten)]
    list: List,
    /// The name of the upstream.
    name: Name,
    /// Its seat; `null` if it has left the ring.
    seat: Option<SeatId>,
    /// Why the seat is vacant: no address of the server answers yet. `null`: requests reach it, or it has left the
    /// ring.
    reason: Option<String>,
    /// How long the change remains in force.
    lasts: &'static str,
}

/// The list of replicas after the change, or the plan.
#[derive(ToSchema)]
#[serde(untagged)]
#[allow(dead_code, clippy::large_enum_variant, reason = "the handlers select the variant")]
enum ListedOrPlanned {
    /// The change is in force in every worker.
    Done(Success<Listed>),
    /// The plan of a dry run (`dry_run`).
    Plan(Planned),
}

impl Shape for NewUpstream {
    const LIKE: &'static str = r#"{"upstream":"c=10.0.0.3:8080*50","dry_run":true}"#;
}

impl Shape for OldUpstream {
    const LIKE: &'static str = r#"{"name":"c","dry_run":true}"#;
}

/// Registers the routes of this module.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/api/upstreams", web::post().to(add_upstream))
        .route("/api/upstreams", web::delete().to(remove_upstream));
}

/// Add an external server (--runtime static)
///
/// It gets the smallest free seat. Answered when it gets requests, or when none of its addresses answers: its seat is
/// then vacant, `reason` says why, and it gets requests once it answers. With `"dry_run": true` it answers with the
/// plan.
#[utoipa::path(
    post,
    path = "/api/upstreams",
    request_body = NewUpstream,
    responses((status = 200, description = "The server has its seat; or the plan", body = ListedOrPlanned))
)]
pub(crate) async fn add_upstream(admin: web::Data<Admin>, body: web::Payload) -> Result<HttpResponse, Error> {
    let call: NewUpstream = json::read(body.into_inner(), admin.limits.get()).await?;
    let NewUpstream { upstream, dry_run, keys, owners } = call;
    let upstream: Upstream = upstream.parse().map_err(|error| bad(format!("'upstream': {error}")))?;
    let name = upstream.name.clone();
    let command = Command::AddUpstream(upstream);
    if dry_run.unwrap_or(false) {
        return plan_response(&admin, command, Details { keys, owners }).await;
    }
    Ok(listed(name, admin.supervisor.call(command).await?))
}

/// Remove an external server with its seat (--runtime static)
///
/// Answered when it gets no new requests; requests in flight are completed. With `"dry_run": true` it answers with the
/// plan.
#[utoipa::path(
    delete,
    path = "/api/upstreams",
    request_body = OldUpstream,
    responses(
        (status = 200, description = "The server has left the ring; or the plan", body = ListedOrPlanned),
        (status = 404, description = "There is no such upstream", body = Failure),
    )
)]
pub(crate) async fn remove_upstream(
    admin: web::Data<Admin>,
    body: web::Payload,
) -> Result<HttpResponse, Error> {
    let call: OldUpstream = json::read(body.into_inner(), admin.limits.get()).await?;
    let OldUpstream { name, dry_run, keys, owners } = call;
    let command = Command::RemoveUpstream(name.clone());
    if dry_run.unwrap_or(false) {
        return plan_response(&admin, command, Details { keys, owners }).await;
    }
    Ok(listed(name, admin.supervisor.call(command).await?))
}

fn listed(name: Name, Answer { replicas, about, vacancy, .. }: Answer) -> HttpResponse {
    let (seat, _) = about.unzip();
    let reason = vacancy.map(|Vacancy { last_error, .. }| last_error);
    HttpResponse::Ok().json(Success::new(Listed {
        list: List::new(replicas),
        name,
        seat,
        reason,
        lasts: DURABILITY,
    }))
}
