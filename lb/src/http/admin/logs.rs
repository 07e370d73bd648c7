//! /api/replicas/{name}/logs: what a replica writes, as text.

use std::convert::Infallible;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};
use futures::stream::{self, StreamExt};

use crate::actors::supervisor::Read;
use crate::fleet::Refusal;
use crate::key;
use crate::name::Name;
use crate::runtime::Tail;

use super::super::control::bad;
use super::super::error::Error;
use super::Admin;
use super::openapi::Failure;

/// Lines if nobody says how many.
const TAIL: usize = 100;

/// The most lines that may be asked for.
const MOST: usize = 10_000;

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
    let tail = tail(request.query_string())?;
    let name: Name = name.parse().map_err(|_| Error::NoSuchPath(format!("replica '{name}'")))?;
    let output = admin.supervisor.send(Read { name, tail }).await.map_err(|_| Refusal::Stopping)??;
    let pieces = stream::unfold(output, |mut output| async { Some((output.recv().await?, output)) });
    let text = (CONTENT_TYPE, "text/plain; charset=utf-8");
    Ok(HttpResponse::Ok().insert_header(text).streaming(pieces.map(Ok::<_, Infallible>)))
}

fn tail(query: &str) -> Result<Tail, Error> {
    let lines = match key::query(query, b"tail") {
        None => TAIL,
        Some(text) => std::str::from_utf8(&text)
            .ok()
            .and_then(|text| text.parse().ok())
            .filter(|lines| *lines <= MOST)
            .ok_or_else(|| bad(&format!("'tail' is not a number of lines from 0 to {MOST}")))?,
    };
    let follow = match key::query(query, b"follow").as_deref() {
        None | Some(b"0" | b"false") => false,
        Some(b"1" | b"true") => true,
        Some(_) => return Err(bad("'follow' is not 1 or 0")),
    };
    Ok(Tail { lines, follow })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_part_is_asked_for() {
        let of = |query: &str| tail(query).map(|tail| (tail.lines, tail.follow)).map_err(|e| e.to_string());
        for (query, expected) in [
            ("", (100, false)),
            ("tail=0&follow=1", (0, true)),
            ("follow=true&tail=10000", (10_000, true)),
            ("tail=&follow=0", (100, false)),
        ] {
            assert_eq!(of(query), Ok(expected), "{query}");
        }
        for query in
            ["tail=10001", "tail=-1", "tail=all", "tail=99999999999999999999", "tail=1.5", "tail=%ff"]
        {
            assert_eq!(of(query), Err("'tail' is not a number of lines from 0 to 10000".into()), "{query}");
        }
        assert_eq!(of("follow=yes"), Err("'follow' is not 1 or 0".into()));
    }
}
