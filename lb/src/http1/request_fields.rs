//! The header fields of a request: those that control its framing and the connection are validated.

use std::num::NonZeroU64;

use actix_http::{Method, Version};
use bytes::Bytes;

use super::fields::{Fields, InvalidField};
use super::known::Known;
use super::rejection::Rejection;
use super::rejection::Rejection::Malformed;
use super::request_head::{Framing, MAX_FIELDS};
use super::request_line::is_host;

/// The framing and connection options of a request; see [`Head`](super::request_head::Head) for the members.
pub(crate) struct Options {
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
    pub(crate) expects_continue: bool,
}

/// Reads `*( field CRLF )`.
pub(crate) fn read(block: Bytes) -> Result<Fields, Rejection> {
    let fields = Fields::parse(block, MAX_FIELDS).map_err(|error| match error {
        InvalidField::LineEnd => Malformed("a line ends without a carriage return"),
        InvalidField::Colon => Malformed("a field has no colon"),
        InvalidField::Name => Malformed("a field's name is no token"),
        InvalidField::Value => Malformed("a field's value has control bytes"),
        InvalidField::TooMany => Rejection::TooManyFields(MAX_FIELDS),
    })?;
    if fields.iter().any(|(name, _)| is_alias(name)) {
        return Err(Malformed("a field's name can be taken for Content-Length or Transfer-Encoding"));
    }
    Ok(fields)
}

/// Checks the fields and leaves exactly one `Host` in an HTTP/1.1 request. `authority` is the authority of a target in
/// absolute form; it replaces `Host`.
pub(crate) fn validate(
    fields: &mut Fields,
    method: &Method,
    version: Version,
    authority: Option<Bytes>,
) -> Result<Options, Rejection> {
    let http_11 = version == Version::HTTP_11;
    validate_host(fields, http_11, authority)?;
    let framing = framing(fields, http_11)?;
    // A body of GET or HEAD has no defined meaning, and servers disagree about its end (RFC 9110 §9.3.1), which many
    // request smuggling attacks exploit.
    let no_body = matches!(*method, Method::GET | Method::HEAD | Method::TRACE);
    if no_body && framing != Framing::None {
        return Err(Malformed("GET, HEAD and TRACE have no body"));
    }
    let mut options = Options { framing, keep_alive: http_11, upgrade: false, expects_continue: false };
    let mut close = false;
    for token in fields.all(Known::Connection).flat_map(|value| value.split(|byte| *byte == b',')) {
        let token = token.trim_ascii();
        close |= token.eq_ignore_ascii_case(b"close");
        options.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
        options.upgrade |= token.eq_ignore_ascii_case(b"upgrade");
    }
    options.keep_alive &= !close;
    // HTTP/1.0 has neither Upgrade nor Expect (RFC 9110 §7.8, §10.1.1). HEAD cannot be upgraded, because actix writes
    // nothing after the head of a response to HEAD.
    options.upgrade &= http_11 && !close && *method != Method::HEAD;
    options.upgrade &= fields.has(Known::Upgrade);
    if !options.upgrade {
        fields.remove(Known::Upgrade);
    }
    if http_11 {
        for value in fields.all(Known::Expect) {
            if !value.eq_ignore_ascii_case(b"100-continue") {
                return Err(Rejection::Expectation);
            }
            options.expects_continue = true;
        }
    }
    Ok(options)
}

fn validate_host(fields: &mut Fields, http_11: bool, authority: Option<Bytes>) -> Result<(), Rejection> {
    let mut hosts = fields.all(Known::Host);
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Err(Malformed("there are several Host fields")),
        (None, None) if http_11 => return Err(Malformed("there is no Host field")),
        (Some(host), None) if !is_host(host) => {
            return Err(Malformed("the Host field is not host:port"));
        }
        _ => {}
    }
    drop(hosts);
    if let Some(authority) = authority {
        fields.set(Known::Host, &authority);
    }
    Ok(())
}

/// The framing by RFC 9112 §6.3. Every ambiguity is an error.
fn framing(fields: &Fields, http_11: bool) -> Result<Framing, Rejection> {
    let only = |name| {
        let mut values = fields.all(name);
        (values.next(), values.next().is_some())
    };
    match (only(Known::ContentLength), only(Known::TransferEncoding)) {
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

/// Whether a lenient server could take a name for `content-length` or `transfer-encoding` although it
/// is different: `-` is missing or another byte (CGI and its successors use `_`), or the name is the beginning of one
/// of the two, padded with other bytes.
fn is_alias(name: &[u8]) -> bool {
    // Nearly every name differs in its first letter.
    match name.iter().find(|byte| byte.is_ascii_alphanumeric()) {
        Some(b'c' | b'C' | b't' | b'T') | None => {}
        Some(_) => return false,
    }
    let alias_of = |first: &[u8], second: &[u8]| {
        let padded = name.len() > first.len() + second.len();
        let mut letters = name.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase);
        for letter in first {
            match letters.next() {
                None => return padded,
                Some(other) if other != *letter => return false,
                Some(_) => {}
            }
        }
        let ends = |skipped: usize| {
            let n = letters.clone().skip(skipped).count();
            let same = letters.clone().skip(skipped).zip(second).all(|(a, b)| a == *b);
            same && (n == second.len() || n < second.len() && padded)
        };
        ends(0) || ends(1)
    };
    !name.eq_ignore_ascii_case(b"content-length") && alias_of(b"content", b"length")
        || !name.eq_ignore_ascii_case(b"transfer-encoding") && alias_of(b"transfer", b"encoding")
}
