//! Hop-by-hop fields, which are not forwarded (RFC 9110 §7.6.1), and `Content-Length`.

use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_http::{ConnectionType, RequestHead};

/// The hop-by-hop fields of RFC 9110 and those in common use.
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

/// Removes the hop-by-hop fields and the fields that `Connection` names. `Transfer-Encoding` is one of them: the next
/// hop gets its own framing. Of `TE` only `trailers` is kept, because gRPC replicas require it.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named = named_by_connection(headers);
    let mut trailers = false;
    // One pass over the fields is cheaper than a removal per name: a message has fewer fields than there are names.
    headers.retain(|name, value| {
        if *name == header::TE {
            trailers |= contains_token(value, "trailers");
        }
        *name != header::TE && !HOP_BY_HOP.contains(name) && !named.contains(name)
    });
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// Removes `Upgrade` and returns the offered protocols; empty if the dispatcher did not accept an offer to upgrade.
pub fn take_offer(head: &mut RequestHead) -> Vec<HeaderValue> {
    let protocols = head.headers.remove(header::UPGRADE).collect();
    if head.connection_type() == ConnectionType::Upgrade { protocols } else { Vec::new() }
}

/// Sets `Upgrade` to these protocols, and `Connection: upgrade`.
pub fn set_upgrade(headers: &mut HeaderMap, protocols: Vec<HeaderValue>) {
    for protocol in protocols {
        headers.append(header::UPGRADE, protocol);
    }
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
}

/// The value of `Content-Length` in bytes; `None` if it is absent or not a number.
pub fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// Whether a comma-separated value contains this token, in any case.
fn contains_token(value: &HeaderValue, token: &str) -> bool {
    items(value).any(|item| item.eq_ignore_ascii_case(token.as_bytes()))
}

/// The items of a comma-separated value, as bytes: an item that is not ASCII must not hide the others.
fn items(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// The fields that `Connection` names. `close` and `keep-alive` are not field names. `Content-Length` and `Host` are
/// left out: their removal would change the meaning of the request (RFC 9110 §7.6.1, last paragraph).
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
    fn hop_by_hop_fields_are_removed_and_others_kept() {
        let mut headers = map(&[
            ("connection", "close, X-Listed"),
            ("connection", "x-other"),
            ("x-listed", "1"),
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
    fn a_non_ascii_item_does_not_hide_the_others() {
        let mut headers = map(&[("x-listed", "1")]);
        let value = HeaderValue::from_bytes(b"\xff, X-Listed").unwrap();
        headers.insert(header::CONNECTION, value);
        strip_hop_by_hop(&mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn connection_cannot_remove_content_length_or_host() {
        let mut headers =
            map(&[("connection", "content-length, host"), ("content-length", "3"), ("host", "h")]);
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers.len(), 2);
    }
}
