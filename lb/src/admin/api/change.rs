//! /api/plan, /api/add and /api/remove: plans and changes of the number of replicas.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::fleet::{Command, Removal};
use crate::name::Name;
use crate::ring::{self, OwnerChange, SeatId, Weight};

use crate::admin::Admin;
use crate::admin::error::Error;
use crate::admin::openapi::Failure;
use crate::proxy::control_api::{List, ReplicaChange};
use crate::proxy::error::{RequestError, bad};
use crate::proxy::json;
use crate::proxy::json::{Count, Shape};
use crate::proxy::success::Success;

use super::seat::SeatName;

/// The body of /api/add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "n": 2, "hostnames": ["S5"], "dry_run": true }))]
pub(crate) struct AddCall {
    /// The number of replicas to add.
    #[schema(value_type = u64, minimum = 1, format = "uint64")]
    n: Count,
    /// Hostnames of the first replicas, at most `n`; the others are random.
    #[schema(value_type = Option<Vec<Name>>)]
    hostnames: Option<Vec<String>>,
    /// Only compute the plan: nothing changes.
    dry_run: Option<bool>,
    /// With `dry_run`: keys whose seat before and after the change is reported.
    keys: Option<Vec<String>>,
    /// With `dry_run`: also report the owner of each slot after the change.
    owners: Option<bool>,
}

/// The body of /api/remove.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "n": 2, "hostnames": ["S5"], "seats": [2], "dry_run": true }))]
pub(crate) struct RemoveCall {
    /// The number of replicas to remove.
    #[schema(value_type = u64, minimum = 1, format = "uint64")]
    n: Count,
    /// Hostnames of replicas to remove.
    #[schema(value_type = Option<Vec<Name>>)]
    hostnames: Option<Vec<String>>,
    /// Seats to remove, vacant or not; the balancer chooses the rest up to `n`.
    seats: Option<Vec<SeatId>>,
    /// Only compute the plan: nothing changes.
    dry_run: Option<bool>,
    /// With `dry_run`: keys whose seat before and after the change is reported.
    keys: Option<Vec<String>>,
    /// With `dry_run`: also report the owner of each slot after the change.
    owners: Option<bool>,
}

/// The body of /api/plan: exactly one of `add`, `remove` and `weights`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "add": 2, "keys": ["alice"] }))]
pub(crate) struct PlanCall {
    /// The number of replicas to add.
    #[schema(value_type = Option<u64>, minimum = 1, format = "uint64")]
    add: Option<Count>,
    /// Hostnames of the replicas to remove.
    #[schema(min_items = 1)]
    remove: Option<Vec<Name>>,
    /// New weights by seat number.
    #[schema(value_type = Option<BTreeMap<String, Weight>>)]
    weights: Option<BTreeMap<SeatName, Weight>>,
    /// Keys whose seat before and after the change is reported.
    keys: Option<Vec<String>>,
    /// Also report the owner of each slot after the change.
    owners: Option<bool>,
}

/// What a plan reports beside the moves.
pub(crate) struct Details {
    /// Keys whose seat before and after the change is reported.
    pub keys: Option<Vec<String>>,
    /// Whether the owner of each slot is reported.
    pub owners: Option<bool>,
}

/// The effect of a change that is not made.
#[derive(Serialize, ToSchema)]
pub(crate) struct Planned {
    #[schema(inline)]
    #[serde(flatten)]
    plan: ring::Plan,
    /// The requested keys, each with its seat before and after the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    keys: Option<Vec<KeyOwnerChange>>,
    /// The owners after the change if requested, run-length encoded from slot 0: `[seat, number of slots]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Vec<Option<u32>>>>, nullable = false)]
    owners: Option<Vec<(Option<SeatId>, u32)>>,
}

/// The seat of a key before and after a change.
#[derive(Serialize, ToSchema)]
#[schema(as = KeyFate)]
struct KeyOwnerChange {
    key: String,
    #[schema(inline)]
    #[serde(flatten)]
    owner_change: OwnerChange,
}

/// The list of replicas after the change, or the plan.
#[derive(ToSchema)]
#[serde(untagged)]
#[allow(
    dead_code,
    clippy::large_enum_variant,
    reason = "only the schema; the handlers serialise the variant"
)]
enum Answered {
    /// The list of /rep after the change.
    List(Success<List>),
    /// The plan of a dry run (`dry_run`).
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

/// Registers the routes of this module.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/api/plan", web::post().to(plan))
        .route("/api/add", web::post().to(add))
        .route("/api/remove", web::post().to(remove));
}

/// Compute the effect of a change without making it
///
/// The change is `{"add":2}`, `{"remove":["server2"]}` or `{"weights":{"1":200}}`. With `"keys"` the plan reports the
/// seats of these keys, with `"owners": true` the owner of each slot.
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
    let (change, details) = call.into_parts()?;
    plan_response(&admin, change, details).await
}

/// Add replicas
///
/// Like /add; answered when the replicas are ready. With `"dry_run": true` it answers with the plan.
#[utoipa::path(
    post,
    path = "/api/add",
    request_body = AddCall,
    responses((status = 200, description = "The replicas are ready and get requests; or the plan", body = Answered))
)]
pub(crate) async fn add(admin: web::Data<Admin>, body: web::Payload) -> Result<HttpResponse, Error> {
    let call: AddCall = json::read(body.into_inner(), admin.limits.get()).await?;
    let (add, details) = call.into_parts()?;
    list_or_plan(&admin, add, details).await
}

/// Remove replicas
///
/// Like /rm; `"seats"` also selects replicas by seat. With `"dry_run": true` it answers with the plan.
#[utoipa::path(
    post,
    path = "/api/remove",
    request_body = RemoveCall,
    responses(
        (status = 200, description = "The replicas have left the ring; or the plan", body = Answered),
        (status = 404, description = "There is no such seat", body = Failure),
    )
)]
pub(crate) async fn remove(admin: web::Data<Admin>, body: web::Payload) -> Result<HttpResponse, Error> {
    let call: RemoveCall = json::read(body.into_inner(), admin.limits.get()).await?;
    let (remove, details) = call.into_parts()?;
    list_or_plan(&admin, remove, details).await
}

/// Carries out a command and responds with the list of /rep; with details only computes the plan.
async fn list_or_plan(
    admin: &Admin,
    command: Command,
    details: Option<Details>,
) -> Result<HttpResponse, Error> {
    if let Some(details) = details {
        return plan_response(admin, command, details).await;
    }
    let answer = admin.supervisor.call(command).await?;
    Ok(HttpResponse::Ok().json(Success::new(List::new(answer.replicas))))
}

/// Computes a plan and responds with it.
///
/// # Errors
/// When the fleet rejects the command, or the supervisor is stopping.
pub(crate) async fn plan_response(
    admin: &Admin,
    command: Command,
    Details { keys, owners }: Details,
) -> Result<HttpResponse, Error> {
    let plan = admin.supervisor.plan(command).await?;
    let owner_change = |key: String| KeyOwnerChange { owner_change: plan.owner_change(key.as_bytes()), key };
    let keys = keys.map(|keys| keys.into_iter().map(owner_change).collect());
    let owners = owners.unwrap_or(false).then(|| plan.owners());
    Ok(HttpResponse::Ok().json(Planned { plan, keys, owners }))
}

impl AddCall {
    fn into_parts(self) -> Result<(Command, Option<Details>), RequestError> {
        let Self { n, hostnames, dry_run, keys, owners } = self;
        Ok((ReplicaChange { n, hostnames }.into_add()?, dry_run_details(dry_run, keys, owners)))
    }
}

impl RemoveCall {
    fn into_parts(self) -> Result<(Command, Option<Details>), RequestError> {
        let Self { n, hostnames, seats, dry_run, keys, owners } = self;
        let removal =
            Removal { seats: seats.unwrap_or_default(), ..ReplicaChange { n, hostnames }.into_removal()? };
        if removal.names.len() + removal.seats.len() > removal.n {
            return Err(bad("'hostnames' and 'seats' name more than 'n'"));
        }
        Ok((Command::Remove(removal), dry_run_details(dry_run, keys, owners)))
    }
}

/// The details of the plan; `None` if this is no dry run.
fn dry_run_details(
    dry_run: Option<bool>,
    keys: Option<Vec<String>>,
    owners: Option<bool>,
) -> Option<Details> {
    dry_run.unwrap_or(false).then_some(Details { keys, owners })
}

impl PlanCall {
    fn into_parts(self) -> Result<(Command, Details), RequestError> {
        let Self { add, remove, weights, keys, owners } = self;
        let command = match (add, remove, weights) {
            (Some(Count(n)), None, None) => Command::Add { n, names: Vec::new() },
            (None, Some(names), None) if names.is_empty() => {
                return Err(bad("'remove' is empty: name at least one replica"));
            }
            (None, Some(names), None) => {
                Command::Remove(Removal { n: names.len(), names, seats: Vec::new() })
            }
            (None, None, Some(weights)) if weights.is_empty() => {
                return Err(bad("'weights' is empty: name at least one seat"));
            }
            (None, None, Some(weights)) => {
                Command::Weigh(weights.into_iter().map(|(SeatName(seat), weight)| (seat, weight)).collect())
            }
            _ => return Err(bad(format!("give one of 'add', 'remove' and 'weights': {}", Self::LIKE))),
        };
        Ok((command, Details { keys, owners }))
    }
}
