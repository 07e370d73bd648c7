//! Builds the client's response from a replica's reply.

use actix_http::body::BodySize;
use actix_http::header;
use actix_http::{ConnectionType, Method, Payload, Response, StatusCode, Version};

use super::router::Reply;

use super::body::Body;
use super::forwarded;
use super::hop_by_hop::{content_length, set_upgrade, strip_hop_by_hop};

/// Converts a reply into the response to a request of this method and version: removes hop-by-hop fields, appends
/// `Via`, and sets the framing of the body.
pub fn response(reply: Reply, method: &Method, version: Version) -> Response<Body> {
    let Reply { status, reason, mut headers, payload, in_flight } = reply;
    let mut protocols = Vec::new();
    if status == StatusCode::SWITCHING_PROTOCOLS {
        protocols.extend(headers.remove(header::UPGRADE));
    }
    strip_hop_by_hop(&mut headers);
    forwarded::append_via(&mut headers);
    if !protocols.is_empty() {
        set_upgrade(&mut headers, protocols);
    }
    let is_bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let size = match (content_length(&headers), &payload) {
        _ if is_bodiless => BodySize::None,
        (Some(length), _) => BodySize::Sized(length),
        (None, Payload::None) if method == Method::HEAD => BodySize::None,
        (None, Payload::None) => BodySize::Sized(0),
        (None, _) => BodySize::Stream,
    };
    let mut response = Response::with_body(status, Body::Replica { payload, size, in_flight });
    *response.headers_mut() = headers;
    response.head_mut().reason = reason;
    if version < Version::HTTP_11 && size == BodySize::Stream {
        // HTTP/1.0 has no chunked coding: the end of the connection ends the body.
        response.head_mut().no_chunking(true);
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    response
}
