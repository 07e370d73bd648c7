//! /api/history: the transitions that the journal still keeps.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::control::journal::KEPT;
use crate::name::Name;
use crate::ring::{Incarnation, SeatId};

use super::query;
use crate::admin::Admin;
use crate::admin::error::Error;

/// The largest `limit`.
const MAX_LIMIT: u32 = KEPT as u32;

/// The latest transitions.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only the schema; the journal keeps serialised events")]
pub(crate) struct History {
    /// In ascending order of `id`.
    events: Vec<Happened>,
}

/// A transition, as /api/events sends it.
#[derive(ToSchema)]
#[allow(dead_code, reason = "as above")]
struct Happened {
    id: u64,
    /// `phase`, `ejected`, `readmitted`, `rolling`, or a change of the seat on the ring: `join`, `occupy`, `handover`,
    /// `vacate`, `drain`, `weigh`, `leave`.
    name: String,
    seat: SeatId,
    replica: Option<Name>,
    incarnation: Option<Incarnation>,
    was: Option<String>,
    now: Option<String>,
    why: Option<String>,
    /// `rolling` only: replicas that have been replaced, or have ended otherwise.
    #[schema(nullable = false)]
    done: Option<u64>,
    /// `rolling` only: the number of replicas at the beginning.
    #[schema(nullable = false)]
    total: Option<u64>,
    epoch: u64,
    /// Time of the event (RFC 3339).
    time: String,
}

/// The transitions that are still kept
///
/// The last `limit` transitions in ascending order, as /api/events sends them.
#[utoipa::path(
    method(get, head),
    path = "/api/history",
    params(("limit" = Option<u32>, Query, maximum = 1024, description = "How many; all by default")),
    responses((status = 200, description = "The transitions in ascending order", body = History))
)]
pub async fn history(admin: web::Data<Admin>, request: HttpRequest) -> Result<HttpResponse, Error> {
    let limit = query::number::<0, MAX_LIMIT>(request.query_string(), "limit")?.unwrap_or(KEPT);
    let frames = admin.journal.latest(limit).await?;
    let events: Vec<Value> = frames.iter().filter_map(|frame| event(frame)).collect();
    Ok(HttpResponse::Ok().json(json!({ "events": events })))
}

/// The JSON of an event-stream frame.
fn event(frame: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(frame).ok()?;
    let data = text.lines().find_map(|line| line.strip_prefix("data: "))?;
    serde_json::from_str(data).ok()
}
