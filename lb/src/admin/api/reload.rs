//! /api/reload: the configuration read again.

use actix::Message;
use actix_web::{HttpResponse, web};

use crate::config::{Difference, NotReloaded};

use crate::admin::Admin;
use crate::admin::openapi::Failure;
use crate::proxy::error::Error;
use crate::proxy::success::Success;

/// Read the configuration again; answered when every worker goes by what has changed.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<Difference, NotReloaded>")]
pub struct Reload;

/// Read the configuration file again
///
/// What can change live does; the rest is named. A bad file changes nothing, and the message names the line. A client
/// that leaves does not cancel it.
#[utoipa::path(
    post,
    path = "/api/reload",
    responses(
        (status = 200, description = "What has changed, and what would need a restart", body = Success<Difference>),
        (status = 400, description = "There is no file, or it is bad", body = Failure),
    )
)]
pub async fn reload(admin: web::Data<Admin>) -> Result<HttpResponse, Error> {
    let reloaded = actix_rt::spawn(admin.reload.send(Reload)).await;
    let difference = reloaded.ok().and_then(Result::ok).unwrap_or(Err(NotReloaded::Stopping))?;
    Ok(HttpResponse::Ok().json(Success::new(difference)))
}
