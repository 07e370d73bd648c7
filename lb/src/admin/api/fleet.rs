//! One replica or seat, steered by hand: /api/replicas/{name}/drain, /undrain and /replace, /api/seats/{seat}/weight;
//! and all of them: /api/rolling-replace.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoResponses, ToSchema};

use crate::control::supervisor::{Drain, Plan, Replace, RollingReplace, Undrain, Weigh};
use crate::fleet::Answer;
use crate::name::Name;
use crate::ring::{SeatId, Weight};

use super::change::{Details, Planned, planned, to_seat};
use crate::admin::Admin;
use crate::admin::openapi::Failure;
use crate::proxy::control_api;
use crate::proxy::control_api::List;
use crate::proxy::error::Error;
use crate::proxy::json;
use crate::proxy::json::Shape;
use crate::proxy::success::Success;

/// Whom a call was about, and what /rep lists.
#[derive(Serialize, ToSchema)]
struct Steered {
    #[schema(inline)]
    #[serde(flatten)]
    list: List,
    seat: Option<SeatId>,
    /// Who has the seat, or had it.
    replica: Option<Name>,
    /// How long it lasts, if it does not for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    lasts: Option<&'static str>,
    /// Who gave its seat to the new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    replaced: Option<Name>,
}

/// It has begun.
#[derive(Serialize, ToSchema)]
struct Rolling {
    /// How many replicas will be replaced.
    total: usize,
}

/// Of /api/seats/{seat}/weight.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "weight": 200 }))]
struct Weighing {
    weight: Weight,
    /// Only the plan.
    dry_run: Option<bool>,
    /// With `dry_run`: what becomes of these.
    keys: Option<Vec<String>>,
    /// With `dry_run`: who would own each slot, too.
    owners: Option<bool>,
}

/// What has changed.
#[derive(Serialize, ToSchema)]
struct Weighed {
    seat: SeatId,
    weight: Weight,
    epoch: u64,
    slots_moved: u32,
    digest: String,
    /// How long.
    lasts: &'static str,
}

/// The weight that was given, or the plan.
#[derive(ToSchema)]
#[serde(untagged)]
#[allow(dead_code, clippy::large_enum_variant, reason = "the handler knows which of the two it answers")]
enum WeighedOrPlanned {
    /// Every worker goes by it.
    Done(Success<Weighed>),
    /// With `dry_run`.
    Plan(Planned),
}

/// Why a replica was not steered.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "it describes what http::error answers")]
enum Unsteered {
    /// There is no such replica, or no more
    #[response(status = 404)]
    Unknown(Failure),
    /// Not now: the message says why
    #[response(status = 409)]
    NotNow(Failure),
}

impl Shape for Weighing {
    const LIKE: &'static str = r#"{"weight":200}, 1 to 1000 where 100 is the usual share"#;
}

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/api/replicas/{name}/drain", web::post().to(drain))
        .route("/api/replicas/{name}/undrain", web::post().to(undrain))
        .route("/api/replicas/{name}/replace", web::post().to(replace))
        .route("/api/rolling-replace", web::post().to(rolling_replace))
        .route("/api/seats/{seat}/weight", web::put().to(weigh));
}

/// Take a replica out of the ring, and keep it
#[utoipa::path(
    post,
    path = "/api/replicas/{name}/drain",
    params(("name" = Name, Path, description = "Its hostname")),
    responses((status = 200, description = "No request reaches it any more", body = Success<Steered>), Unsteered)
)]
pub(crate) async fn drain(admin: web::Data<Admin>, name: web::Path<String>) -> Result<HttpResponse, Error> {
    let drained = control_api::change(&admin.supervisor, Drain(name.parse()?)).await?;
    Ok(done(Steered { lasts: Some(admin.lasts), ..drained.into() }))
}

/// Give a drained replica its seat back
#[utoipa::path(
    post,
    path = "/api/replicas/{name}/undrain",
    params(("name" = Name, Path, description = "Its hostname")),
    responses((status = 200, description = "Requests go there again", body = Success<Steered>), Unsteered)
)]
pub(crate) async fn undrain(admin: web::Data<Admin>, name: web::Path<String>) -> Result<HttpResponse, Error> {
    let serves = control_api::change(&admin.supervisor, Undrain(name.parse()?)).await?;
    Ok(done(Steered::from(serves)))
}

/// Start a new replica in the same seat; the answer names it
#[utoipa::path(
    post,
    path = "/api/replicas/{name}/replace",
    params(("name" = Name, Path, description = "Its hostname")),
    responses((status = 200, description = "The new one has the seat", body = Success<Steered>), Unsteered)
)]
pub(crate) async fn replace(admin: web::Data<Admin>, name: web::Path<String>) -> Result<HttpResponse, Error> {
    let replaced: Name = name.parse()?;
    let serves = control_api::change(&admin.supervisor, Replace(replaced.clone())).await?;
    Ok(done(Steered { replaced: Some(replaced), ..serves.into() }))
}

/// Replace all replicas, one after the other
///
/// How far it is says /api/events, and "rolling" in /api/state.
#[utoipa::path(
    post,
    path = "/api/rolling-replace",
    responses(
        (status = 202, description = "It has begun", body = Success<Rolling>),
        (status = 409, description = "One is under way", body = Failure),
    )
)]
pub(crate) async fn rolling_replace(admin: web::Data<Admin>) -> Result<HttpResponse, Error> {
    let total = control_api::change(&admin.supervisor, RollingReplace).await?;
    Ok(HttpResponse::Accepted().json(Success::new(Rolling { total })))
}

/// Give a seat another weight
///
/// `{"weight":200}`; with `"dry_run": true` the plan.
#[utoipa::path(
    put,
    path = "/api/seats/{seat}/weight",
    params(("seat" = SeatId, Path, description = "Its number")),
    request_body = Weighing,
    responses(
        (status = 200, description = "Every worker goes by it; or the plan", body = WeighedOrPlanned),
        (status = 404, description = "There is no such seat", body = Failure),
    )
)]
pub(crate) async fn weigh(
    admin: web::Data<Admin>,
    seat: web::Path<String>,
    body: web::Payload,
) -> Result<HttpResponse, Error> {
    let body: Weighing = json::read(body.into_inner(), admin.limits.get()).await?;
    let (seat, Weighing { weight, dry_run, keys, owners }) = (to_seat(&seat)?, body);
    if dry_run.unwrap_or(false) {
        return planned(&admin, Plan::Weigh(vec![(seat, weight)]), Details { keys, owners }).await;
    }
    let plan = control_api::change(&admin.supervisor, Weigh { seat, weight }).await?;
    let (epoch, slots_moved, digest) = (plan.epoch_after, plan.slots_moved, plan.digest);
    Ok(done(Weighed { seat, weight, epoch, slots_moved, digest, lasts: admin.lasts }))
}

impl From<Answer> for Steered {
    fn from(Answer { replicas, about, .. }: Answer) -> Self {
        let (seat, replica) = about.unzip();
        Self { list: List::new(replicas), seat, replica, lasts: None, replaced: None }
    }
}

fn done(message: impl Serialize) -> HttpResponse {
    HttpResponse::Ok().json(Success::new(message))
}
