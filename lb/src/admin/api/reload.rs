//! /api/reload: reads the configuration again.

use actix::Message;
use actix_web::{HttpResponse, web};

use crate::config::{Difference, NotReloaded};

use crate::admin::Admin;
use crate::admin::error::Error;
use crate::admin::openapi::Failure;
use crate::proxy::success::Success;

/// Reads the configuration again. The reply comes when every worker has applied the changes.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<Difference, NotReloaded>")]
pub struct Reload;

/// Read the configuration file again
///
/// Settings that can change live are applied; those that need a restart are listed. An invalid file changes nothing,
/// and the message names the line. A disconnect of the client does not cancel the reload.
#[utoipa::path(
    post,
    path = "/api/reload",
    responses(
        (status = 200, description = "The settings that differ", body = Success<Difference>),
        (status = 400, description = "There is no file, or it is invalid", body = Failure),
    )
)]
pub async fn reload(admin: web::Data<Admin>) -> Result<HttpResponse, Error> {
    let reloaded = actix_rt::spawn(admin.reload.send(Reload)).await;
    let difference = reloaded.ok().and_then(Result::ok).unwrap_or(Err(NotReloaded::Stopping))?;
    Ok(HttpResponse::Ok().json(Success::new(difference)))
}
