//! The form of every error response: `{"message":"<Error> …","status":"failure"}` and its header fields.

use std::fmt::Display;

use actix_http::header::{self, HeaderName, HeaderValue};
use actix_http::{Response, StatusCode};
use serde_json::json;

use super::body::Body;

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
        let mut response = json_response(self.status(), &body);
        let proxy_status = self.proxy_status().map(|of| (PROXY_STATUS.clone(), HeaderValue::from_static(of)));
        for (name, value) in proxy_status.into_iter().chain(self.field()) {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// A response with a JSON body.
pub(super) fn json_response(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    let mut response = Response::with_body(status, Body::Own(value.to_string().into()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
