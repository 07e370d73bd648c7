//! The value of `Proxy-Status` by error (RFC 9209 §2.3).

use std::io;

use super::client::{self, Kind, Malformed, Phase};
use super::dispatcher::Rejection;
use super::error::{Error, RequestError};
use super::router;
use crate::shortage::is_own_shortage;

/// The value for an error of the traffic listener; `None` for errors of the control API.
pub(super) fn of(error: &Error) -> Option<&'static str> {
    match error {
        Error::Router(error) => of_router(error),
        Error::Loop => Some("lb; error=proxy_loop_detected"),
        Error::Request(error) => of_request_error(error),
        Error::UnknownPath(_) => None,
    }
}

/// The value for an error of both listeners; `None` for errors of the control and admin APIs.
pub(super) fn of_request_error(error: &RequestError) -> Option<&'static str> {
    match error {
        RequestError::Rejected(Rejection::TooManyConnections) => Some("lb; error=proxy_internal_response"),
        RequestError::Rejected(_) => Some("lb; error=http_request_error"),
        _ => None,
    }
}

fn of_router(error: &router::Error) -> Option<&'static str> {
    use router::Error::{ClientLeft, NoReplica, Overloaded, Replica, Stopping, TooLong};
    match error {
        NoReplica | Stopping => Some("lb; error=destination_unavailable"),
        Overloaded => Some("lb; error=connection_limit_reached"),
        TooLong(_) => Some("lb; error=http_response_timeout"),
        ClientLeft => None,
        Replica(error) => Some(of_client_error(error)),
    }
}

fn of_client_error(error: &client::Error) -> &'static str {
    match &error.kind {
        Kind::Unknown(_) => "lb; error=destination_unavailable",
        Kind::Connect(error) if is_own_shortage(error) => "lb; error=proxy_internal_error",
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
        Kind::TimedOut(Phase::Upload) | Kind::Client(_) | Kind::Request(_) => "lb; error=http_request_error",
    }
}
