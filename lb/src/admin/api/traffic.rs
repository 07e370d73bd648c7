//! /api/traffic: rates, durations and shares of the last minute, over all workers.

use actix_web::{HttpResponse, web};

use crate::stats::traffic::Traffic;

use crate::admin::Admin;
use crate::admin::error::Error;

/// Traffic of the last minute, over all workers
///
/// /api/events?traffic=1 sends the same each second as the event `traffic`.
#[utoipa::path(
    method(get, head),
    path = "/api/traffic",
    responses((status = 200, description = "Rates, durations and shares", body = Traffic))
)]
pub async fn traffic(admin: web::Data<Admin>) -> Result<HttpResponse, Error> {
    let traffic = admin.metrics.traffic().await?;
    Ok(HttpResponse::Ok().json(traffic))
}
