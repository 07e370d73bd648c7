//! /api/history: the transitions that are still kept, for whoever comes late.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::control::journal::{KEPT, Latest};
use crate::fleet::CommandError;
use crate::name::Name;
use crate::ring::{Incarnation, SeatId};

use super::query;
use crate::admin::Admin;
use crate::proxy::error::Error;

/// How many there can be.
const MOST: u32 = KEPT as u32;

/// The transitions of late.
#[derive(ToSchema)]
#[allow(dead_code, reason = "the journal keeps them as they were sent")]
pub(crate) struct History {
    /// The latest last.
    events: Vec<Happened>,
}

/// A transition, as /api/events tells it.
#[derive(ToSchema)]
#[allow(dead_code, reason = "as above")]
struct Happened {
    id: u64,
    /// `phase`, `ejected`, `readmitted`, `rolling`, or what the ring's seat did: `join`, `occupy`, `handover`, `vacate`,
    /// `drain`, `weigh`, `leave`.
    name: String,
    seat: SeatId,
    replica: Option<Name>,
    incarnation: Option<Incarnation>,
    was: Option<String>,
    now: Option<String>,
    why: Option<String>,
    /// Of `rolling`: replicas that were replaced, or are gone otherwise.
    #[schema(nullable = false)]
    done: Option<u64>,
    /// Of `rolling`: replicas at its beginning.
    #[schema(nullable = false)]
    total: Option<u64>,
    epoch: u64,
    /// By RFC 3339.
    time: String,
}

/// The transitions that are still kept
///
/// The last N transitions, the latest last, as /api/events tells them; all that are kept without a limit.
#[utoipa::path(
    method(get, head),
    path = "/api/history",
    params(("limit" = Option<u32>, Query, maximum = 1024, description = "How many; all without it")),
    responses((status = 200, description = "The latest last", body = History))
)]
pub async fn history(admin: web::Data<Admin>, request: HttpRequest) -> Result<HttpResponse, Error> {
    let limit = query::number::<0, MOST>(request.query_string(), "limit")?.unwrap_or(KEPT);
    let frames = admin.journal.send(Latest { limit }).await.map_err(|_| CommandError::Stopping)?;
    let events: Vec<Value> = frames.iter().filter_map(|frame| event(frame)).collect();
    Ok(HttpResponse::Ok().json(json!({ "events": events })))
}

/// The data of a frame.
fn event(frame: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(frame).ok()?;
    let data = text.lines().find_map(|line| line.strip_prefix("data: "))?;
    serde_json::from_str(data).ok()
}
