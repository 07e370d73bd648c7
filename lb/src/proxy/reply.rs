//! A replica's reply as the client gets it.

use actix_http::body::BodySize;
use actix_http::header;
use actix_http::{ConnectionType, Method, Payload, Response, StatusCode, Version};

use super::router::Reply;

use super::body::Body;
use super::error::{failure, json_response};
use super::forwarded;
use super::hop_by_hop::{content_length, set_upgrade, strip_hop_by_hop};

/// The reply to a request of this method and version.
pub fn response(reply: Reply, method: &Method, version: Version) -> Response<Body> {
    let Reply { status, reason, mut headers, payload, in_flight } = reply;
    let mut protocols = Vec::new();
    if status == StatusCode::SWITCHING_PROTOCOLS {
        protocols.extend(headers.remove(header::UPGRADE));
    }
    strip_hop_by_hop(&mut headers);
    forwarded::sign(&mut headers);
    if !protocols.is_empty() {
        set_upgrade(&mut headers, protocols);
    }
    let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let size = match (content_length(&headers), &payload) {
        _ if bodiless => BodySize::None,
        (Some(length), _) => BodySize::Sized(length),
        (None, Payload::None) if method == Method::HEAD => BodySize::None,
        (None, Payload::None) => BodySize::Sized(0),
        (None, _) => BodySize::Stream,
    };
    let mut response = Response::with_body(status, Body::Replica { payload, size, in_flight });
    *response.headers_mut() = headers;
    response.head_mut().reason = reason;
    if version < Version::HTTP_11 && size == BodySize::Stream {
        // No chunks for an HTTP/1.0 client: the end of the connection is the end of the body.
        response.head_mut().no_chunking(true);
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    response
}

/// The contract's 400 (`--map-404`).
pub fn unknown_path(path: &str) -> Response<Body> {
    let message = format!("'{path}' endpoint does not exist in server replicas");
    json_response(StatusCode::BAD_REQUEST, &failure(&message))
}
