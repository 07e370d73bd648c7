//! The fleet changed by way of the admin listener, and what a change would do: /api/plan, /api/add, /api/remove.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::control::supervisor::{Add, Plan, Remove};
use crate::fleet::{CommandError, Removal};
use crate::name::Name;
use crate::ring::{self, Fate, SeatId, Weight};

use crate::admin::Admin;
use crate::admin::openapi::Failure;
use crate::proxy::control_api;
use crate::proxy::control_api::{List, ReplicaChange};
use crate::proxy::error::{Error, bad};
use crate::proxy::json;
use crate::proxy::json::{Count, Shape};
use crate::proxy::success::Success;

/// Of /api/add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "n": 2, "hostnames": ["S5"], "dry_run": true }))]
pub(crate) struct AddCall {
    /// How many.
    #[schema(value_type = u64, minimum = 1, format = "uint64")]
    n: Count,
    /// The first of their names; the rest are random.
    #[schema(value_type = Option<Vec<Name>>)]
    hostnames: Option<Vec<String>>,
    /// Only the plan.
    dry_run: Option<bool>,
    /// With `dry_run`: what becomes of these.
    keys: Option<Vec<String>>,
    /// With `dry_run`: who would own each slot, too.
    owners: Option<bool>,
}

/// Of /api/remove.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "n": 2, "hostnames": ["S5"], "seats": [2], "dry_run": true }))]
pub(crate) struct RemoveCall {
    /// How many.
    #[schema(value_type = u64, minimum = 1, format = "uint64")]
    n: Count,
    /// Some of them, by name.
    #[schema(value_type = Option<Vec<Name>>)]
    hostnames: Option<Vec<String>>,
    /// Some of them, by seat, vacant or not; the rest are chosen.
    seats: Option<Vec<SeatId>>,
    /// Only the plan.
    dry_run: Option<bool>,
    /// With `dry_run`: what becomes of these.
    keys: Option<Vec<String>>,
    /// With `dry_run`: who would own each slot, too.
    owners: Option<bool>,
}

/// Of /api/plan: exactly one of `add`, `remove` and `weights`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "add": 2, "keys": ["alice"] }))]
pub(crate) struct PlanCall {
    /// How many replicas more.
    #[schema(value_type = Option<u64>, minimum = 1, format = "uint64")]
    add: Option<Count>,
    /// Which fewer.
    #[schema(min_items = 1)]
    remove: Option<Vec<Name>>,
    /// Weights by seat.
    #[schema(value_type = Option<BTreeMap<String, Weight>>)]
    weights: Option<BTreeMap<Seat, Weight>>,
    /// What becomes of these.
    keys: Option<Vec<String>>,
    /// Who would own each slot, too.
    owners: Option<bool>,
}

/// A seat as a member's name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
struct Seat(SeatId);

/// What a plan also tells.
pub(crate) struct Details {
    pub keys: Option<Vec<String>>,
    pub owners: Option<bool>,
}

/// What a change would do.
#[derive(Serialize, ToSchema)]
pub(crate) struct Planned {
    #[schema(inline)]
    #[serde(flatten)]
    plan: ring::Plan,
    /// What becomes of the keys that were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    keys: Option<Vec<KeyFate>>,
    /// `[seat, slots in a row]` from slot 0 onward, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Vec<Option<u32>>>>, nullable = false)]
    owners: Option<Vec<(Option<SeatId>, u32)>>,
}

/// What becomes of a key.
#[derive(Serialize, ToSchema)]
struct KeyFate {
    key: String,
    #[schema(inline)]
    #[serde(flatten)]
    fate: Fate,
}

/// The list, or the plan.
#[derive(ToSchema)]
#[serde(untagged)]
#[allow(dead_code, clippy::large_enum_variant, reason = "a handler knows which of the two it answers")]
enum Answered {
    /// What /rep lists.
    List(Success<List>),
    /// With `dry_run`.
    Plan(Planned),
}

impl Shape for AddCall {
    const LIKE: &'static str = r#"{"n":1,"hostnames":["S1"],"dry_run":true}"#;
}

impl Shape for RemoveCall {
    const LIKE: &'static str = r#"{"n":1,"hostnames":["S1"],"seats":[2],"dry_run":true}"#;
}

impl Shape for PlanCall {
    const LIKE: &'static str = r#"{"add":2}, {"remove":["server2"]} or {"weights":{"1":200}}"#;
}

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
pub(crate) async fn plan(admin: web::Data<Admin>, body: web::Payload) -> Result<HttpResponse, Error> {
    let call: PlanCall = json::read(body.into_inner(), admin.limits.get()).await?;
    let (wanted, details) = call.into_parts()?;
    planned(&admin, wanted, details).await
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
pub(crate) async fn add(admin: web::Data<Admin>, body: web::Payload) -> Result<HttpResponse, Error> {
    let call: AddCall = json::read(body.into_inner(), admin.limits.get()).await?;
    let (add, details) = call.into_parts()?;
    match details {
        Some(details) => planned(&admin, Plan::Add(add), details).await,
        None => changed(control_api::change(&admin.supervisor, add).await?),
    }
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
pub(crate) async fn remove(admin: web::Data<Admin>, body: web::Payload) -> Result<HttpResponse, Error> {
    let call: RemoveCall = json::read(body.into_inner(), admin.limits.get()).await?;
    let (removal, details) = call.into_parts()?;
    match details {
        Some(details) => planned(&admin, Plan::Remove(Remove(removal)), details).await,
        None => changed(control_api::change(&admin.supervisor, Remove(removal)).await?),
    }
}

fn changed(names: Vec<Name>) -> Result<HttpResponse, Error> {
    Ok(HttpResponse::Ok().json(Success::new(List::new(names))))
}

pub(crate) async fn planned(
    admin: &Admin,
    wanted: Plan,
    Details { keys, owners }: Details,
) -> Result<HttpResponse, Error> {
    let plan = admin.supervisor.send(wanted).await.map_err(|_| CommandError::Stopping)??;
    let fate = |key: String| KeyFate { fate: plan.fate(key.as_bytes()), key };
    let keys = keys.map(|keys| keys.into_iter().map(fate).collect());
    let owners = owners.unwrap_or(false).then(|| plan.owners());
    Ok(HttpResponse::Ok().json(Planned { plan, keys, owners }))
}

impl AddCall {
    fn into_parts(self) -> Result<(Add, Option<Details>), Error> {
        let Self { n, hostnames, dry_run, keys, owners } = self;
        Ok((ReplicaChange { n, hostnames }.into_add()?, details(dry_run, keys, owners)))
    }
}

impl RemoveCall {
    fn into_parts(self) -> Result<(Removal, Option<Details>), Error> {
        let Self { n, hostnames, seats, dry_run, keys, owners } = self;
        let removal =
            Removal { seats: seats.unwrap_or_default(), ..ReplicaChange { n, hostnames }.into_remove()? };
        if removal.names.len() + removal.seats.len() > removal.n {
            return Err(bad("'hostnames' and 'seats' name more than 'n'"));
        }
        Ok((removal, details(dry_run, keys, owners)))
    }
}

/// What is wanted of the plan, if that is all.
fn details(dry_run: Option<bool>, keys: Option<Vec<String>>, owners: Option<bool>) -> Option<Details> {
    dry_run.unwrap_or(false).then_some(Details { keys, owners })
}

impl PlanCall {
    fn into_parts(self) -> Result<(Plan, Details), Error> {
        let Self { add, remove, weights, keys, owners } = self;
        let plan = match (add, remove, weights) {
            (Some(Count(n)), None, None) => Plan::Add(Add { n, names: Vec::new() }),
            (None, Some(names), None) if names.is_empty() => {
                return Err(bad("'remove' is empty: name at least one replica"));
            }
            (None, Some(names), None) => {
                Plan::Remove(Remove(Removal { n: names.len(), names, seats: Vec::new() }))
            }
            (None, None, Some(weights)) if weights.is_empty() => {
                return Err(bad("'weights' is empty: name at least one seat"));
            }
            (None, None, Some(weights)) => {
                Plan::Weigh(weights.into_iter().map(|(Seat(seat), weight)| (seat, weight)).collect())
            }
            _ => return Err(bad(format!("give one of 'add', 'remove' and 'weights': {}", Self::LIKE))),
        };
        Ok((plan, Details { keys, owners }))
    }
}

impl TryFrom<String> for Seat {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        to_seat(&text).map(Self)
    }
}

/// A seat's number.
pub(crate) fn to_seat(text: &str) -> Result<SeatId, Error> {
    let digits = !text.starts_with(['+', '0']);
    let seat = text.parse().ok().filter(|_| digits).and_then(SeatId::new);
    seat.ok_or_else(|| bad(format!("Seat '{text}' is not an integer of 1 or more")))
}
