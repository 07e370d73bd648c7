//! /api/reload: reads the configuration again.

use actix::{Message, Recipient};
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::Admin;
use crate::admin::error::Error;
use crate::admin::openapi::Failure;
use crate::proxy::success::Success;

/// The names of the settings that differ, in alphabetical order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({ "changed": ["retries"], "restart": ["listen"] }))]
pub struct Difference {
    /// Settings that have changed.
    pub changed: Vec<&'static str>,
    /// Settings that need a restart, and keep their values until then.
    pub restart: Vec<&'static str>,
}

/// Why a reload failed; nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReloaded {
    /// Neither `--config` nor `--admin-token-file` was given at the start.
    #[error("There is no file to read again: start lb with --config FILE")]
    NoFile,
    /// The file is a pipe, for example, whose content cannot be read twice.
    #[error("{0} is not a regular file: it cannot be read again")]
    NotRegular(String),
    /// The configuration is invalid; the text names the line.
    #[error("{0}")]
    Invalid(String),
    /// The balancer is ending.
    #[error("The balancer is stopping")]
    Stopping,
}

/// Reads the configuration again. The reply comes when every worker has applied the changes.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<Difference, NotReloaded>")]
pub struct Reload;

/// Reads the configuration again for the admin API.
#[derive(Clone)]
pub struct ReloadHandle(Recipient<Reload>);

impl ReloadHandle {
    /// A handle of the actor that owns the configuration.
    pub fn new(actor: Recipient<Reload>) -> Self {
        Self(actor)
    }

    /// Reads the configuration again, in a task of its own: dropping the call does not cancel it.
    async fn reload(&self) -> Result<Difference, NotReloaded> {
        let reloaded = actix_rt::spawn(self.0.send(Reload)).await;
        reloaded.ok().and_then(Result::ok).unwrap_or(Err(NotReloaded::Stopping))
    }
}

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
    Ok(HttpResponse::Ok().json(Success::new(admin.reload.reload().await?)))
}
