//! Builds the client's response from a replica's reply.

use actix_http::body::BodySize;
use actix_http::{Method, Payload, StatusCode};

use crate::http1::known::Known;
use crate::http1::response_head::ResponseHead;

use super::body::Body;
use super::dispatcher::Response;
use super::forwarded;
use super::hop_by_hop::{content_length, strip_hop_by_hop, take_protocols};
use super::router::Reply;

/// Converts a reply into the response to a request of this method: removes hop-by-hop fields, appends `Via`, and fixes the
/// size of the body.
pub fn response(reply: Reply, method: &Method) -> Response<Body> {
    let Reply { status, reason, mut fields, payload, in_flight } = reply;
    let switches = status == StatusCode::SWITCHING_PROTOCOLS;
    let protocols = switches.then(|| take_protocols(&mut fields)).flatten();
    strip_hop_by_hop(&mut fields);
    forwarded::append_via(&mut fields);
    if let Some(protocols) = protocols {
        fields.add(Known::Upgrade, &protocols);
    }
    let is_bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let size = match (content_length(&fields), &payload) {
        _ if is_bodiless => BodySize::None,
        _ if switches => BodySize::Stream,
        (Some(length), _) => BodySize::Sized(length),
        (None, Payload::None) if method == Method::HEAD => BodySize::None,
        (None, Payload::None) => BodySize::Sized(0),
        (None, _) => BodySize::Stream,
    };
    let head = ResponseHead::Forwarded { status, reason, fields };
    Response { head, body: Body::Replica { payload, size, in_flight } }
}
