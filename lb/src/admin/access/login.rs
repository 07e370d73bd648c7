//! /login: exchanges the admin token for a session cookie.

use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue, LOCATION, SET_COOKIE};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use tokio::time::timeout;

use crate::proxy::key;

use super::{Access, LiveAccess, address};
use crate::admin::error::Error;
use crate::proxy::credentials;
use crate::proxy::error::{RequestError, bad};

const PAGE: &str = include_str!("login.html");
const STYLE: &str = include_str!("login.css");

/// The largest form in bytes: one token of 512 characters, percent-encoded, fits.
const MAX_FORM_SIZE: usize = 4096;

/// The longest wait for the whole form.
const FORM_TIMEOUT: Duration = Duration::from_secs(10);

/// The login form.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "only the schema; the handler parses the body itself")]
pub(in crate::admin) struct Form {
    token: String,
}

/// Registers the routes of the login page.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/login", web::get().to(by_link))
        .route("/login", web::post().to(by_form))
        .route("/login.css", web::get().to(style));
}

/// The style sheet of the login form
#[utoipa::path(
    get,
    path = "/login.css",
    responses((status = 200, description = "CSS", body = String, content_type = "text/css"))
)]
pub(in crate::admin) async fn style() -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/css")).body(STYLE)
}

/// The login form
///
/// With `?token=` (the link in the log) it logs in at once. With a valid session cookie it redirects to the dashboard.
#[utoipa::path(
    get,
    path = "/login",
    params(("token" = Option<String>, Query, description = "The token")),
    responses(
        (status = 200, description = "The form", body = String, content_type = "text/html"),
        (status = 303, description = "Redirects to the dashboard; sets the session cookie if a token was given"),
        (status = 403, description = "The token is wrong; the form again", body = String, content_type = "text/html"),
        (status = 429, description = "Too many wrong tokens", body = String, content_type = "text/html"),
    )
)]
pub(in crate::admin) async fn by_link(access: web::Data<LiveAccess>, request: HttpRequest) -> HttpResponse {
    let access = access.borrow().clone();
    let logged_in = access.token_auth.as_ref().is_none_or(|auth| auth.has_session(request.headers()));
    match key::query(request.query_string(), b"token") {
        Some(token) => log_in(&access, &request, &token).await,
        _ if logged_in => to_the_dashboard().finish(),
        _ => page(HttpResponse::Ok().finish(), ""),
    }
}

/// Exchange the token for a session cookie
#[utoipa::path(
    post,
    path = "/login",
    request_body(content = Form, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Redirects to the dashboard, and sets the session cookie"),
        (status = 403, description = "The token is wrong; the form again", body = String, content_type = "text/html"),
        (status = 429, description = "Too many wrong tokens", body = String, content_type = "text/html"),
    )
)]
pub(in crate::admin) async fn by_form(
    access: web::Data<LiveAccess>,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    let form = match timeout(FORM_TIMEOUT, body.to_bytes_limited(MAX_FORM_SIZE)).await {
        Ok(Ok(Ok(form))) => Ok(form),
        Ok(Ok(Err(error))) => Err(bad(format!("The form broke off: {error}")).into()),
        Ok(Err(_)) => Err(Error::FormTooLarge(MAX_FORM_SIZE)),
        Err(_) => Err(RequestError::TooSlow(FORM_TIMEOUT).into()),
    };
    let form = match form {
        Ok(form) => form,
        Err(error) => return error.error_response(),
    };
    let access = access.borrow().clone();
    let form = String::from_utf8_lossy(&form);
    let token = key::query(&form, b"token").unwrap_or_default();
    log_in(&access, &request, &token).await
}

async fn log_in(access: &Access, request: &HttpRequest, token: &[u8]) -> HttpResponse {
    let Some(lock) = &access.token_auth else { return to_the_dashboard().finish() };
    match credentials::verify_token(&lock.auth, address(request), token.trim_ascii()).await {
        Ok(()) => {
            let (name, session) = (credentials::cookie(request.headers()), lock.session.reveal());
            let cookie = format!("{name}={session}; Path=/; HttpOnly; SameSite=Strict");
            to_the_dashboard().insert_header((SET_COOKIE, cookie)).finish()
        }
        Err(error) => {
            let error = Error::from(error);
            page(error.error_response(), &error.to_string())
        }
    }
}

fn to_the_dashboard() -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::SeeOther();
    response.insert_header((LOCATION, "/"));
    response
}

/// The login form with the status and headers of `answer`. `problem` is not escaped: it must be one of our own texts.
fn page(answer: HttpResponse, problem: &str) -> HttpResponse {
    let mut answer = answer.set_body(BoxBody::new(PAGE.replace("{problem}", problem)));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    answer
}
