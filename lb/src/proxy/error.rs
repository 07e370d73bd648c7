//! Errors that the balancer itself answers: the only module that maps them to status codes, fields and bodies.

use std::time::Duration;

use actix_http::header::{self, HeaderName, HeaderValue};
use actix_http::{Response, StatusCode};
use serde_json::json;

use super::client;
use super::client::{Kind, Phase};
use super::guard;
use super::router;
use crate::config::NotReloaded;
use crate::control::supervisor::NotRead;
use crate::fleet::CommandError;
use crate::name::InvalidName;
use crate::runtime::NoLogs;
use crate::shortage::is_own_shortage;

use super::body::Body;

/// Gives the reason of a response that the balancer made itself (RFC 9209).
static PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// `Allow` of the 405 for CONNECT (RFC 9110 §15.5.6); unlisted methods are forwarded too.
const ALLOWED: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE";

/// Reasons why the balancer itself answers a request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A body or a query parameter is invalid; the text names it and the allowed values.
    #[error("{0}")]
    Bad(String),
    /// A hostname is not a valid replica name.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// /add: the list of hostnames is longer than `n`.
    #[error("Length of hostname list is more than newly added instances")]
    MoreNamesThanAdded,
    /// /rm: the list of hostnames is longer than `n`.
    #[error("Length of hostname list is more than removable instances")]
    MoreNamesThanRemoved,
    /// /api/explain without the parameter `key`.
    #[error("'key' is missing: /api/explain?key=K")]
    NoKey,
    /// The limit of subscribers to /api/events is reached.
    #[error("There are too many subscribers to /api/events: try again later")]
    TooManySubscribers,
    /// The admin listener does not serve this path.
    #[error("There is no {0}")]
    NoSuchPath(String),
    /// The admin token is required and was not sent.
    #[error(
        "The admin token is missing: send 'Authorization: Bearer TOKEN' (lb: --admin-token-file or LB_ADMIN_TOKEN), or \
         log in at /login"
    )]
    NoToken,
    /// The token sent is not the admin token.
    #[error("The admin token is wrong")]
    WrongToken,
    /// The address sent ten wrong tokens within a minute; holds the time until it may try again.
    #[error("Too many wrong tokens came from this address: try again in {} s", in_seconds(*.0))]
    TooManyWrongTokens(Duration),
    /// A change without a bearer token and without a header that a cross-site form cannot set.
    #[error(
        "A change needs the header X-LB-Admin (any value) or 'Content-Type: application/json', or the admin token as \
         'Authorization: Bearer TOKEN'"
    )]
    NoCustomHeader,
    /// A browser sent the request on behalf of a page of another site.
    #[error("A page of another site may not ask this (Sec-Fetch-Site, Origin)")]
    OtherSite,
    /// A request to the admin listener has no single valid `Host`.
    #[error("'Host' is missing, there twice, or no text")]
    NoHost,
    /// `Host` of a request to the admin listener is not a name of this balancer (DNS rebinding).
    #[error("Host '{0}' is not this balancer: use its IP address or localhost, or name it by --admin-host")]
    OtherHost(String),
    /// The form of /login exceeds its limit in bytes.
    #[error("The form is larger than {0} bytes")]
    FormTooLarge(usize),
    /// The admin listener serves this path, but not with this method.
    #[error("There is no {what}: use {allowed}")]
    NotAllowed {
        /// Method and path of the request.
        what: String,
        /// The methods of the path, as the value of `Allow`.
        allowed: String,
    },
    /// `Via` shows that the request passes balancers in a loop.
    #[error("The request goes round in circles (Via)")]
    Loop,
    /// The body of a control call exceeds `--max-control-body` bytes.
    #[error("The body is larger than {0} bytes (--max-control-body)")]
    TooLarge(usize),
    /// The body of a control call did not arrive within `--client-head-timeout`.
    #[error("The body did not come within {0:?} (--client-head-timeout)")]
    TooSlow(Duration),
    /// The guard rejected the request.
    #[error(transparent)]
    Inbound(#[from] guard::Rejection),
    /// The configuration was not reloaded.
    #[error(transparent)]
    NotReloaded(#[from] NotReloaded),
    /// The fleet refused the command.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// The output of a replica cannot be read.
    #[error(transparent)]
    NotRead(#[from] NotRead),
    /// The request was not forwarded, or got no reply head.
    #[error(transparent)]
    Router(#[from] router::Error),
}

impl Error {
    /// The status code of the response.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Bad(_)
            | Self::Name(_)
            | Self::MoreNamesThanAdded
            | Self::MoreNamesThanRemoved
            | Self::NoKey
            | Self::NoHost => StatusCode::BAD_REQUEST,
            Self::NoToken => StatusCode::UNAUTHORIZED,
            Self::WrongToken | Self::NoCustomHeader | Self::OtherSite => StatusCode::FORBIDDEN,
            Self::TooManyWrongTokens(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::OtherHost(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::NoSuchPath(_) => StatusCode::NOT_FOUND,
            Self::NotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooManySubscribers | Self::NotRead(NotRead::TooMany) => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotRead(NotRead::Unknown(_) | NotRead::NoLogs(NoLogs::Nothing)) => StatusCode::NOT_FOUND,
            Self::NotRead(NotRead::NoLogs(NoLogs::Unseen)) => StatusCode::BAD_REQUEST,
            Self::NotRead(NotRead::NoLogs(NoLogs::Engine(_))) => StatusCode::BAD_GATEWAY,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::TooLarge(_) | Self::FormTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Inbound(rejection) => Self::status_of_rejection(rejection),
            Self::Refused(
                CommandError::NotReady { .. } | CommandError::Stopping | CommandError::Conflict,
            ) => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotReloaded(NotReloaded::Stopping) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Refused(
                CommandError::NoReplica(_) | CommandError::NoSeat(_) | CommandError::NoUpstream(_),
            ) => StatusCode::NOT_FOUND,
            Self::Refused(
                CommandError::NotNow { .. }
                | CommandError::Drained(_)
                | CommandError::NotDrained(_)
                | CommandError::Replacing(_)
                | CommandError::Rolling { .. },
            ) => StatusCode::CONFLICT,
            Self::Refused(_) | Self::NotReloaded(_) => StatusCode::BAD_REQUEST,
            Self::Router(error) => Self::status_of_router(error),
        }
    }

    fn status_of_rejection(rejection: &guard::Rejection) -> StatusCode {
        use guard::Rejection;
        match rejection {
            Rejection::Malformed(_) => StatusCode::BAD_REQUEST,
            Rejection::Connect => StatusCode::METHOD_NOT_ALLOWED,
            Rejection::HeadTooSlow(_) | Rejection::BodyTooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Rejection::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Rejection::TargetTooLong(_) => StatusCode::URI_TOO_LONG,
            Rejection::Expectation => StatusCode::EXPECTATION_FAILED,
            Rejection::HeaderTooLarge(_) | Rejection::TooManyFields(_) => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Rejection::TooManyConnections => StatusCode::SERVICE_UNAVAILABLE,
            Rejection::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        }
    }

    fn status_of_router(error: &router::Error) -> StatusCode {
        use router::Error::{ClientLeft, NoReplica, Overloaded, Stopping, TooLong, Upstream};
        match error {
            NoReplica | Overloaded | Stopping => StatusCode::SERVICE_UNAVAILABLE,
            // The client is gone: this status appears in no response.
            ClientLeft => StatusCode::BAD_REQUEST,
            TooLong(_) => StatusCode::GATEWAY_TIMEOUT,
            Upstream(error) => Self::status_of_upstream(error),
        }
    }

    fn status_of_upstream(error: &client::Error) -> StatusCode {
        match &error.kind {
            // The balancer ran out of descriptors, ports or memory; the replica did not fail.
            Kind::Connect(error) if is_own_shortage(error) => StatusCode::SERVICE_UNAVAILABLE,
            Kind::TimedOut(Phase::Upload) => StatusCode::REQUEST_TIMEOUT,
            Kind::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
            Kind::Client(_) | Kind::Request(_) => StatusCode::BAD_REQUEST,
            Kind::Unknown(_) | Kind::Connect(_) | Kind::Broke(_) | Kind::Malformed(_) | Kind::Aborted => {
                StatusCode::BAD_GATEWAY
            }
        }
    }

    /// The response: status, fields, and the body `{"message":"<Error> …","status":"failure"}`.
    pub fn response(&self) -> Response<Body> {
        let mut response = json_response(self.status(), &failure(&self.to_string()));
        if let Some(status) = self.proxy_status() {
            response.headers_mut().insert(PROXY_STATUS.clone(), HeaderValue::from_static(status));
        }
        let field = match self {
            Self::Inbound(guard::Rejection::Connect) => {
                Some((header::ALLOW, HeaderValue::from_static(ALLOWED)))
            }
            Self::NotAllowed { allowed, .. } => {
                HeaderValue::from_str(allowed).ok().map(|allowed| (header::ALLOW, allowed))
            }
            Self::NoToken => Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            Self::TooManyWrongTokens(left) => Some((header::RETRY_AFTER, in_seconds(*left).into())),
            _ => None,
        };
        if let Some((name, value)) = field {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl actix_web::ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> actix_web::HttpResponse {
        self.response().map_into_boxed_body().into()
    }
}

/// A 400 whose message names the invalid part of the request and the allowed values.
pub fn bad(message: impl Into<String>) -> Error {
    Error::Bad(message.into())
}

/// Whole seconds, rounded up so that a client does not retry too early.
fn in_seconds(time: Duration) -> u64 {
    time.as_secs_f64().ceil() as u64
}

/// The body of an error in the contract's form.
pub fn failure(message: &str) -> serde_json::Value {
    json!({ "message": format!("<Error> {message}"), "status": "failure" })
}

/// A response with a JSON body.
pub fn json_response(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    let mut response = Response::with_body(status, Body::Own(value.to_string().into()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_local_shortage_is_503_and_does_not_blame_the_replica() {
        let answer = |errno: rustix::io::Errno| {
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            let error = client::Error { kind: Kind::Connect(error), sent: false, received: false };
            let response = Error::Router(router::Error::Upstream(error)).response();
            let status = response.headers().get(&PROXY_STATUS).unwrap().to_str().unwrap().to_owned();
            (response.status().as_u16(), status)
        };
        use rustix::io::Errno;
        for local in [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOMEM] {
            assert_eq!(answer(local), (503, "lb; error=proxy_internal_error".to_owned()), "{local}");
        }
        assert_eq!(answer(Errno::CONNREFUSED), (502, "lb; error=connection_refused".to_owned()));
    }
}
