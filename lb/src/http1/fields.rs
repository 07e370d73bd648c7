//! The header fields of a request: their grammar, and validation of the fields that control framing and the connection.

use std::num::NonZeroU64;

use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_http::{Method, Version};
use bytes::Bytes;

use super::rejection::Rejection;
use super::rejection::Rejection::Malformed;
use super::request_head::{Framing, MAX_FIELDS};
use super::request_line::is_host;

/// Number of fields that the proxy may add to a request: X-Forwarded-For, -Proto, -Host and -Port, Via, X-Request-Id.
/// The map is allocated with room for them.
const ADDED_FIELDS: usize = 6;

/// The framing and connection options of a request; see [`Head`](super::request_head::Head) for the members.
pub(crate) struct Options {
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
    pub(crate) expects_continue: bool,
}

/// Reads `*( field CRLF )` into an empty map; values share the memory of `block`.
pub(crate) fn read(block: &Bytes, mut headers: HeaderMap) -> Result<HeaderMap, Rejection> {
    headers.reserve(memchr::memchr_iter(b'\n', block).take(MAX_FIELDS).count() + ADDED_FIELDS);
    let mut rest = &block[..];
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let line =
            rest[..end].strip_suffix(b"\r").ok_or(Malformed("a line ends without a carriage return"))?;
        rest = &rest[end + 1..];
        let colon = memchr::memchr(b':', line).ok_or(Malformed("a field has no colon"))?;
        let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
        // `HeaderName` accepts a quote, which is not allowed in a token.
        let name = HeaderName::from_bytes(name).ok().filter(|_| !name.contains(&b'"'));
        let name = name.ok_or(Malformed("a field's name is no token"))?;
        if is_alias(name.as_str().as_bytes()) {
            return Err(Malformed("a field's name can be taken for Content-Length or Transfer-Encoding"));
        }
        let value = HeaderValue::from_maybe_shared(block.slice_ref(value));
        headers.append(name, value.map_err(|_| Malformed("a field's value has control bytes"))?);
        if headers.len() > MAX_FIELDS {
            return Err(Rejection::TooManyFields(MAX_FIELDS));
        }
    }
    Ok(headers)
}

/// Checks the fields and leaves exactly one `Host` in an HTTP/1.1 request. `authority` is the authority of a target in
/// absolute form; it replaces `Host`.
pub(crate) fn validate(
    headers: &mut HeaderMap,
    method: &Method,
    version: Version,
    authority: Option<Bytes>,
) -> Result<Options, Rejection> {
    let http_11 = version == Version::HTTP_11;
    validate_host(headers, http_11, authority)?;
    let framing = framing(headers, http_11)?;
    // A body of GET or HEAD has no defined meaning, and servers disagree about its end (RFC 9110 §9.3.1), which many
    // request smuggling attacks exploit.
    let no_body = matches!(*method, Method::GET | Method::HEAD | Method::TRACE);
    if no_body && framing != Framing::None {
        return Err(Malformed("GET, HEAD and TRACE have no body"));
    }
    let mut options = Options { framing, keep_alive: http_11, upgrade: false, expects_continue: false };
    let mut close = false;
    for token in headers.get_all(header::CONNECTION).flat_map(|value| value.as_bytes().split(|b| *b == b','))
    {
        let token = token.trim_ascii();
        close |= token.eq_ignore_ascii_case(b"close");
        options.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
        options.upgrade |= token.eq_ignore_ascii_case(b"upgrade");
    }
    options.keep_alive &= !close;
    // HTTP/1.0 has neither Upgrade nor Expect (RFC 9110 §7.8, §10.1.1). HEAD cannot be upgraded, because actix writes
    // nothing after the head of a response to HEAD.
    options.upgrade &= http_11 && !close && *method != Method::HEAD;
    options.upgrade &= headers.contains_key(header::UPGRADE);
    if !options.upgrade {
        headers.remove(header::UPGRADE);
    }
    if http_11 {
        for value in headers.get_all(header::EXPECT) {
            if !value.as_bytes().eq_ignore_ascii_case(b"100-continue") {
                return Err(Rejection::Expectation);
            }
            options.expects_continue = true;
        }
    }
    Ok(options)
}

fn validate_host(headers: &mut HeaderMap, http_11: bool, authority: Option<Bytes>) -> Result<(), Rejection> {
    let mut hosts = headers.get_all(header::HOST);
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Err(Malformed("there are several Host fields")),
        (None, None) if http_11 => return Err(Malformed("there is no Host field")),
        (Some(host), None) if !is_host(host.as_bytes()) => {
            return Err(Malformed("the Host field is not host:port"));
        }
        _ => {}
    }
    if let Some(authority) = authority {
        let host = HeaderValue::from_maybe_shared(authority);
        headers.insert(header::HOST, host.map_err(|_| Malformed("the target's authority is not host:port"))?);
    }
    Ok(())
}

/// The framing by RFC 9112 §6.3. Every ambiguity is an error.
fn framing(headers: &HeaderMap, http_11: bool) -> Result<Framing, Rejection> {
    let only = |name: HeaderName| {
        let mut values = headers.get_all(name);
        (values.next().map(HeaderValue::as_bytes), values.next().is_some())
    };
    match (only(header::CONTENT_LENGTH), only(header::TRANSFER_ENCODING)) {
        ((None, _), (None, _)) => Ok(Framing::None),
        ((Some(_), _), (Some(_), _)) => Err(Malformed("there are both Content-Length and Transfer-Encoding")),
        ((_, true), _) => Err(Malformed("there are several Content-Length fields")),
        (_, (_, true)) => Err(Malformed("there are several Transfer-Encoding fields")),
        ((Some(length), _), _) => {
            let digits = Some(length).filter(|length| length.iter().all(u8::is_ascii_digit));
            let length: Option<u64> =
                digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            let length = length.ok_or(Malformed("Content-Length is no number of bytes"))?;
            Ok(NonZeroU64::new(length).map_or(Framing::None, Framing::Length))
        }
        (_, (Some(_), _)) if !http_11 => Err(Malformed("Transfer-Encoding is not known in HTTP/1.0")),
        (_, (Some(coding), _)) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        _ => Err(Malformed("Transfer-Encoding is not 'chunked'")),
    }
}

/// Removes optional white space (RFC 9110 §5.6.3); `trim_ascii` would also remove control bytes.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether a lenient server could take a name (in lower case) for `content-length` or `transfer-encoding` although it
/// is different: `-` is missing or another byte (CGI and its successors use `_`), or the name is the beginning of one
/// of the two, padded with other bytes.
fn is_alias(name: &[u8]) -> bool {
    let alias_of = |first: &[u8], second: &[u8]| {
        let padded = name.len() > first.len() + second.len();
        let mut letters = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
        for letter in first {
            match letters.next() {
                None => return padded,
                Some(other) if other != letter => return false,
                Some(_) => {}
            }
        }
        let ends = |skipped: usize| {
            let n = letters.clone().skip(skipped).count();
            let same = letters.clone().skip(skipped).zip(second).all(|(a, b)| a == b);
            same && (n == second.len() || n < second.len() && padded)
        };
        ends(0) || ends(1)
    };
    name != b"content-length" && alias_of(b"content", b"length")
        || name != b"transfer-encoding" && alias_of(b"transfer", b"encoding")
}
