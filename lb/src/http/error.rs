//! What went wrong, as a status code and a body: the only place that knows status codes.

use std::io;
use std::time::Duration;

use actix_http::header::{self, HeaderName, HeaderValue};
use actix_http::{Response, StatusCode};
use serde_json::json;

use crate::actors::router;
use crate::fleet::Refusal;
use crate::inbound;
use crate::name::NotAName;
use crate::upstream::{self, Kind, Malformed, Phase};

use super::body::Body;

/// Says why a reply is not the replica's (RFC 9209).
static PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// What a 405 must name (RFC 9110 §15.5.6); others are allowed too.
const ALLOWED: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE";

/// Why a request is answered by us, and not as it wished.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The body of /add or /rm is not what it should be.
    #[error("{0}")]
    BadBody(String),
    /// A hostname is no name.
    #[error(transparent)]
    Name(#[from] NotAName),
    /// /add: more names than replicas.
    #[error("Length of hostname list is more than newly added instances")]
    MoreNamesThanAdded,
    /// /rm: more names than replicas.
    #[error("Length of hostname list is more than removable instances")]
    MoreNamesThanRemoved,
    /// /api/explain without a key.
    #[error("'key' is missing: /api/explain?key=K")]
    NoKey,
    /// /api/events has as many subscribers as it may.
    #[error("There are too many subscribers to /api/events: try again later")]
    TooManySubscribers,
    /// Not a path of the admin listener, or not with this method.
    #[error("There is no {0}")]
    NoSuchPath(String),
    /// The request came through balancers like this one again and again.
    #[error("The request goes round in circles (Via)")]
    Loop,
    /// `--max-control-body`.
    #[error("The body is larger than {0} bytes (--max-control-body)")]
    TooLarge(usize),
    /// `--client-head-timeout`, which a control call's body must keep too.
    #[error("The body did not come within {0:?} (--client-head-timeout)")]
    TooSlow(Duration),
    /// The request was none, or not one that we serve.
    #[error(transparent)]
    Inbound(#[from] inbound::Refusal),
    /// The fleet refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The request was not forwarded, or got no reply.
    #[error(transparent)]
    Router(#[from] router::Error),
}

impl Error {
    /// The status code of every failure.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadBody(_)
            | Self::Name(_)
            | Self::MoreNamesThanAdded
            | Self::MoreNamesThanRemoved
            | Self::NoKey => StatusCode::BAD_REQUEST,
            Self::NoSuchPath(_) => StatusCode::NOT_FOUND,
            Self::TooManySubscribers => StatusCode::SERVICE_UNAVAILABLE,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Inbound(refusal) => Self::of_inbound(refusal),
            Self::Refused(Refusal::NotReady { .. } | Refusal::Stopping | Refusal::Rival) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Refused(_) => StatusCode::BAD_REQUEST,
            Self::Router(error) => Self::of_router(error),
        }
    }

    fn of_inbound(refusal: &inbound::Refusal) -> StatusCode {
        use inbound::Refusal;
        match refusal {
            Refusal::Malformed(_) => StatusCode::BAD_REQUEST,
            Refusal::Connect => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::HeadTooSlow(_) | Refusal::BodyTooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Refusal::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::TargetTooLong(_) => StatusCode::URI_TOO_LONG,
            Refusal::Expectation => StatusCode::EXPECTATION_FAILED,
            Refusal::HeaderTooLarge(_) | Refusal::TooManyFields(_) => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Refusal::TooManyConnections => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        }
    }

    fn of_router(error: &router::Error) -> StatusCode {
        use router::Error::{ClientLeft, NoReplica, Overloaded, Stopping, TooLong, Upstream};
        match error {
            NoReplica | Overloaded | Stopping => StatusCode::SERVICE_UNAVAILABLE,
            // Nobody reads it.
            ClientLeft => StatusCode::BAD_REQUEST,
            TooLong(_) => StatusCode::GATEWAY_TIMEOUT,
            Upstream(error) => Self::of_upstream(error),
        }
    }

    fn of_upstream(error: &upstream::Error) -> StatusCode {
        match error.kind {
            Kind::TimedOut(Phase::Upload) => StatusCode::REQUEST_TIMEOUT,
            Kind::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
            Kind::Client(_) | Kind::Request(_) => StatusCode::BAD_REQUEST,
            Kind::Unknown(_) | Kind::Connect(_) | Kind::Broke(_) | Kind::Malformed(_) | Kind::Aborted => {
                StatusCode::BAD_GATEWAY
            }
        }
    }

    /// The error type of `Proxy-Status` (RFC 9209 §2.3) where a request was to be forwarded.
    fn proxy_status(&self) -> Option<&'static str> {
        match self {
            Self::Router(error) => Self::proxy_status_of_router(error),
            Self::Loop => Some("lb; error=proxy_loop_detected"),
            Self::Inbound(inbound::Refusal::TooManyConnections) => Some("lb; error=proxy_internal_response"),
            Self::Inbound(_) => Some("lb; error=http_request_error"),
            _ => None,
        }
    }

    fn proxy_status_of_router(error: &router::Error) -> Option<&'static str> {
        use router::Error::{ClientLeft, NoReplica, Overloaded, Stopping, TooLong, Upstream};
        match error {
            NoReplica | Stopping => Some("lb; error=destination_unavailable"),
            Overloaded => Some("lb; error=connection_limit_reached"),
            TooLong(_) => Some("lb; error=http_response_timeout"),
            ClientLeft => None,
            Upstream(error) => Some(Self::proxy_status_of_upstream(error)),
        }
    }

    fn proxy_status_of_upstream(error: &upstream::Error) -> &'static str {
        match &error.kind {
            Kind::Unknown(_) => "lb; error=destination_unavailable",
            Kind::Connect(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => "lb; error=connection_refused",
                io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                    "lb; error=destination_ip_unroutable"
                }
                _ => "lb; error=destination_unavailable",
            },
            Kind::TimedOut(Phase::Connect) => "lb; error=connection_timeout",
            Kind::TimedOut(Phase::Head) => "lb; error=http_response_timeout",
            Kind::TimedOut(Phase::Body) => "lb; error=connection_read_timeout",
            Kind::Broke(_) | Kind::Aborted => "lb; error=connection_terminated",
            Kind::Malformed(Malformed::TooLarge) => "lb; error=http_response_header_section_size",
            Kind::Malformed(Malformed::TransferEncoding | Malformed::Chunk) => {
                "lb; error=http_response_transfer_coding"
            }
            Kind::Malformed(_) => "lb; error=http_protocol_error",
            Kind::TimedOut(Phase::Upload) | Kind::Client(_) | Kind::Request(_) => {
                "lb; error=http_request_error"
            }
        }
    }

    /// The answer: `{"message":"<Error> …","status":"failure"}`.
    pub fn response(&self) -> Response<Body> {
        let mut response = json_response(self.status(), &failure(&self.to_string()));
        if let Some(status) = self.proxy_status() {
            response.headers_mut().insert(PROXY_STATUS.clone(), HeaderValue::from_static(status));
        }
        if let Self::Inbound(inbound::Refusal::Connect) = self {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(ALLOWED));
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

/// A failure as the contract words it.
pub fn failure(message: &str) -> serde_json::Value {
    json!({ "message": format!("<Error> {message}"), "status": "failure" })
}

/// A JSON answer.
pub fn json_response(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    let mut response = Response::with_body(status, Body::Own(value.to_string().into()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
