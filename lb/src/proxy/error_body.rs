//! The form of every error response of both listeners: the body `{"message":"<Error> …","status":"failure"}` and the
//! header fields. Which error has which status is in `error.rs` of `proxy` and of `admin`.

use std::fmt::Display;

use actix_http::header::{HeaderName, HeaderValue};
use actix_http::{Response, StatusCode};
use serde_json::json;

use super::body::Body;
use super::json;

/// Gives the reason of a response that the balancer made itself (RFC 9209).
pub(super) static PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// An error that a client gets as a response; its text is the message.
pub trait ErrorResponse: Display {
    /// The status code of the response.
    fn status(&self) -> StatusCode;

    /// The value of `Proxy-Status` (RFC 9209 §2.3); `None` for errors of the control and admin APIs.
    fn proxy_status(&self) -> Option<&'static str> {
        None
    }

    /// The header field that the status requires, such as `Allow` of a 405.
    fn field(&self) -> Option<(HeaderName, HeaderValue)> {
        None
    }

    /// The response: status, fields and body.
    fn response(&self) -> Response<Body> {
        let body = json!({ "message": format!("<Error> {self}"), "status": "failure" });
        let mut response = json::response(self.status(), &body);
        let proxy_status =
            self.proxy_status().map(|value| (PROXY_STATUS.clone(), HeaderValue::from_static(value)));
        for (name, value) in proxy_status.into_iter().chain(self.field()) {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
