//! Fields that belong to one connection and are not passed on (RFC 9110 §7.6.1), and how long a body is.

use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_http::{ConnectionType, RequestHead};

/// Those of the standard, and those that are by custom.
static HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Removes the hop-by-hop fields, and what `Connection` names. `Transfer-Encoding` is among them: framing is rebuilt.
/// Of `TE` only `trailers` stays: gRPC replicas ask for it.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named = named_by_connection(headers);
    let mut trailers = false;
    // One walk: a message has fewer fields than there are names to look up.
    headers.retain(|name, value| {
        if *name == header::TE {
            trailers |= lists(value, "trailers");
        }
        *name != header::TE && !HOP_BY_HOP.contains(name) && !named.contains(name)
    });
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// Takes the protocols that a request offers to change to; none if it makes no offer, which `inbound` has judged.
pub fn take_offer(head: &mut RequestHead) -> Vec<HeaderValue> {
    let protocols = head.headers.remove(header::UPGRADE).collect();
    if head.connection_type() == ConnectionType::Upgrade { protocols } else { Vec::new() }
}

/// Says that the connection changes to one of these protocols.
pub fn set_upgrade(headers: &mut HeaderMap, protocols: Vec<HeaderValue>) {
    for protocol in protocols {
        headers.append(header::UPGRADE, protocol);
    }
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
}

/// How long the body is, if a field says so.
pub fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// Whether a value, which is a list, has this token.
fn lists(value: &HeaderValue, token: &str) -> bool {
    items(value).any(|item| item.eq_ignore_ascii_case(token.as_bytes()))
}

/// The items of a list, as bytes: one that is no text must not hide the others.
fn items(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// `Connection: close` and `keep-alive` name no field. `Content-Length` and `Host` are never removed by a client's
/// word: that would change the request's meaning (RFC 9110 §7.6.1, last paragraph).
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let names = headers.get_all(header::CONNECTION).flat_map(items);
    names
        .filter(|name| !name.eq_ignore_ascii_case(b"close") && !name.eq_ignore_ascii_case(b"keep-alive"))
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .filter(|name| *name != header::CONTENT_LENGTH && *name != header::HOST)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn what_belongs_to_a_connection_goes_and_the_rest_stays() {
        let mut headers = map(&[
            ("connection", "close, X-Mine"),
            ("connection", "x-other"),
            ("x-mine", "1"),
            ("x-other", "2"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("te", "gzip;q=0.5, Trailers"),
            ("trailer", "x-t"),
            ("upgrade", "websocket"),
            ("transfer-encoding", "chunked"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("x-kept", "3"),
        ]);
        strip_hop_by_hop(&mut headers);
        let mut left: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        left.sort_unstable();
        assert_eq!(
            left,
            [("cookie", &b"a=1"[..]), ("cookie", b"b=2"), ("te", b"trailers"), ("x-kept", b"3")]
        );
    }

    #[test]
    fn what_is_no_text_hides_nothing_from_removal() {
        let mut headers = map(&[("x-mine", "1")]);
        let value = HeaderValue::from_bytes(b"\xff, X-Mine").unwrap();
        headers.insert(header::CONNECTION, value);
        strip_hop_by_hop(&mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn connection_cannot_remove_framing() {
        let mut headers =
            map(&[("connection", "content-length, host"), ("content-length", "3"), ("host", "h")]);
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers.len(), 2);
    }
}
