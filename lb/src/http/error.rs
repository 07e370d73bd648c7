//! What went wrong, as a status code and a body: the only place that knows status codes.

use std::time::Duration;

use actix_http::{Response, StatusCode, header};
use serde_json::json;

use crate::actors::router;
use crate::fleet::Refusal;
use crate::name::NotAName;
use crate::upstream::{self, Kind};

use super::body::Body;

/// Seconds after which a client may try again when no replica is ready.
const RETRY_AFTER: &str = "1";

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
    /// Not a path of the admin listener, or not with this method.
    #[error("There is no {0}")]
    NoSuchPath(String),
    /// `--max-control-body`.
    #[error("The body is larger than {0} bytes (--max-control-body)")]
    TooLarge(usize),
    /// `--client-head-timeout`, which a control call's body must keep too.
    #[error("The body did not come within {0:?} (--client-head-timeout)")]
    TooSlow(Duration),
    /// `--max-connections`.
    #[error("Too many connections")]
    TooManyConnections,
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
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::TooManyConnections => StatusCode::SERVICE_UNAVAILABLE,
            Self::Refused(Refusal::NotReady { .. } | Refusal::Stopping | Refusal::Rival) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Refused(_) => StatusCode::BAD_REQUEST,
            Self::Router(error) => Self::of_router(error),
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
            Kind::TimedOut(upstream::Phase::Upload) => StatusCode::REQUEST_TIMEOUT,
            Kind::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
            Kind::Client(_) | Kind::Request(_) => StatusCode::BAD_REQUEST,
            Kind::Unknown(_) | Kind::Connect(_) | Kind::Broke(_) | Kind::Malformed(_) | Kind::Aborted => {
                StatusCode::BAD_GATEWAY
            }
        }
    }

    /// The answer: `{"message":"<Error> …","status":"failure"}`.
    pub fn response(&self) -> Response<Body> {
        let mut response = json_response(self.status(), &failure(&self.to_string()));
        if let Self::Router(router::Error::NoReplica) = self {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static(RETRY_AFTER));
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
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
