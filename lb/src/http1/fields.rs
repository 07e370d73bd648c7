//! The fields of a request: their grammar, and what they say about framing and the connection.

use std::num::NonZeroU64;

use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_http::{Method, Version};
use bytes::Bytes;

use super::rejection::Rejection;
use super::rejection::Rejection::Malformed;
use super::request_head::{Framing, MAX_FIELDS};
use super::request_line::is_host;

/// The most fields that join a request's own on their way to a replica: X-Forwarded-For, -Proto, -Host and -Port, Via,
/// X-Request-Id. Room for them is made at once.
const JOINING: usize = 6;

/// What fields say that is not passed on as they say it.
pub(crate) struct Meaning {
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
    pub(crate) expects_continue: bool,
}

/// Reads `*( field CRLF )` into an empty map; values share the memory of `block`.
pub(crate) fn read(block: &Bytes, mut headers: HeaderMap) -> Result<HeaderMap, Rejection> {
    headers.reserve(memchr::memchr_iter(b'\n', block).take(MAX_FIELDS).count() + JOINING);
    let mut rest = &block[..];
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let line =
            rest[..end].strip_suffix(b"\r").ok_or(Malformed("a line ends without a carriage return"))?;
        rest = &rest[end + 1..];
        let colon = memchr::memchr(b':', line).ok_or(Malformed("a field has no colon"))?;
        let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
        // `HeaderName` takes a quote, which is no token.
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

/// Judges them; leaves exactly one `Host` in an HTTP/1.1 request. A given `authority` is the target's.
pub(crate) fn judge(
    headers: &mut HeaderMap,
    method: &Method,
    version: Version,
    authority: Option<Bytes>,
) -> Result<Meaning, Rejection> {
    let http_11 = version == Version::HTTP_11;
    judge_host(headers, http_11, authority)?;
    let framing = framing(headers, http_11)?;
    // A body with GET or HEAD means nothing, and servers differ in where it ends (RFC 9110 §9.3.1): half of all
    // smuggling.
    let no_body = matches!(*method, Method::GET | Method::HEAD | Method::TRACE);
    if no_body && framing != Framing::None {
        return Err(Malformed("GET, HEAD and TRACE have no body"));
    }
    let mut meaning = Meaning { framing, keep_alive: http_11, upgrade: false, expects_continue: false };
    let mut close = false;
    for token in headers.get_all(header::CONNECTION).flat_map(|value| value.as_bytes().split(|b| *b == b','))
    {
        let token = token.trim_ascii();
        close |= token.eq_ignore_ascii_case(b"close");
        meaning.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
        meaning.upgrade |= token.eq_ignore_ascii_case(b"upgrade");
    }
    meaning.keep_alive &= !close;
    // HTTP/1.0 knows neither (RFC 9110 §7.8, §10.1.1); actix writes nothing behind the head of a reply to HEAD.
    meaning.upgrade &= http_11 && !close && *method != Method::HEAD;
    meaning.upgrade &= headers.contains_key(header::UPGRADE);
    if !meaning.upgrade {
        headers.remove(header::UPGRADE);
    }
    if http_11 {
        for value in headers.get_all(header::EXPECT) {
            if !value.as_bytes().eq_ignore_ascii_case(b"100-continue") {
                return Err(Rejection::Expectation);
            }
            meaning.expects_continue = true;
        }
    }
    Ok(meaning)
}

fn judge_host(headers: &mut HeaderMap, http_11: bool, authority: Option<Bytes>) -> Result<(), Rejection> {
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

/// RFC 9112 §6.3, with every doubt resolved as malformed.
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

/// Without the white space around it (RFC 9110 §5.6.3); `trim_ascii` would take control bytes along.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether a name (in lower case) is `content-length` or `transfer-encoding` for a server that takes any other byte
/// for `-`, or none (CGI and its heirs take `_`), without being it; or the beginning of one, padded to its length.
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
