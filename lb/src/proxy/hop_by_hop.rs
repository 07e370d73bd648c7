//! Hop-by-hop fields, which are not forwarded (RFC 9110 §7.6.1), and `Content-Length`.

use crate::http1::fields::Fields;
use crate::http1::known::{Known, KnownSet};

/// The hop-by-hop fields of RFC 9110 and those in common use. `Transfer-Encoding` is one of them: the next hop gets its own
/// framing. So is `TE`: trailers are not passed on.
const HOP_BY_HOP: KnownSet = KnownSet::new(&[
    Known::Connection,
    Known::Http2Settings,
    Known::KeepAlive,
    Known::ProxyAuthenticate,
    Known::ProxyAuthorization,
    Known::ProxyConnection,
    Known::Te,
    Known::Trailer,
    Known::TransferEncoding,
    Known::Upgrade,
]);

/// Removes the hop-by-hop fields, and those that `Connection` names.
pub fn strip_hop_by_hop(fields: &mut Fields) {
    if fields.has(Known::Connection) {
        let named = named_by_connection(fields);
        fields.retain(|name| !named.iter().any(|named| named.eq_ignore_ascii_case(name)));
    }
    fields.remove_all(HOP_BY_HOP);
}

/// Removes `Upgrade` and returns the offered protocols as one value; `None` if there is no such field.
pub fn take_protocols(fields: &mut Fields) -> Option<Vec<u8>> {
    if !fields.has(Known::Upgrade) {
        return None;
    }
    let protocols = fields.all(Known::Upgrade).collect::<Vec<_>>().join(&b", "[..]);
    fields.remove(Known::Upgrade);
    Some(protocols)
}

/// The value of `Content-Length` in bytes; `None` if it is absent or not a number.
pub fn content_length(fields: &Fields) -> Option<u64> {
    std::str::from_utf8(fields.get(Known::ContentLength)?).ok()?.parse().ok()
}

/// The fields that `Connection` names. `close` and `keep-alive` are not field names. `Content-Length` and `Host` are
/// left out: their removal would change the meaning of the request (RFC 9110 §7.6.1, last paragraph).
fn named_by_connection(fields: &Fields) -> Vec<Vec<u8>> {
    let names = fields.all(Known::Connection).flat_map(|value| value.split(|byte| *byte == b','));
    let is_kept = |name: &&[u8]| {
        let kept = [&b"close"[..], b"keep-alive", b"content-length", b"host", b""];
        kept.iter().any(|kept| kept.eq_ignore_ascii_case(name))
    };
    names.map(<[u8]>::trim_ascii).filter(|name| !is_kept(name)).map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hop_by_hop_fields_are_removed_and_others_kept_in_their_order() {
        let mut fields = Fields::from([
            ("Cookie", "a=1"),
            ("Connection", "close, X-Listed"),
            ("connection", "x-other"),
            ("x-listed", "1"),
            ("X-Other", "2"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "keep-alive"),
            ("Proxy-Authorization", "x"),
            ("Proxy-Authenticate", "x"),
            ("HTTP2-Settings", "x"),
            ("TE", "gzip;q=0.5, Trailers"),
            ("Trailer", "x-t"),
            ("Upgrade", "websocket"),
            ("Transfer-Encoding", "chunked"),
            ("cookie", "b=2"),
            ("X-Kept", "3"),
        ]);
        strip_hop_by_hop(&mut fields);
        assert_eq!(fields.written(), "Cookie: a=1\r\ncookie: b=2\r\nX-Kept: 3\r\n");
    }

    #[test]
    fn a_non_ascii_item_does_not_hide_the_others() {
        let mut fields = Fields::from([("x-listed", "1")]);
        fields.add(Known::Connection, b"\xff, X-Listed");
        strip_hop_by_hop(&mut fields);
        assert_eq!(fields.count(), 0);
    }

    #[test]
    fn connection_cannot_remove_content_length_or_host() {
        let mut fields =
            Fields::from([("connection", "content-length, host"), ("content-length", "3"), ("host", "h")]);
        strip_hop_by_hop(&mut fields);
        assert_eq!(fields.count(), 2);
    }
}
