//! /api/traffic: the last seconds, over all workers.

use actix_web::{HttpResponse, web};

use crate::admin::metrics::actor::Ask;
use crate::fleet::CommandError;
use crate::stats::traffic::Traffic;

use crate::admin::Admin;
use crate::proxy::error::Error;

/// The last seconds, over all workers
///
/// The same comes each second as the event `traffic` of /api/events?traffic=1.
#[utoipa::path(
    method(get, head),
    path = "/api/traffic",
    responses((status = 200, description = "Rates, durations and shares", body = Traffic))
)]
pub async fn traffic(admin: web::Data<Admin>) -> Result<HttpResponse, Error> {
    let traffic = admin.meter.send(Ask).await.map_err(|_| CommandError::Stopping)?;
    Ok(HttpResponse::Ok().json(traffic))
}
