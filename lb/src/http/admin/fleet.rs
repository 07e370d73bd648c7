//! One replica or seat, steered by hand: /api/replicas/{name}/drain, /undrain and /replace, /api/seats/{seat}/weight;
//! and all of them: /api/rolling-replace.

use actix::{Handler, Message};
use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use crate::actors::supervisor::{Drain, Plan, Replace, RollingReplace, SupervisorActor, Undrain, Weigh};
use crate::fleet::{Answer, Refusal};
use crate::name::Name;
use crate::ring::SeatId;

use super::super::control;
use super::super::error::Error;
use super::openapi::{Rolling, Steered, Unsteered, Weighed, Weighing};
use super::{Admin, change};

/// How long what no label of the engine can carry lasts.
const LASTS: &str = "until the process ends";

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
    responses((status = 200, description = "No request reaches it any more", body = Steered), Unsteered)
)]
pub(super) async fn drain(admin: web::Data<Admin>, name: web::Path<String>) -> Result<HttpResponse, Error> {
    let mut message = steered(ask(&admin, Drain(name.parse()?)).await?);
    message["lasts"] = LASTS.into();
    Ok(done(message))
}

/// Give a drained replica its seat back
#[utoipa::path(
    post,
    path = "/api/replicas/{name}/undrain",
    params(("name" = Name, Path, description = "Its hostname")),
    responses((status = 200, description = "Requests go there again", body = Steered), Unsteered)
)]
pub(super) async fn undrain(admin: web::Data<Admin>, name: web::Path<String>) -> Result<HttpResponse, Error> {
    Ok(done(steered(ask(&admin, Undrain(name.parse()?)).await?)))
}

/// Start a new replica in the same seat; the answer names it
#[utoipa::path(
    post,
    path = "/api/replicas/{name}/replace",
    params(("name" = Name, Path, description = "Its hostname")),
    responses((status = 200, description = "The new one has the seat", body = Steered), Unsteered)
)]
pub(super) async fn replace(admin: web::Data<Admin>, name: web::Path<String>) -> Result<HttpResponse, Error> {
    let mut message = steered(ask(&admin, Replace(name.parse()?)).await?);
    message["replaced"] = name.into_inner().into();
    Ok(done(message))
}

/// Replace all replicas, one after the other
///
/// How far it is says /api/events, and "rolling" in /api/state.
#[utoipa::path(
    post,
    path = "/api/rolling-replace",
    responses((status = 202, description = "It has begun", body = Rolling), Unsteered)
)]
pub(super) async fn rolling_replace(admin: web::Data<Admin>) -> Result<HttpResponse, Error> {
    let total = ask(&admin, RollingReplace).await?;
    let message = json!({ "message": { "total": total }, "status": "successful" });
    Ok(HttpResponse::Accepted().json(message))
}

/// Give a seat another weight
///
/// `{"weight":200}`; with `"dry_run": true` the plan.
#[utoipa::path(
    put,
    path = "/api/seats/{seat}/weight",
    params(("seat" = SeatId, Path, description = "Its number")),
    request_body = Weighing,
    responses((status = 200, description = "Every worker goes by it; or the plan", body = Weighed), Unsteered)
)]
pub(super) async fn weigh(
    admin: web::Data<Admin>,
    seat: web::Path<String>,
    body: web::Payload,
) -> Result<HttpResponse, Error> {
    let fields = control::read(body.into_inner(), admin.limits.get()).await?;
    let seat = change::to_seat(&seat)?;
    let weight = change::to_weight(fields.get("weight"))?;
    if change::dry_run(&fields)? {
        return change::planned(&admin, Plan::Weigh(vec![(seat, weight)]), &fields).await;
    }
    let plan = ask(&admin, Weigh { seat, weight }).await?;
    Ok(done(json!({
        "seat": seat,
        "weight": weight,
        "epoch": plan.epoch_after,
        "slots_moved": plan.slots_moved,
        "digest": plan.digest,
        "lasts": LASTS,
    })))
}

/// Changes the fleet. A client that leaves does not cancel its call.
async fn ask<M, T>(admin: &Admin, call: M) -> Result<T, Error>
where
    M: Message<Result = Result<T, Refusal>> + Send + 'static,
    T: Send + 'static,
    SupervisorActor: Handler<M>,
{
    match actix_rt::spawn(admin.supervisor.send(call)).await {
        Ok(Ok(answer)) => Ok(answer?),
        _ => Err(Refusal::Stopping.into()),
    }
}

/// What /rep lists, and whom the call was about.
fn steered(Answer { replicas, about }: Answer) -> Value {
    let (seat, replica): (_, Option<Name>) = about.unzip();
    json!({ "N": replicas.len(), "replicas": replicas, "seat": seat, "replica": replica })
}

fn done(message: Value) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "message": message, "status": "successful" }))
}
