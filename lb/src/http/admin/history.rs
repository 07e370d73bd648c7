//! /api/history: the transitions that are still kept, for whoever comes late.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::actors::journal::{KEPT, Latest};
use crate::fleet::Refusal;
use crate::key;
use crate::name::Name;
use crate::ring::{Incarnation, SeatId};

use super::super::control::bad;
use super::super::error::Error;
use super::Admin;

/// The transitions of late.
#[derive(ToSchema)]
#[allow(dead_code, reason = "the journal keeps them as they were sent")]
pub(super) struct History {
    /// The latest last.
    events: Vec<Happened>,
}

/// A transition, as /api/events tells it.
#[derive(ToSchema)]
#[allow(dead_code, reason = "as above")]
struct Happened {
    id: u64,
    /// `phase`, `ejected`, `readmitted`, `rolling`, or what the ring's seat did.
    name: String,
    seat: SeatId,
    replica: Option<Name>,
    incarnation: Option<Incarnation>,
    was: Option<String>,
    now: Option<String>,
    why: Option<String>,
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
    params(("limit" = Option<String>, Query, pattern = "^[0-9]*$", description = "How many; all if it is empty")),
    responses((status = 200, description = "The latest last", body = History))
)]
pub async fn history(admin: web::Data<Admin>, request: HttpRequest) -> Result<HttpResponse, Error> {
    let limit = match key::query(request.query_string(), b"limit") {
        None => KEPT,
        Some(limit) => std::str::from_utf8(&limit)
            .ok()
            .and_then(|limit| limit.parse().ok())
            .ok_or_else(|| bad("'limit' is not an integer of 0 or more"))?,
    };
    let frames = admin.journal.send(Latest { limit }).await.map_err(|_| Refusal::Stopping)?;
    let events: Vec<Value> = frames.iter().filter_map(|frame| event(frame)).collect();
    Ok(HttpResponse::Ok().json(json!({ "events": events })))
}

/// The data of a frame.
fn event(frame: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(frame).ok()?;
    let data = text.lines().find_map(|line| line.strip_prefix("data: "))?;
    serde_json::from_str(data).ok()
}
