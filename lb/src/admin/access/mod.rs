//! The middleware of the admin listener that authorises each request.
//!
//! - Without a token (loopback addresses only) every request is authorised. With one, a request carries it as a bearer
//!   token, or a session cookie from /login. /livez, /readyz and /login need neither.
//! - A change with a cookie, or without a token, must be JSON or have the header `X-LB-Admin` (CSRF): a form of another
//!   site cannot send either, and a script only after a CORS preflight, which we never answer. /api/plan changes
//!   nothing.
//! - Cross-site requests (`Sec-Fetch-Site`) are rejected except navigation: another page can neither embed a response
//!   nor guess the token.
//! - `Host` must be a name of this machine (`host`), against DNS rebinding.
//! - A bearer token makes the last three rules unnecessary: a browser never adds it by itself.
//! - `headers`: the security headers of responses · `login`: the login page and the cookie

mod headers;
mod host;
pub(crate) mod login;

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use actix_http::Response;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use actix_web::middleware::Next;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};

use crate::auth::AuthHandle;
use crate::auth::token::Token;
use crate::proxy::dispatcher::Rejection;

use crate::admin::error::Error;
use crate::proxy::credentials;
use crate::proxy::cross_site;
use crate::proxy::error::RequestError;
use host::Hosts;
pub(crate) use login::routes;

/// Its value is ignored: a cross-site page cannot send a custom header at all without CORS.
const CUSTOM_HEADER: &str = "x-lb-admin";

/// Configuration of the access to the admin listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Host names that are accepted in `Host`, beside `localhost` and IP addresses.
    pub hosts: Vec<String>,
    /// The configured admin token; `None`: there is none, or one was generated.
    pub token: Option<Token>,
}

/// The rules by which requests are authorised.
#[derive(Clone)]
pub struct Access {
    /// `None`: no token is required.
    token_auth: Option<TokenAuth>,
    hosts: Hosts,
}

/// The rules in force in the admin worker; a reload replaces them.
pub type LiveAccess = Rc<RefCell<Access>>;

/// How the token is verified where it is required.
#[derive(Clone)]
struct TokenAuth {
    auth: AuthHandle,
    /// Random, generated once for this process.
    seed: Token,
    /// The value of the session cookie, the same for all sessions: derived from the seed and the token, so that a new
    /// process or a new token ends all sessions.
    session: Token,
}

impl Access {
    /// `auth`: the actor that verifies the token, and a random seed for the session cookie; `None`: no token is
    /// required.
    pub fn new(auth: Option<(AuthHandle, Token)>, settings: &Settings) -> Self {
        let token_auth = auth.map(|(auth, seed)| TokenAuth { auth, session: seed.clone(), seed });
        let mut access = Self { token_auth, hosts: Hosts::new(&[]) };
        access.configure(settings);
        access
    }

    /// Takes over other settings. A new token ends all sessions.
    pub fn configure(&mut self, settings: &Settings) {
        self.hosts = Hosts::new(&settings.hosts);
        if let (Some(auth), Some(token)) = (&mut self.token_auth, &settings.token) {
            auth.session = auth.seed.with(token);
        }
    }

    async fn check(&self, request: &HttpRequest) -> Result<(), Error> {
        let headers = request.headers();
        let open = matches!(request.path(), "/livez" | "/readyz" | "/login" | "/login.css");
        if let (Some(verifier), Some(token), false) = (&self.token_auth, credentials::bearer(headers), open) {
            return Ok(credentials::verify_token(&verifier.auth, address(request), token).await?);
        }
        self.hosts.check(request)?;
        if cross_site::is_cross_site(headers) == Some(true) && !is_navigation(request) {
            return Err(RequestError::OtherSite.into());
        }
        if open {
            return Ok(());
        }
        if self.token_auth.as_ref().is_some_and(|auth| !auth.has_session(headers)) {
            return Err(RequestError::NoToken.into());
        }
        let changes =
            !matches!(*request.method(), Method::GET | Method::HEAD) && request.path() != "/api/plan";
        let same_origin = headers.contains_key(CUSTOM_HEADER) || is_json(headers);
        if changes && !same_origin { Err(Error::NoCustomHeader) } else { Ok(()) }
    }
}

impl TokenAuth {
    /// Whether a cookie has the session's value.
    fn has_session(&self, headers: &HeaderMap) -> bool {
        crate::proxy::key::cookies(headers, credentials::cookie(headers).as_bytes())
            .any(|value| self.session.is(value))
    }
}

/// Middleware: passes an authorised request on, and adds the security headers to every response. A browser without a
/// session is redirected to /login.
pub async fn authorize(
    access: web::Data<LiveAccess>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, actix_web::Error> {
    let access = access.borrow().clone();
    let mut answer = match access.check(request.request()).await {
        Ok(()) => next.call(request).await?.map_into_boxed_body(),
        Err(Error::Request(RequestError::NoToken)) if is_browser_at_dashboard(request.request()) => {
            let to_login = HttpResponse::SeeOther().insert_header((LOCATION, "/login")).finish();
            request.into_response(to_login)
        }
        Err(error) => request.into_response(error.error_response()),
    };
    headers::add_security_headers(answer.headers_mut());
    Ok(answer)
}

/// The response to bytes that the dispatcher has rejected as no valid request.
pub fn reject(rejection: Rejection) -> Response<BoxBody> {
    let mut answer = Error::from(RequestError::Rejected(rejection)).error_response();
    headers::add_security_headers(answer.headers_mut());
    answer.into()
}

/// Whether the body is JSON: no form can send this type, and a cross-site script needs a CORS preflight for it.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// Whether a browser navigates to the page (a link on another site), rather than embedding it.
fn is_navigation(request: &HttpRequest) -> bool {
    let destination = request.headers().get("sec-fetch-dest").map(HeaderValue::as_bytes);
    request.method() == Method::GET && destination == Some(b"document")
}

/// Whether a browser requests the dashboard: only then a redirect to /login is useful.
fn is_browser_at_dashboard(request: &HttpRequest) -> bool {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    request.method() == Method::GET
        && request.path() == "/"
        && accept.is_some_and(|a| a.contains("text/html"))
}

/// The address that failed attempts are counted for. Unspecified if the client has disconnected: it gets no response.
fn address(request: &HttpRequest) -> IpAddr {
    request.peer_addr().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip())
}
