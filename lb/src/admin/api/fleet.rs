//! Operations on one replica or seat: /api/replicas/{name}/drain, /undrain and /replace, /api/seats/{seat}/weight; and
//! on all replicas: /api/rolling-replace.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoResponses, ToSchema};

use crate::fleet::{Answer, Command, Progress};
use crate::name::Name;
use crate::ring::{SeatId, Weight};

use super::change::{Details, Planned, plan_response};
use super::seat::parse_seat;
use crate::admin::Admin;
use crate::admin::error::Error;
use crate::admin::openapi::Failure;
use crate::proxy::control_api::List;
use crate::proxy::json;
use crate::proxy::json::Shape;
use crate::proxy::success::Success;

/// The seat and replica of an operation, with the list of /rep.
#[derive(Serialize, ToSchema)]
struct Steered {
    #[schema(inline)]
    #[serde(flatten)]
    list: List,
    seat: Option<SeatId>,
    /// The replica that occupies the seat, or was drained from it.
    replica: Option<Name>,
    /// How long a drain remains in force; absent for other operations.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    lasts: Option<&'static str>,
    /// The replica that the new one replaces; absent for other operations.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    replaced: Option<Name>,
}

/// A rolling replacement that has begun.
#[derive(Serialize, ToSchema)]
struct Rolling {
    /// The number of replicas that will be replaced.
    total: usize,
}

/// The body of /api/seats/{seat}/weight.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "weight": 200 }))]
struct Weighing {
    weight: Weight,
    /// Only compute the plan: nothing changes.
    dry_run: Option<bool>,
    /// With `dry_run`: keys whose seat before and after the change is reported.
    keys: Option<Vec<String>>,
    /// With `dry_run`: also report the owner of each slot after the change.
    owners: Option<bool>,
}

/// The new weight and its effect.
#[derive(Serialize, ToSchema)]
struct Weighed {
    seat: SeatId,
    weight: Weight,
    epoch: u64,
    slots_moved: u32,
    digest: String,
    /// How long the weight remains in force.
    lasts: &'static str,
}

/// The new weight, or the plan.
#[derive(ToSchema)]
#[serde(untagged)]
#[allow(
    dead_code,
    clippy::large_enum_variant,
    reason = "only the schema; the handler serialises the variant"
)]
enum WeighedOrPlanned {
    /// Every worker uses the new weight.
    Done(Success<Weighed>),
    /// The plan of a dry run (`dry_run`).
    Plan(Planned),
}

/// Why an operation on a replica was refused.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "only the schema; `proxy::error` makes the response")]
enum Unsteered {
    /// There is no such replica, or it has ended
    #[response(status = 404)]
    Unknown(Failure),
    /// Not possible now: the message says why
    #[response(status = 409)]
    NotNow(Failure),
}

impl Shape for Weighing {
    const LIKE: &'static str = r#"{"weight":200}, 1 to 1000 where 100 is the usual share"#;
}

/// Registers the routes of this module.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/api/replicas/{name}/drain", web::post().to(drain))
        .route("/api/replicas/{name}/undrain", web::post().to(undrain))
        .route("/api/replicas/{name}/replace", web::post().to(replace))
        .route("/api/rolling-replace", web::post().to(rolling_replace))
        .route("/api/seats/{seat}/weight", web::put().to(weigh));
}

/// Take a replica out of routing and keep it alive
#[utoipa::path(
    post,
    path = "/api/replicas/{name}/drain",
    params(("name" = Name, Path, description = "The hostname of the replica")),
    responses((status = 200, description = "It gets no more requests", body = Success<Steered>), Unsteered)
)]
pub(crate) async fn drain(admin: web::Data<Admin>, name: web::Path<String>) -> Result<HttpResponse, Error> {
    let drained = admin.supervisor.call(Command::Cordon(name.parse()?)).await?;
    Ok(success(Steered { lasts: Some(admin.durability), ..drained.into() }))
}

/// Give a drained replica its seat back
#[utoipa::path(
    post,
    path = "/api/replicas/{name}/undrain",
    params(("name" = Name, Path, description = "The hostname of the replica")),
    responses((status = 200, description = "It gets requests again", body = Success<Steered>), Unsteered)
)]
pub(crate) async fn undrain(admin: web::Data<Admin>, name: web::Path<String>) -> Result<HttpResponse, Error> {
    let serves = admin.supervisor.call(Command::Uncordon(name.parse()?)).await?;
    Ok(success(Steered::from(serves)))
}

/// Start a new replica in the same seat
#[utoipa::path(
    post,
    path = "/api/replicas/{name}/replace",
    params(("name" = Name, Path, description = "The hostname of the replica")),
    responses((status = 200, description = "The new replica occupies the seat", body = Success<Steered>), Unsteered)
)]
pub(crate) async fn replace(admin: web::Data<Admin>, name: web::Path<String>) -> Result<HttpResponse, Error> {
    let replaced: Name = name.parse()?;
    let serves = admin.supervisor.call(Command::Replace(replaced.clone())).await?;
    Ok(success(Steered { replaced: Some(replaced), ..serves.into() }))
}

/// Replace all replicas, one after the other
///
/// Its progress is in /api/events and in "rolling" of /api/state.
#[utoipa::path(
    post,
    path = "/api/rolling-replace",
    responses(
        (status = 202, description = "The replacement has begun", body = Success<Rolling>),
        (status = 409, description = "A rolling replacement is under way already", body = Failure),
    )
)]
pub(crate) async fn rolling_replace(admin: web::Data<Admin>) -> Result<HttpResponse, Error> {
    let begun = admin.supervisor.call(Command::RollingReplace).await?;
    let total = begun.rolling.map_or(0, |Progress { total, .. }| total);
    Ok(HttpResponse::Accepted().json(Success::new(Rolling { total })))
}

/// Set the weight of a seat
///
/// The body is `{"weight":200}`, 1 to 1000. With `"dry_run": true` it answers with the plan.
#[utoipa::path(
    put,
    path = "/api/seats/{seat}/weight",
    params(("seat" = SeatId, Path, description = "The number of the seat")),
    request_body = Weighing,
    responses(
        (status = 200, description = "Every worker uses the weight; or the plan", body = WeighedOrPlanned),
        (status = 404, description = "There is no such seat", body = Failure),
    )
)]
pub(crate) async fn weigh(
    admin: web::Data<Admin>,
    seat: web::Path<String>,
    body: web::Payload,
) -> Result<HttpResponse, Error> {
    let body: Weighing = json::read(body.into_inner(), admin.limits.get()).await?;
    let (seat, Weighing { weight, dry_run, keys, owners }) = (parse_seat(&seat)?, body);
    let command = Command::Weigh(vec![(seat, weight)]);
    if dry_run.unwrap_or(false) {
        return plan_response(&admin, command, Details { keys, owners }).await;
    }
    let plan = admin.supervisor.call_with_plan(command).await?;
    let (epoch, slots_moved, digest) = (plan.epoch_after, plan.slots_moved, plan.digest);
    Ok(success(Weighed { seat, weight, epoch, slots_moved, digest, lasts: admin.durability }))
}

impl From<Answer> for Steered {
    fn from(Answer { replicas, about, .. }: Answer) -> Self {
        let (seat, replica) = about.unzip();
        Self { list: List::new(replicas), seat, replica, lasts: None, replaced: None }
    }
}

fn success(message: impl Serialize) -> HttpResponse {
    HttpResponse::Ok().json(Success::new(message))
}
