//! /login: the token is shown once, and from then on a cookie in its place.

use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue, LOCATION, SET_COOKIE};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use tokio::time::timeout;

use crate::proxy::key;

use super::{Access, LiveAccess, address};
use crate::proxy::credentials;
use crate::proxy::error::Error;

const PAGE: &str = include_str!("login.html");
const STYLE: &str = include_str!("login.css");

/// A form with one token, percent-encoded.
const LONGEST_FORM: usize = 4096;

/// How long it may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// The fields of the form.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "it describes what is read field by field")]
pub(in crate::admin) struct Form {
    token: String,
}

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/login", web::get().to(by_link))
        .route("/login", web::post().to(by_form))
        .route("/login.css", web::get().to(style));
}

/// What the form looks like
#[utoipa::path(
    get,
    path = "/login.css",
    responses((status = 200, description = "CSS", body = String, content_type = "text/css"))
)]
pub(in crate::admin) async fn style() -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/css")).body(STYLE)
}

/// The form in which the token is shown
///
/// The link in the log has the token: who follows it is logged in.
#[utoipa::path(
    get,
    path = "/login",
    params(("token" = Option<String>, Query, description = "The token")),
    responses(
        (status = 200, description = "The form", body = String, content_type = "text/html"),
        (status = 303, description = "To the dashboard, with the cookie if the token was right"),
        (status = 403, description = "The token is wrong; the form again", body = String, content_type = "text/html"),
        (status = 429, description = "Too many wrong tokens", body = String, content_type = "text/html"),
    )
)]
pub(in crate::admin) async fn by_link(access: web::Data<LiveAccess>, request: HttpRequest) -> HttpResponse {
    let access = access.borrow().clone();
    let known = access.lock.as_ref().is_none_or(|lock| lock.knows(request.headers()));
    match key::query(request.query_string(), b"token") {
        Some(token) => log_in(&access, &request, &token).await,
        _ if known => to_the_dashboard().finish(),
        _ => page(HttpResponse::Ok().finish(), ""),
    }
}

/// VerifyToken the token once for a cookie
#[utoipa::path(
    post,
    path = "/login",
    request_body(content = Form, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "To the dashboard, with the cookie"),
        (status = 403, description = "The token is wrong; the form again", body = String, content_type = "text/html"),
        (status = 429, description = "Too many wrong tokens", body = String, content_type = "text/html"),
    )
)]
pub(in crate::admin) async fn by_form(
    access: web::Data<LiveAccess>,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    let form = match timeout(PATIENCE, body.to_bytes_limited(LONGEST_FORM)).await {
        Ok(Ok(Ok(form))) => form,
        Ok(Ok(Err(error))) => return Error::Bad(format!("The form broke off: {error}")).error_response(),
        Ok(Err(_)) => return Error::FormTooLarge(LONGEST_FORM).error_response(),
        Err(_) => return Error::TooSlow(PATIENCE).error_response(),
    };
    let access = access.borrow().clone();
    let form = String::from_utf8_lossy(&form);
    let token = key::query(&form, b"token").unwrap_or_default();
    log_in(&access, &request, &token).await
}

async fn log_in(access: &Access, request: &HttpRequest, token: &[u8]) -> HttpResponse {
    let Some(lock) = &access.lock else { return to_the_dashboard().finish() };
    match credentials::show(&lock.gate, address(request), token.trim_ascii()).await {
        Ok(()) => {
            let (name, session) = (credentials::cookie(request.headers()), lock.session.reveal());
            let cookie = format!("{name}={session}; Path=/; HttpOnly; SameSite=Strict");
            to_the_dashboard().insert_header((SET_COOKIE, cookie)).finish()
        }
        Err(error) => page(error.error_response(), &error.to_string()),
    }
}

fn to_the_dashboard() -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::SeeOther();
    response.insert_header((LOCATION, "/"));
    response
}

/// The form, under the head of this answer. `problem` is one of our own texts.
fn page(answer: HttpResponse, problem: &str) -> HttpResponse {
    let mut answer = answer.set_body(BoxBody::new(PAGE.replace("{problem}", problem)));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    answer
}
