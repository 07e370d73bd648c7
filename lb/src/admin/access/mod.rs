//! What stands before every answer of the admin listener: who may ask, from where, and how.
//!
//! - Without a token (a loopback address) whoever reaches the listener may ask. With one it is shown as a bearer
//!   token, or once at /login for a cookie. /livez, /readyz and /login are open.
//! - A change by cookie or without a token is JSON or has the field `X-LB-Admin`: no form of another site can send either,
//!   and its scripts only if we allowed it. A plan changes nothing.
//! - A page of another site gets nothing, its links apart (`Sec-Fetch-Site`): no answer to put into itself, and no guess
//!   at the token.
//! - `Host` is this machine's (`host`): a name that its owner points at us later is not (DNS rebinding). Who shows
//!   the token is led by nobody: none of these rules is for him.
//! - `headers`: what every answer forbids the browser · `login`: the page and the cookie

mod headers;
mod host;
pub(crate) mod login;

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use actix::Addr;
use actix_http::Response;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use actix_web::middleware::Next;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};

use crate::auth::actor::AuthActor;
use crate::auth::token::Token;
use crate::config::Config;
use crate::proxy::guard;

use crate::proxy::credentials;
use crate::proxy::cross_site;
use crate::proxy::error::Error;
use host::Hosts;
pub(crate) use login::routes;

/// Any value will do: that a page may send it at all is what counts.
const CUSTOM: &str = "x-lb-admin";

/// Who may ask what.
#[derive(Clone)]
pub struct Access {
    lock: Option<Lock>,
    hosts: Hosts,
}

/// The rules in force in a worker.
pub type LiveAccess = Rc<RefCell<Access>>;

/// The token is needed.
#[derive(Clone)]
struct Lock {
    gate: Addr<AuthActor>,
    /// Drawn for this process.
    seed: Token,
    /// What the cookie of everybody who has logged in says, until this process ends or has another token.
    session: Token,
}

impl Access {
    /// With a gate the token is needed; what stands for it in a cookie is made of the other, a random one.
    pub fn new(gate: Option<(Addr<AuthActor>, Token)>, config: &Config) -> Self {
        let lock = gate.map(|(gate, seed)| Lock { gate, session: seed.clone(), seed });
        let mut access = Self { lock, hosts: Hosts::new(&[]) };
        access.configure(config);
        access
    }

    /// From now on this machine has these names beside `localhost`; with another token all logins end.
    pub fn configure(&mut self, config: &Config) {
        self.hosts = Hosts::new(&config.admin_hosts);
        if let (Some(lock), Some(token)) = (&mut self.lock, &config.admin_token) {
            lock.session = lock.seed.with(token);
        }
    }

    async fn admit(&self, request: &HttpRequest) -> Result<(), Error> {
        let headers = request.headers();
        let open = matches!(request.path(), "/livez" | "/readyz" | "/login" | "/login.css");
        if let (Some(lock), Some(token), false) = (&self.lock, credentials::bearer(headers), open) {
            return credentials::show(&lock.gate, address(request), token).await;
        }
        self.hosts.check(request)?;
        if cross_site::is_cross_site(headers) == Some(true) && !follows_a_link(request) {
            return Err(Error::OtherSite);
        }
        if open {
            return Ok(());
        }
        if self.lock.as_ref().is_some_and(|lock| !lock.knows(headers)) {
            return Err(Error::NoToken);
        }
        let changes =
            !matches!(*request.method(), Method::GET | Method::HEAD) && request.path() != "/api/plan";
        let own = headers.contains_key(CUSTOM) || is_json(headers);
        if changes && !own { Err(Error::NoCustomHeader) } else { Ok(()) }
    }
}

impl Lock {
    /// Whether one of the cookies is the session's.
    fn knows(&self, headers: &HeaderMap) -> bool {
        crate::proxy::key::cookies(headers, credentials::cookie(headers).as_bytes())
            .any(|value| self.session.is(value))
    }
}

/// The middleware.
pub async fn admit(
    access: web::Data<LiveAccess>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, actix_web::Error> {
    let access = access.borrow().clone();
    let mut answer = match access.admit(request.request()).await {
        Ok(()) => next.call(request).await?.map_into_boxed_body(),
        Err(Error::NoToken) if wants_the_dashboard(request.request()) => {
            let to_login = HttpResponse::SeeOther().insert_header((LOCATION, "/login")).finish();
            request.into_response(to_login)
        }
        Err(error) => request.into_response(error.error_response()),
    };
    headers::forbid(answer.headers_mut());
    Ok(answer)
}

/// The answer to what is no request.
pub fn refuse(refusal: guard::Rejection) -> Response<BoxBody> {
    let mut answer = Error::Inbound(refusal).error_response();
    headers::forbid(answer.headers_mut());
    answer.into()
}

/// A page needs our word to send this elsewhere (CORS: it is no type of a form).
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// Whether somebody goes to our page, and no other page asks for something to put into itself.
fn follows_a_link(request: &HttpRequest) -> bool {
    let destination = request.headers().get("sec-fetch-dest").map(HeaderValue::as_bytes);
    request.method() == Method::GET && destination == Some(b"document")
}

/// A person with a browser, who can log in.
fn wants_the_dashboard(request: &HttpRequest) -> bool {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    request.method() == Method::GET
        && request.path() == "/"
        && accept.is_some_and(|a| a.contains("text/html"))
}

/// Whom failures are counted for; a client that has left gets no answer anyway.
fn address(request: &HttpRequest) -> IpAddr {
    request.peer_addr().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip())
}
