//! Fields that belong to one connection and are not passed on (RFC 9110 §7.6.1).

use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_http::{RequestHead, Version};

/// Those of the standard, and those that are by custom.
static HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
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

/// Takes the protocols that a request offers to change to; none if it offers nothing: it is HTTP/1.0, has a body, or
/// does not say so in `Connection` (RFC 9110 §7.8).
pub fn take_offer(head: &mut RequestHead) -> Vec<HeaderValue> {
    let headers = &mut head.headers;
    let protocols: Vec<_> = headers.remove(header::UPGRADE).collect();
    let offers = !protocols.is_empty()
        && head.version == Version::HTTP_11
        && headers.get_all(header::CONNECTION).any(|value| lists(value, "upgrade"))
        && !headers.contains_key(header::TRANSFER_ENCODING)
        && !headers.contains_key(header::CONTENT_LENGTH);
    if offers { protocols } else { Vec::new() }
}

/// Says that the connection changes to one of these protocols.
pub fn set_upgrade(headers: &mut HeaderMap, protocols: Vec<HeaderValue>) {
    for protocol in protocols {
        headers.append(header::UPGRADE, protocol);
    }
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
}

/// Whether a value, which is a list, has this token.
fn lists(value: &HeaderValue, token: &str) -> bool {
    let mut items = value.as_bytes().split(|byte| *byte == b',');
    items.any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// `Connection: close` and `keep-alive` name no field. `Content-Length` and `Host` are never removed by a client's
/// word: that would change the request's meaning (RFC 9110 §7.6.1, last paragraph).
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(header::CONNECTION).filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| !name.eq_ignore_ascii_case("close") && !name.eq_ignore_ascii_case("keep-alive"))
        .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
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
    fn an_offer_is_made_in_connection_by_http_11_and_without_a_body() {
        let offered = |version, fields: &[(&'static str, &'static str)]| {
            let mut head = RequestHead::default();
            (head.version, head.headers) = (version, map(fields));
            let offer = take_offer(&mut head);
            assert!(!head.headers.contains_key(header::UPGRADE));
            offer
        };
        let offer = [("connection", "keep-alive, Upgrade"), ("upgrade", "a/1, b"), ("upgrade", "c")];
        assert_eq!(offered(Version::HTTP_11, &offer), ["a/1, b", "c"]);
        assert!(offered(Version::HTTP_10, &offer).is_empty());
        assert!(offered(Version::HTTP_11, &offer[1..]).is_empty());
        assert!(offered(Version::HTTP_11, &offer[..1]).is_empty());
        for body in [("content-length", "1"), ("transfer-encoding", "chunked")] {
            assert!(offered(Version::HTTP_11, &[&offer[..], &[body]].concat()).is_empty());
        }
    }

    #[test]
    fn connection_cannot_remove_framing() {
        let mut headers =
            map(&[("connection", "content-length, host"), ("content-length", "3"), ("host", "h")]);
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers.len(), 2);
    }
}
