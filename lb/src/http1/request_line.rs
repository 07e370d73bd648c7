//! The first line of a request: method, target, version (RFC 9112 §3).

use actix_http::{Method, Uri, Version};
use awc::http::uri::PathAndQuery;
use bytes::Bytes;

use super::rejection::Rejection;
use super::rejection::Rejection::{Connect, Malformed};

/// Maximum length of a method in bytes.
pub(crate) const MAX_METHOD: usize = 32;

/// The rejection of a method of more than [`MAX_METHOD`] bytes.
pub(super) const METHOD_TOO_LONG: Rejection = Malformed("the method is too long");

/// A parsed request line.
pub(crate) struct Line {
    pub(crate) method: Method,
    /// In origin form, or `*`.
    pub(crate) target: Uri,
    /// The authority of a target in absolute form; it replaces `Host` (RFC 9112 §3.2.2).
    pub(crate) authority: Option<Bytes>,
    pub(crate) version: Version,
}

/// Parses a request line without its line end. `max_target` is the limit of the target in bytes.
pub(crate) fn read(line: &Bytes, max_target: usize) -> Result<Line, Rejection> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Malformed("the request line is not 'METHOD target HTTP/1.1'"));
    };
    if method.len() > MAX_METHOD {
        return Err(METHOD_TOO_LONG);
    }
    let method = Method::from_bytes(method).map_err(|_| Malformed("the method is no token"))?;
    if target.len() > max_target {
        return Err(Rejection::TargetTooLong(max_target));
    }
    let version = match version {
        b"HTTP/1.1" => Version::HTTP_11,
        b"HTTP/1.0" => Version::HTTP_10,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return Err(Rejection::Version);
        }
        _ => return Err(Malformed("the request line does not end in an HTTP version")),
    };
    if method == Method::CONNECT {
        return Err(Connect);
    }
    let (target, authority) = read_target(line, target, &method)?;
    Ok(Line { method, target, authority, version })
}

/// Whether these bytes are a valid value of `Host`: `host [":" port]` with a host that is not empty (RFC 9110 §4.2.1).
pub(crate) fn is_host(bytes: &[u8]) -> bool {
    let port = |port: &[u8]| match port {
        [] | [b':'] => true,
        [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => {
            std::str::from_utf8(digits).is_ok_and(|digits| digits.parse::<u16>().is_ok())
        }
        _ => false,
    };
    if let [b'[', literal @ ..] = bytes {
        let Some(end) = literal.iter().position(|byte| *byte == b']') else { return false };
        let in_literal = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
        return end > 0 && literal[..end].iter().all(in_literal) && port(&literal[end + 1..]);
    }
    let end = bytes.iter().position(|byte| *byte == b':').unwrap_or(bytes.len());
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(byte);
    end > 0 && bytes[..end].iter().all(in_name) && port(&bytes[end..])
}

fn read_target(line: &Bytes, target: &[u8], method: &Method) -> Result<(Uri, Option<Bytes>), Rejection> {
    // `Uri` would remove a fragment silently.
    if target.contains(&b'#') {
        return Err(Malformed("the target has a fragment"));
    }
    match target {
        [b'/', ..] => Ok((uri(line.slice_ref(target))?, None)),
        b"*" if *method == Method::OPTIONS => Ok((Uri::from_static("*"), None)),
        b"*" => Err(Malformed("the target '*' belongs to OPTIONS")),
        _ => {
            let rest = ["http://", "https://"].iter().find_map(|scheme| {
                let (start, rest) = target.split_at_checked(scheme.len())?;
                start.eq_ignore_ascii_case(scheme.as_bytes()).then_some(rest)
            });
            let rest = rest.ok_or(Malformed("the target starts neither with '/' nor with 'http://'"))?;
            let end = rest.iter().position(|byte| b"/?".contains(byte)).unwrap_or(rest.len());
            let (authority, rest) = rest.split_at(end);
            if !is_host(authority) {
                return Err(Malformed("the target's authority is not host:port"));
            }
            let rest = match rest {
                [] if *method == Method::OPTIONS => Bytes::from_static(b"*"),
                [b'/', ..] => line.slice_ref(rest),
                _ => [b"/", rest].concat().into(),
            };
            Ok((uri(rest)?, Some(line.slice_ref(authority))))
        }
    }
}

fn uri(target: Bytes) -> Result<Uri, Rejection> {
    let target = PathAndQuery::from_maybe_shared(target);
    target.map(Uri::from).map_err(|_| Malformed("the target has bytes that must be percent-encoded"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(line: &str) -> Result<Line, Rejection> {
        read(&Bytes::from(line.to_owned()), 100)
    }

    #[test]
    fn targets_become_origin_form_byte_for_byte() {
        for (text, target, authority) in [
            ("GET / HTTP/1.1", "/", None),
            ("get //a/../b?c=%20&?/ HTTP/1.0", "//a/../b?c=%20&?/", None),
            ("GET /\"{}|\\^ HTTP/1.1", "/\"{}|\\^", None),
            ("OPTIONS * HTTP/1.1", "*", None),
            ("OPTIONS http://h:1 HTTP/1.1", "*", Some("h:1")),
            ("GET http://H.x/a?b HTTP/1.1", "/a?b", Some("H.x")),
            ("GET HTTPS://[::1]:80?b HTTP/1.1", "/?b", Some("[::1]:80")),
            ("GET http://h HTTP/1.1", "/", Some("h")),
        ] {
            let line = line(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(line.target.path_and_query().unwrap().as_str(), target, "{text}");
            assert_eq!(line.authority.as_deref(), authority.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn invalid_request_lines_are_malformed() {
        for text in [
            "GET /",
            "GET  / HTTP/1.1",
            " GET / HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GET\t/\tHTTP/1.1",
            "GET / HTTP/1.1\r",
            "G@T / HTTP/1.1",
            "G\"T / HTTP/1.1",
            " / HTTP/1.1",
            "GET / http/1.1",
            "GET / HTTP/1.10",
            "GET / HTTP/11",
            "GET / XTTP/1.1",
            "GET /a#b HTTP/1.1",
            "GET /\u{e9} HTTP/1.1",
            "GET /< HTTP/1.1",
            "GET /\u{7f} HTTP/1.1",
            "GET /\0 HTTP/1.1",
            "GET * HTTP/1.1",
            "GET h:1 HTTP/1.1",
            "GET x HTTP/1.1",
            "GET ?a HTTP/1.1",
            "GET ftp://h/ HTTP/1.1",
            "GET http:/// HTTP/1.1",
            "GET http://u@h/ HTTP/1.1",
            "GET http://h:x/ HTTP/1.1",
            "GET http://[::1]:99999/ HTTP/1.1",
            "GET mailto:a@b HTTP/1.1",
            "M2345678901234567890123456789012X / HTTP/1.1",
        ] {
            assert!(matches!(line(text), Err(Malformed(_))), "{text:?}");
        }
    }

    #[test]
    fn each_limit_has_its_rejection() {
        assert_eq!(line("CONNECT h:1 HTTP/1.1").err(), Some(Connect));
        for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/3.0"] {
            assert_eq!(line(&format!("GET / {version}")).err(), Some(Rejection::Version));
        }
        let target = |n: usize| format!("GET /{} HTTP/1.1", "x".repeat(n - 1));
        assert!(line(&target(100)).is_ok());
        assert_eq!(line(&target(101)).err(), Some(Rejection::TargetTooLong(100)));
    }

    #[test]
    fn hosts_are_validated() {
        for host in ["h", "h:80", "h:", "1.2.3.4:5", "[::1]", "[::ffff:1.2.3.4]:80", "a_b-c.d", "%41"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "", ":80", "h:x", "h:+1", "h:99999", "a b", "a/b", "u@h", "[::1", "[]", "[::1]x", "h:1:2",
            "a,b c",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
