//! /api/events: every transition as it happens, as server-sent events.

use std::convert::Infallible;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use futures::stream::{self, StreamExt};
use serde_json::json;
use tokio::sync::mpsc;

use crate::control::journal::{Subscribed, frame};

use super::{query, state};
use crate::admin::Admin;
use crate::admin::error::Error;

/// Every transition as it happens
///
/// The stream begins with the events since `Last-Event-ID`. Without this header it begins with the event `state`, the
/// body of /api/state; if the id is too old or invalid, with `reset` and then `state`. With `?traffic=1` the body of
/// /api/traffic is sent each second as the event `traffic`, without an id.
#[utoipa::path(
    get,
    path = "/api/events",
    params(
        ("traffic" = Option<u32>, Query, maximum = 1, description = "1: also send the event `traffic` each second"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was received"),
    ),
    responses((status = 200, description = "Server-sent events", body = String, content_type = "text/event-stream"))
)]
pub async fn events(admin: web::Data<Admin>, request: HttpRequest) -> Result<HttpResponse, Error> {
    let with_traffic = query::flag(request.query_string(), "traffic")?;
    let last_id = request.headers().get("last-event-id");
    let after = last_id.map(|id| id.to_str().ok().and_then(|id| id.parse().ok()).unwrap_or(0));
    let subscribed = admin.journal.subscribe(after).await?;
    let Subscribed { last, missed, live } = subscribed.map_err(|_| Error::TooManySubscribers)?;
    let first = match missed {
        Some(missed) => missed,
        None => {
            // Taken after the subscription: it may include later events, but none can be missed.
            let state = frame(Some(last), "state", &json!(state::snapshot(&admin).await?));
            let reset = after.map(|after| frame(None, "reset", &json!({ "last_event_id": after })));
            reset.into_iter().chain([state]).collect()
        }
    };
    let traffic = match with_traffic {
        true => admin.metrics.subscribe_traffic().await?,
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
