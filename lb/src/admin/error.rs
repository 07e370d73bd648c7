//! What a client of the admin listener gets as an error: the only file of the management plane with the status
//! codes.

use actix_http::StatusCode;
use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderName, HeaderValue};

use super::api::reload::NotReloaded;
use crate::control::supervisor::NotRead;
use crate::fleet::CommandError;
use crate::name::InvalidName;
use crate::proxy::error::RequestError;
use crate::proxy::error_response::ErrorResponse;
use crate::runtime::NoLogs;

/// Reasons why the admin listener refuses a request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request was refused for a reason that the traffic listener has too.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// /api/explain without the parameter `key`.
    #[error("'key' is missing: /api/explain?key=K")]
    NoKey,
    /// The limit of subscribers to /api/events is reached.
    #[error("There are too many subscribers to /api/events: try again later")]
    TooManySubscribers,
    /// The admin listener does not serve this path.
    #[error("There is no {0}")]
    NoSuchPath(String),
    /// The admin listener serves this path, but not with this method.
    #[error("There is no {what}: use {allowed}")]
    NotAllowed {
        /// Method and path of the request.
        what: String,
        /// The methods of the path, as the value of `Allow`.
        allowed: String,
    },
    /// A change without a bearer token and without a header that a cross-site form cannot set.
    #[error(
        "A change needs the header X-LB-Admin (any value) or 'Content-Type: application/json', or the admin token as \
         'Authorization: Bearer TOKEN'"
    )]
    NoCustomHeader,
    /// The request has no single valid `Host`.
    #[error("'Host' is missing, there twice, or no text")]
    NoHost,
    /// `Host` is not a name of this balancer (DNS rebinding).
    #[error("Host '{0}' is not this balancer: use its IP address or localhost, or name it by --admin-host")]
    OtherHost(String),
    /// The form of /login exceeds its limit in bytes.
    #[error("The form is larger than {0} bytes")]
    FormTooLarge(usize),
    /// The configuration was not reloaded.
    #[error(transparent)]
    NotReloaded(#[from] NotReloaded),
    /// The output of a replica cannot be read.
    #[error(transparent)]
    NotRead(#[from] NotRead),
}

impl ErrorResponse for Error {
    fn status(&self) -> StatusCode {
        match self {
            Self::Request(error) => error.status(),
            Self::NoKey | Self::NoHost => StatusCode::BAD_REQUEST,
            Self::NoCustomHeader => StatusCode::FORBIDDEN,
            Self::NoSuchPath(_) => StatusCode::NOT_FOUND,
            Self::NotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::FormTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::OtherHost(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::TooManySubscribers => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotReloaded(NotReloaded::Stopping) => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotReloaded(_) => StatusCode::BAD_REQUEST,
            Self::NotRead(NotRead::TooMany) => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotRead(NotRead::Unknown(_) | NotRead::NoLogs(NoLogs::Nothing)) => StatusCode::NOT_FOUND,
            Self::NotRead(NotRead::NoLogs(NoLogs::Unseen)) => StatusCode::BAD_REQUEST,
            Self::NotRead(NotRead::NoLogs(NoLogs::Engine(_))) => StatusCode::BAD_GATEWAY,
        }
    }

    fn proxy_status(&self) -> Option<&'static str> {
        if let Self::Request(error) = self { error.proxy_status() } else { None }
    }

    fn field(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Request(error) => error.field(),
            Self::NotAllowed { allowed, .. } => Some((header::ALLOW, HeaderValue::from_str(allowed).ok()?)),
            _ => None,
        }
    }
}

impl actix_web::ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        self.response().map_into_boxed_body().into()
    }
}

impl From<CommandError> for Error {
    fn from(error: CommandError) -> Self {
        Self::Request(error.into())
    }
}

impl From<InvalidName> for Error {
    fn from(error: InvalidName) -> Self {
        Self::Request(error.into())
    }
}
