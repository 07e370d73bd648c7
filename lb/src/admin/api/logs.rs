//! /api/replicas/{name}/logs: the output of a replica, as text.

use std::convert::Infallible;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};
use futures::stream::{self, StreamExt};

use crate::name::Name;
use crate::runtime::Tail;

use super::query;
use crate::admin::Admin;
use crate::admin::error::Error;
use crate::admin::openapi::Failure;

/// The number of lines without `?tail`.
const DEFAULT_TAIL: usize = 100;

/// The largest `tail`.
const MAX_TAIL: u32 = 10_000;

/// The output of a replica
#[utoipa::path(
    get,
    path = "/api/replicas/{name}/logs",
    params(
        ("name" = Name, Path, description = "Its hostname"),
        ("tail" = Option<u32>, Query, maximum = 10_000, description = "The number of last lines; 100 by default"),
        ("follow" = Option<u32>, Query, maximum = 1, description = "1: also stream further output"),
    ),
    responses(
        (status = 200, description = "The lines", body = String, content_type = "text/plain"),
        (status = 404, description = "There is no such replica, or it has no output", body = Failure),
        (status = 502, description = "The engine does not provide the output", body = Failure),
    )
)]
pub async fn logs(
    admin: web::Data<Admin>,
    name: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Error> {
    let lines = query::number::<0, MAX_TAIL>(request.query_string(), "tail")?.unwrap_or(DEFAULT_TAIL);
    let tail = Tail { lines, follow: query::flag(request.query_string(), "follow")? };
    let name: Name = name.parse()?;
    let output = admin.supervisor.read(name, tail).await??;
    let pieces = stream::unfold(output, |mut output| async { Some((output.recv().await?, output)) });
    let text = (CONTENT_TYPE, "text/plain; charset=utf-8");
    Ok(HttpResponse::Ok().insert_header(text).streaming(pieces.map(Ok::<_, Infallible>)))
}
