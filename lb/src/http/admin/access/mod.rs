//! What stands before every answer of the admin listener: who may ask, from where, and how.
//!
//! - Without a token (a loopback address) whoever reaches the listener may ask. With one it is shown as a bearer
//!   token, or once at /login for a cookie. /livez, /readyz and /login are open.
//! - A change by cookie or without a token is JSON or has the field `X-LB-Admin`: no form of another site can send either,
//!   and its scripts only if we allowed it. A plan changes nothing.
//! - `Host` is this machine's (`host`): a name that its owner points at us later is not (DNS rebinding). Who shows
//!   the token is led by nobody: neither rule is for him.
//! - `headers`: what every answer forbids the browser · `login`: the page and the cookie

mod headers;
mod host;
pub(super) mod login;

use std::net::{IpAddr, Ipv4Addr};

use actix::Addr;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, LOCATION};
use actix_web::middleware::Next;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};

use crate::actors::gate::GateActor;
use crate::token::Token;

use super::super::credentials;
use super::super::error::Error;
use host::Hosts;
pub(super) use login::routes;

/// Any value will do: that a page may send it at all is what counts.
const CUSTOM: &str = "x-lb-admin";

/// Who may ask what.
#[derive(Clone)]
pub struct Access {
    lock: Option<Lock>,
    hosts: Hosts,
}

/// The token is needed.
#[derive(Clone)]
struct Lock {
    gate: Addr<GateActor>,
    /// What the cookie of everybody who has logged in says, until this process ends.
    session: Token,
}

impl Access {
    /// With a gate the token is needed, and `session` stands for it in a cookie. `hosts` are names of this machine
    /// beside `localhost`.
    pub fn new(gate: Option<(Addr<GateActor>, Token)>, hosts: &[String]) -> Self {
        Self { lock: gate.map(|(gate, session)| Lock { gate, session }), hosts: Hosts::new(hosts) }
    }

    async fn admit(&self, request: &HttpRequest) -> Result<(), Error> {
        let headers = request.headers();
        let open = matches!(request.path(), "/livez" | "/readyz" | "/login" | "/login.css");
        if let (Some(lock), Some(token), false) = (&self.lock, credentials::bearer(headers), open) {
            return credentials::show(&lock.gate, address(request), token).await;
        }
        self.hosts.check(request)?;
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
        crate::key::cookies(headers, login::COOKIE.as_bytes()).any(|value| self.session.is(value))
    }
}

/// The middleware.
pub async fn admit(
    access: web::Data<Access>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, actix_web::Error> {
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

/// A page needs our word to send this elsewhere (CORS: it is no type of a form).
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
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
