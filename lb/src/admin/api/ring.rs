//! /api/ring: the owner of each slot.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::control::ring::Mapped;
use crate::ring::SeatId;

use crate::admin::Admin;
use crate::admin::error::Error;

/// The owner of each slot.
#[derive(Serialize, ToSchema)]
pub(crate) struct Owners {
    epoch: u64,
    digest: String,
    /// The number of slots.
    slots: u32,
    /// Run-length encoded from slot 0: `[seat, number of slots]`; the seat is `null` where a slot has no owner.
    #[schema(value_type = Vec<Vec<Option<u32>>>, example = json!([[1, 3], [2, 509]]))]
    owners: Vec<(Option<SeatId>, u32)>,
}

/// The owner of each slot
#[utoipa::path(
    method(get, head),
    path = "/api/ring",
    responses((status = 200, description = "The owners, run-length encoded from slot 0", body = Owners))
)]
pub async fn ring(admin: web::Data<Admin>) -> Result<HttpResponse, Error> {
    let Mapped { epoch, digest, map } = admin.ring.map().await?;
    let owners = map.runs();
    let slots: u32 = owners.iter().map(|(_, slots)| slots).sum();
    Ok(HttpResponse::Ok().json(Owners { epoch, digest, slots, owners }))
}
