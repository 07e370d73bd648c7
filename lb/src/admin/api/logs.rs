//! /api/replicas/{name}/logs: what a replica writes, as text.

use std::convert::Infallible;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};
use futures::stream::{self, StreamExt};

use crate::control::supervisor::Read;
use crate::fleet::CommandError;
use crate::name::Name;
use crate::runtime::Tail;

use super::query;
use crate::admin::Admin;
use crate::admin::openapi::Failure;
use crate::proxy::error::Error;

/// Lines if nobody says how many.
const TAIL: usize = 100;

/// The most lines that may be asked for.
const MOST: u32 = 10_000;

/// What a replica has written
#[utoipa::path(
    get,
    path = "/api/replicas/{name}/logs",
    params(
        ("name" = Name, Path, description = "Its hostname"),
        ("tail" = Option<u32>, Query, maximum = 10_000, description = "How many lines; 100 if nobody says"),
        ("follow" = Option<u32>, Query, maximum = 1, description = "1: and what it writes from now on"),
    ),
    responses(
        (status = 200, description = "Its lines", body = String, content_type = "text/plain"),
        (status = 404, description = "There is no such replica, or nothing of it", body = Failure),
        (status = 502, description = "The engine does not give them", body = Failure),
    )
)]
pub async fn logs(
    admin: web::Data<Admin>,
    name: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Error> {
    let lines = query::number::<0, MOST>(request.query_string(), "tail")?.unwrap_or(TAIL);
    let tail = Tail { lines, follow: query::flag(request.query_string(), "follow")? };
    let name: Name = name.parse()?;
    let output = admin.supervisor.send(Read { name, tail }).await.map_err(|_| CommandError::Stopping)??;
    let pieces = stream::unfold(output, |mut output| async { Some((output.recv().await?, output)) });
    let text = (CONTENT_TYPE, "text/plain; charset=utf-8");
    Ok(HttpResponse::Ok().insert_header(text).streaming(pieces.map(Ok::<_, Infallible>)))
}
