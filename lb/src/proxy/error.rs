//! Errors of the traffic listener and their status codes. No other file of `proxy` chooses the status of an error;
//! `service.rs` only compares the status of a replica's reply with 404.
//!
//! The admin listener has its own errors in `admin/error.rs` and shares [`RequestError`]: both listeners verify the same
//! token, read the same JSON bodies and bound their connections alike. It is here because `admin` may use `proxy`, but
//! not the reverse.

use std::time::Duration;

use actix_http::header::{self, HeaderName, HeaderValue};
use actix_http::{Response, StatusCode};

use super::body::Body;
use super::client;
use super::client::{Kind, Phase};
use super::dispatcher::{Rejection, rejection_text};
use super::error_body::ErrorResponse;
use super::proxy_status;
use super::router;
use crate::control::supervisor::StartDuration;
use crate::fleet::CommandError;
use crate::name::InvalidName;
use crate::shortage::is_own_shortage;

/// `Allow` of the 405 for CONNECT (RFC 9110 §15.5.6); unlisted methods are forwarded too.
const ALLOWED: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE";

/// Reasons why the balancer itself answers a request of the traffic listener.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request was refused for a reason that the admin listener has too.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// `Via` shows that the request passes balancers in a loop.
    #[error("The request goes round in circles (Via)")]
    Loop,
    /// The replica answered 404, which `--map-404` replaces; the path of the request.
    #[error("'{0}' endpoint does not exist in server replicas")]
    UnknownPath(String),
    /// The request was not forwarded, or got no reply head.
    #[error(transparent)]
    Router(#[from] router::Error),
}

/// Reasons why either listener refuses a request.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// A body or a query parameter is invalid; the text names it and the allowed values.
    #[error("{0}")]
    Invalid(String),
    /// A hostname is not a valid replica name.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// /add: the list of hostnames is longer than `n`.
    #[error("Length of hostname list is more than newly added instances")]
    MoreNamesThanAdded,
    /// /rm: the list of hostnames is longer than `n`.
    #[error("Length of hostname list is more than removable instances")]
    MoreNamesThanRemoved,
    /// The admin token is required and was not sent. The text names /login of the admin listener also on the traffic
    /// listener, which requires the same token.
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
    /// A browser sent the request on behalf of a page of another site.
    #[error("A page of another site may not ask this (Sec-Fetch-Site, Origin)")]
    OtherSite,
    /// The body of a control call exceeds `--max-control-body` bytes.
    #[error("The body is larger than {0} bytes (--max-control-body)")]
    TooLarge(usize),
    /// The body of a control call did not arrive within `--client-head-timeout`.
    #[error("The body did not come within {0:?} (--client-head-timeout)")]
    TooSlow(Duration),
    /// The dispatcher rejected the request.
    #[error("{}", rejection_text(.0))]
    Rejected(#[from] Rejection),
    /// The fleet refused the command.
    #[error(transparent)]
    Refused(#[from] CommandError),
}

impl Error {
    /// The response; a 503 without a replica has the start time of a replica as `Retry-After`.
    pub fn response_after(&self, start_duration: &StartDuration) -> Response<Body> {
        let mut response = self.response();
        if let Self::Router(router::Error::NoReplica) = self {
            response.headers_mut().insert(header::RETRY_AFTER, start_duration.seconds().into());
        }
        response
    }
}

impl From<CommandError> for Error {
    fn from(error: CommandError) -> Self {
        Self::Request(error.into())
    }
}

impl ErrorResponse for Error {
    fn status(&self) -> StatusCode {
        match self {
            Self::Request(error) => error.status(),
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::UnknownPath(_) => StatusCode::BAD_REQUEST,
            Self::Router(error) => status_of_router(error),
        }
    }

    fn proxy_status(&self) -> Option<&'static str> {
        proxy_status::of(self)
    }

    fn field(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Request(error) => error.field(),
            Self::Loop | Self::UnknownPath(_) | Self::Router(_) => None,
        }
    }
}

impl ErrorResponse for RequestError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) | Self::Name(_) | Self::MoreNamesThanAdded | Self::MoreNamesThanRemoved => {
                StatusCode::BAD_REQUEST
            }
            Self::NoToken => StatusCode::UNAUTHORIZED,
            Self::WrongToken | Self::OtherSite => StatusCode::FORBIDDEN,
            Self::TooManyWrongTokens(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Rejected(rejection) => status_of_rejection(rejection),
            Self::Refused(error) => status_of_command(error),
        }
    }

    fn proxy_status(&self) -> Option<&'static str> {
        proxy_status::of_request_error(self)
    }

    fn field(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Rejected(Rejection::Connect) => Some((header::ALLOW, HeaderValue::from_static(ALLOWED))),
            Self::NoToken => Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            Self::TooManyWrongTokens(left) => Some((header::RETRY_AFTER, in_seconds(*left).into())),
            _ => None,
        }
    }
}

fn status_of_rejection(rejection: &Rejection) -> StatusCode {
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

fn status_of_command(error: &CommandError) -> StatusCode {
    use CommandError::{Conflict, NotReady, Stopping};
    use CommandError::{Cordoned, NotCordoned, NotNow, Replacing, Rolling};
    use CommandError::{NoSeat, NoSuchReplica, NoUpstream};
    match error {
        NotReady { .. } | Stopping | Conflict => StatusCode::SERVICE_UNAVAILABLE,
        NoSuchReplica(_) | NoSeat(_) | NoUpstream(_) => StatusCode::NOT_FOUND,
        NotNow { .. } | Cordoned(_) | NotCordoned(_) | Replacing(_) | Rolling { .. } => StatusCode::CONFLICT,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn status_of_router(error: &router::Error) -> StatusCode {
    use router::Error::{ClientLeft, NoReplica, Overloaded, Replica, Stopping, TooLong};
    match error {
        NoReplica | Overloaded | Stopping => StatusCode::SERVICE_UNAVAILABLE,
        // The client is gone: this status appears in no response.
        ClientLeft => StatusCode::BAD_REQUEST,
        TooLong(_) => StatusCode::GATEWAY_TIMEOUT,
        Replica(error) => status_of_client_error(error),
    }
}

fn status_of_client_error(error: &client::Error) -> StatusCode {
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

/// The status of `/heartbeat` and of `/readyz`.
pub fn readiness(ready: bool) -> StatusCode {
    if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// A 400 whose message names the invalid part of the request and the allowed values.
pub fn bad(message: impl Into<String>) -> RequestError {
    RequestError::Invalid(message.into())
}

/// Whole seconds, rounded up so that a client does not retry too early.
fn in_seconds(time: Duration) -> u64 {
    time.as_secs_f64().ceil() as u64
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::error_body::PROXY_STATUS;
    use super::*;

    #[test]
    fn a_local_shortage_is_503_and_no_failure_of_the_replica() {
        let answer = |errno: rustix::io::Errno| {
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            let error = client::Error { kind: Kind::Connect(error), sent: false, received: false };
            let response = Error::Router(router::Error::Replica(error)).response();
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
