//! /api/reload: the configuration read again.

use actix::Message;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::config::{Difference, NotReloaded};

use super::super::error::Error;
use super::Admin;
use super::openapi::{Done, Failure};

/// Read the configuration again; answered when every worker goes by what has changed.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<Difference, NotReloaded>")]
pub struct Reload;

/// What has changed.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Reloaded {
    #[schema(value_type = Settings)]
    message: Difference,
    #[schema(value_type = Done)]
    status: &'static str,
}

/// Settings that differ from those in force, by their names.
#[derive(ToSchema)]
#[schema(example = json!({ "changed": ["retries"], "restart": ["listen"] }))]
#[allow(dead_code, reason = "it stands for config::Difference")]
struct Settings {
    /// These have changed.
    changed: Vec<String>,
    /// These would need a restart, and stay as they are.
    restart: Vec<String>,
}

/// Read the configuration file again
///
/// What can change live does; the rest is named. A bad file changes nothing, and the message names the line. A client
/// that leaves does not cancel it.
#[utoipa::path(
    post,
    path = "/api/reload",
    responses(
        (status = 200, description = "What has changed, and what would need a restart", body = Reloaded),
        (status = 400, description = "There is no file, or it is bad", body = Failure),
    )
)]
pub async fn reload(admin: web::Data<Admin>) -> Result<HttpResponse, Error> {
    let reloaded = actix_rt::spawn(admin.reload.send(Reload)).await;
    let difference = reloaded.ok().and_then(Result::ok).unwrap_or(Err(NotReloaded::Stopping))?;
    Ok(HttpResponse::Ok().json(Reloaded { message: difference, status: "successful" }))
}
