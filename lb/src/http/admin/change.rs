//! The fleet changed by way of the admin listener, and what a change would do: /api/plan, /api/add, /api/remove.

use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};

use crate::actors::supervisor::{Add, Plan, Remove};
use crate::fleet::{Refusal, Removal};
use crate::ring::{SeatId, Weight};

use super::super::control::{self, bad};
use super::super::error::Error;
use super::Admin;
use super::openapi::{AddCall, Answered, Failure, PlanCall, Planned, RemoveCall};

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/api/plan", web::post().to(plan))
        .route("/api/add", web::post().to(add))
        .route("/api/remove", web::post().to(remove));
}

/// What a change would do
///
/// `{"add":2}`, `{"remove":["server2"]}` or `{"weights":{"1":200}}`; `"keys"` to be told of, and with `"owners": true`
/// who would own each slot.
#[utoipa::path(
    post,
    path = "/api/plan",
    request_body = PlanCall,
    responses(
        (status = 200, description = "The plan; nothing has changed", body = Planned),
        (status = 404, description = "There is no such seat", body = Failure),
    )
)]
pub(super) async fn plan(admin: web::Data<Admin>, body: web::Payload) -> Result<HttpResponse, Error> {
    let fields = control::read(body.into_inner(), admin.limits.get()).await?;
    planned(&admin, wanted(&fields)?, &fields).await
}

/// Add replicas
///
/// As /add; with `"dry_run": true` the plan.
#[utoipa::path(
    post,
    path = "/api/add",
    request_body = AddCall,
    responses((status = 200, description = "They are ready and routed to; or the plan", body = Answered))
)]
pub(super) async fn add(admin: web::Data<Admin>, body: web::Payload) -> Result<HttpResponse, Error> {
    let fields = control::read(body.into_inner(), admin.limits.get()).await?;
    let add = control::to_add(&fields)?;
    if dry_run(&fields)? {
        return planned(&admin, Plan::Add(add), &fields).await;
    }
    Ok(control::ask(&admin.supervisor, add).await?.map_into_boxed_body().into())
}

/// Remove replicas
///
/// As /rm, and `"seats"` names seats as `"hostnames"` does replicas; with `"dry_run": true` the plan.
#[utoipa::path(
    post,
    path = "/api/remove",
    request_body = RemoveCall,
    responses(
        (status = 200, description = "They have left the ring; or the plan", body = Answered),
        (status = 404, description = "There is no such seat", body = Failure),
    )
)]
pub(super) async fn remove(admin: web::Data<Admin>, body: web::Payload) -> Result<HttpResponse, Error> {
    let fields = control::read(body.into_inner(), admin.limits.get()).await?;
    let remove = Remove(removal(&fields)?);
    if dry_run(&fields)? {
        return planned(&admin, Plan::Remove(remove), &fields).await;
    }
    Ok(control::ask(&admin.supervisor, remove).await?.map_into_boxed_body().into())
}

pub(super) async fn planned(
    admin: &Admin,
    wanted: Plan,
    fields: &Map<String, Value>,
) -> Result<HttpResponse, Error> {
    let (keys, owners) = (keys(fields)?, flag(fields, "owners")?);
    let plan = admin.supervisor.send(wanted).await.map_err(|_| Refusal::Stopping)??;
    let mut answer = json!(plan);
    if owners {
        answer["owners"] = json!(plan.owners());
    }
    if let Some(keys) = keys {
        let fate = |key: &str| {
            let fate = plan.fate(key.as_bytes());
            json!({ "key": key, "slot": fate.slot, "from": fate.from, "to": fate.to })
        };
        answer["keys"] = keys.into_iter().map(fate).collect();
    }
    Ok(HttpResponse::Ok().json(answer))
}

/// As of /rm, and with seats.
fn removal(fields: &Map<String, Value>) -> Result<Removal, Error> {
    let removal = control::to_remove(fields)?;
    let Some(seats) = present(fields, "seats") else { return Ok(removal) };
    let wrong = || bad("'seats' is not a list of seats like [1,2]");
    let number = |seat: &Value| seat.as_u64().and_then(|seat| SeatId::new(u32::try_from(seat).ok()?));
    let seats: Option<Vec<SeatId>> = seats.as_array().ok_or_else(wrong)?.iter().map(number).collect();
    let seats = seats.ok_or_else(wrong)?;
    if removal.names.len() + seats.len() > removal.n {
        return Err(bad("'hostnames' and 'seats' name more than 'n'"));
    }
    Ok(Removal { seats, ..removal })
}

fn wanted(fields: &Map<String, Value>) -> Result<Plan, Error> {
    match (present(fields, "add"), present(fields, "remove"), present(fields, "weights")) {
        (Some(n), None, None) => {
            let n = n.as_u64().filter(|n| *n >= 1).and_then(|n| usize::try_from(n).ok());
            let n = n.ok_or_else(|| bad("'add' is not an integer of 1 or more"))?;
            Ok(Plan::Add(Add { n, names: Vec::new() }))
        }
        (None, Some(list), None) => {
            let names = control::names(control::list_of(list, "remove")?, "remove")?;
            match names.len() {
                0 => Err(bad("'remove' is empty: name at least one replica")),
                n => Ok(Plan::Remove(Remove(Removal { n, names, seats: Vec::new() }))),
            }
        }
        (None, None, Some(weights)) => Ok(Plan::Weigh(to_weights(weights)?)),
        _ => Err(bad(
            "give one of 'add', 'remove' and 'weights': {\"add\":2}, {\"remove\":[\"server2\"]} or {\"weights\":{\"1\":200}}",
        )),
    }
}

/// `{"1":200}`: weights by seat.
fn to_weights(weights: &Value) -> Result<Vec<(SeatId, Weight)>, Error> {
    let wrong = || bad("'weights' is not an object of seats and weights like {\"1\":200}");
    let weights = weights.as_object().filter(|weights| !weights.is_empty()).ok_or_else(wrong)?;
    weights.iter().map(|(seat, weight)| Ok((to_seat(seat)?, to_weight(Some(weight))?))).collect()
}

/// A seat's number.
pub(super) fn to_seat(text: &str) -> Result<SeatId, Error> {
    let digits = !text.starts_with(['+', '0']);
    let seat = text.parse().ok().filter(|_| digits).and_then(SeatId::new);
    seat.ok_or_else(|| Error::BadBody(format!("Seat '{text}' is not an integer of 1 or more")))
}

/// A weight.
pub(super) fn to_weight(weight: Option<&Value>) -> Result<Weight, Error> {
    let weight = weight
        .filter(|weight| !weight.is_null())
        .ok_or_else(|| bad("'weight' is missing: give an integer from 1 to 1000, 100 for the usual share"))?;
    let number = weight.as_u64().and_then(|weight| u32::try_from(weight).ok()).and_then(Weight::new);
    number.ok_or_else(|| bad("'weight' is not an integer from 1 to 1000"))
}

pub(super) fn dry_run(fields: &Map<String, Value>) -> Result<bool, Error> {
    flag(fields, "dry_run")
}

fn flag(fields: &Map<String, Value>, name: &str) -> Result<bool, Error> {
    match present(fields, name) {
        None => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| bad(&format!("'{name}' is not true or false"))),
    }
}

fn keys(fields: &Map<String, Value>) -> Result<Option<Vec<&str>>, Error> {
    let wrong = || bad("'keys' is not a list of strings");
    let Some(keys) = present(fields, "keys") else { return Ok(None) };
    let keys = keys.as_array().ok_or_else(wrong)?.iter();
    keys.map(Value::as_str).collect::<Option<_>>().ok_or_else(wrong).map(Some)
}

fn present<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}
