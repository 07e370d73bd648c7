//! /api/events: every transition as it happens, by server-sent events.

use std::convert::Infallible;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use futures::stream::{self, StreamExt};
use serde_json::json;
use tokio::sync::mpsc;

use crate::admin::metrics::actor::Follow;
use crate::control::journal::{Subscribe, Subscribed, frame};
use crate::fleet::CommandError;

use super::{query, state};
use crate::admin::Admin;
use crate::proxy::error::Error;

/// Every transition as it happens
///
/// What was missed since `Last-Event-ID`; without one, or when it is too old (then after a `reset`), the state as
/// /api/state has it. A `Last-Event-ID` that is none counts as too old: a browser cannot mend it. With `?traffic=1`
/// also what /api/traffic answers, each second, without an id.
#[utoipa::path(
    get,
    path = "/api/events",
    params(
        ("traffic" = Option<u32>, Query, maximum = 1, description = "1: also the event `traffic`, each second"),
        ("Last-Event-ID" = Option<String>, Header, description = "The last event that was seen"),
    ),
    responses((status = 200, description = "Server-sent events", body = String, content_type = "text/event-stream"))
)]
pub async fn events(admin: web::Data<Admin>, request: HttpRequest) -> Result<HttpResponse, Error> {
    let wanted = query::flag(request.query_string(), "traffic")?;
    let seen = request.headers().get("last-event-id");
    let after = seen.map(|id| id.to_str().ok().and_then(|id| id.parse().ok()).unwrap_or(0));
    let subscribed = admin.journal.send(Subscribe { after }).await.map_err(|_| CommandError::Stopping)?;
    let Subscribed { last, missed, live } = subscribed.map_err(|_| Error::TooManySubscribers)?;
    let first = match missed {
        Some(missed) => missed,
        None => {
            // Asked after the subscription: it may contain what follows, and lacks nothing.
            let state = frame(Some(last), "state", &json!(state::snapshot(&admin).await?));
            let reset = after.map(|after| frame(None, "reset", &json!({ "last_event_id": after })));
            reset.into_iter().chain([state]).collect()
        }
    };
    let traffic = match wanted {
        true => admin.meter.send(Follow).await.map_err(|_| CommandError::Stopping)?,
        false => mpsc::channel(1).1,
    };
    let live = stream::unfold((live, traffic), |(mut live, mut traffic)| async {
        let next = tokio::select! {
            event = live.recv() => event?,
            Some(traffic) = traffic.recv() => traffic,
        };
        Some((next, (live, traffic)))
    });
    let stream = stream::iter(first).chain(live).map(Ok::<_, Infallible>);
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(stream))
}
