//! Reply heads: parses the head of a replica's reply and fixes the framing of its body.

use std::time::Duration;

use awc::http::{Method, StatusCode};
use bytes::{Bytes, BytesMut};

use super::chunk_line::Grammar;
use super::fields::{FieldValues, Fields, InvalidField};
use super::framing::{Block, Chunked, Decoder};
use super::known::Known;
use super::malformed::Malformed;

/// Maximum size of a reply head, and of a trailer section, in bytes.
pub(crate) const MAX: usize = 64 * 1024;

/// Maximum number of fields in a reply head.
const MAX_FIELDS: usize = 256;
/// Maximum number of fields in a trailer section.
const MAX_TRAILERS: usize = 64;

/// A parsed reply head. Its fields contain at most one `Content-Length` and no `Transfer-Encoding`.
pub(crate) struct ReplyHead {
    pub(crate) status: StatusCode,
    /// The reason phrase as received.
    pub(crate) reason: Bytes,
    /// The fields in the order of arrival, repeated ones included.
    pub(crate) fields: Fields,
    /// Decoder of the body.
    pub(crate) decoder: Decoder,
    /// Whether the replica keeps the connection.
    pub(crate) keep_alive: bool,
}

/// Whether a `Connection` field contains `close`.
pub(crate) fn has_close(fields: &Fields) -> bool {
    let is_close = |token: &[u8]| token.trim_ascii().eq_ignore_ascii_case(b"close");
    fields.all(Known::Connection).any(|value| value.split(|byte| *byte == b',').any(is_close))
}

/// How long the server keeps an idle connection by its `Keep-Alive: timeout=SECONDS`; `None`: it does not say so.
pub(crate) fn keep_alive_timeout(fields: &Fields) -> Option<Duration> {
    let value = fields.text("keep-alive")?;
    let timeout = value.split(',').find_map(|parameter| {
        let (name, seconds) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("timeout").then(|| seconds.trim().trim_matches('"').parse().ok())?
    });
    timeout.map(Duration::from_secs)
}

/// Takes a head from the front of `input`; `None` if it is not complete. `block` keeps the state between calls.
pub(crate) fn read_reply(
    input: &mut BytesMut,
    block: &mut Block,
    method: &Method,
) -> Result<Option<ReplyHead>, Malformed> {
    const PROTOCOL: &[u8] = b"HTTP/1.";
    if !PROTOCOL.starts_with(input.get(..PROTOCOL.len()).unwrap_or(input)) {
        return Err(Malformed::Protocol);
    }
    let Some(end) = block.find(input)? else { return Ok(None) };
    *block = Block::default();
    let bytes = input.split_to(end).freeze();

    // The block was found by its line ends, which are all complete.
    let line_end = memchr::memchr(b'\n', &bytes).unwrap_or_default().saturating_sub(1);
    let (http_11, status, reason) = status_line(&bytes.slice(..line_end))?;
    let mut fields = Fields::parse(bytes.slice(line_end + 2..end - 2), MAX_FIELDS).map_err(grammar)?;
    let decoder = framing(method, status, http_11, &mut fields)?;
    let keep_alive = http_11 && !decoder.ends_at_close() && !has_close(&fields);
    Ok(Some(ReplyHead { status, reason, fields, decoder, keep_alive }))
}

/// Parses `HTTP/1.x SP 3DIGIT [ SP reason-phrase ]`: whether the version is 1.1, the status, the phrase.
fn status_line(line: &Bytes) -> Result<(bool, StatusCode, Bytes), Malformed> {
    let http_11 = match line.get(..9) {
        Some(b"HTTP/1.1 ") => true,
        Some(b"HTTP/1.0 ") => false,
        _ => return Err(httparse::Error::Version.into()),
    };
    let status = line.get(9..12).and_then(|digits| StatusCode::from_bytes(digits).ok());
    let status = status.ok_or(httparse::Error::Status)?;
    let reason = match &line[12..] {
        [] => Bytes::new(),
        [b' ', reason @ ..] => line.slice_ref(reason),
        _ => return Err(httparse::Error::Status.into()),
    };
    if !reason.iter().all(|byte| *byte >= b' ' && *byte != 0x7f || *byte == b'\t') {
        return Err(httparse::Error::Status.into());
    }
    Ok((http_11, status, reason))
}

fn grammar(error: InvalidField) -> Malformed {
    match error {
        InvalidField::LineEnd => Malformed::BareLineFeed,
        InvalidField::Colon | InvalidField::Name => httparse::Error::HeaderName.into(),
        InvalidField::Value => httparse::Error::HeaderValue.into(),
        InvalidField::TooMany => httparse::Error::TooManyHeaders.into(),
    }
}

/// Checks that a block is a sequence of fields.
pub(crate) fn check_fields(block: &[u8]) -> Result<(), Malformed> {
    httparse::parse_headers(block, &mut [httparse::EMPTY_HEADER; MAX_TRAILERS])?;
    Ok(())
}

/// The framing of the body by RFC 9112 §6.3; every ambiguity is an error. Removes the fields that contradict it.
fn framing(
    method: &Method,
    status: StatusCode,
    http_11: bool,
    fields: &mut Fields,
) -> Result<Decoder, Malformed> {
    let length = content_length(fields)?;
    let mut codings = fields.all(Known::TransferEncoding);
    let chunked = match (codings.next(), codings.next()) {
        (None, _) => false,
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => true,
        _ => return Err(Malformed::TransferEncoding),
    };
    drop(codings);
    if chunked && (length.is_some() || !http_11) {
        return Err(Malformed::TransferEncoding);
    }
    fields.remove(Known::TransferEncoding);

    if status.is_informational() || status == StatusCode::NO_CONTENT {
        fields.remove(Known::ContentLength);
        return Ok(Decoder::Length(0));
    }
    Ok(match length {
        _ if method == Method::HEAD || status == StatusCode::NOT_MODIFIED => Decoder::Length(0),
        Some(length) => Decoder::Length(length),
        None if chunked => Decoder::Chunked(Chunked::new(Grammar::Lenient)),
        None => Decoder::UntilClose,
    })
}

/// The value of `Content-Length`; `None` if there is none. Repeated fields and lists of equal values are merged into
/// one field; different values are an error.
fn content_length(fields: &mut Fields) -> Result<Option<u64>, Malformed> {
    let mut length: Option<u64> = None;
    let mut repeated = false;
    for value in fields.all(Known::ContentLength) {
        for part in value.split(|byte| *byte == b',') {
            let part = part.trim_ascii();
            let digits = Some(part).filter(|part| part.iter().all(u8::is_ascii_digit));
            let n = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            if n.is_none() || length.is_some_and(|length| Some(length) != n) {
                return Err(Malformed::ContentLength);
            }
            repeated |= length.is_some();
            length = n;
        }
    }
    if let Some(length) = length.filter(|_| repeated) {
        fields.set(Known::ContentLength, length.to_string().as_bytes());
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses `text` as the reply to a request and checks that every split in two gives the same result.
    fn read(method: Method, text: &str) -> Result<Option<ReplyHead>, Malformed> {
        let mut whole = BytesMut::from(text);
        let reply = read_reply(&mut whole, &mut Block::default(), &method);
        for at in 0..text.len() {
            let (mut input, mut block) = (BytesMut::from(&text[..at]), Block::default());
            let early = read_reply(&mut input, &mut block, &method);
            if let Ok(None) = early {
                input.extend_from_slice(&text.as_bytes()[at..]);
                let late = read_reply(&mut input, &mut block, &method);
                assert_eq!(late.as_ref().err(), reply.as_ref().err(), "split at {at}: {text:?}");
            } else {
                assert_eq!(early.as_ref().err(), reply.as_ref().err(), "split at {at}: {text:?}");
            }
        }
        reply
    }

    fn get(text: &str) -> ReplyHead {
        read(Method::GET, text).unwrap().unwrap()
    }

    fn length(decoder: &Decoder) -> Option<u64> {
        match decoder {
            Decoder::Length(n) => Some(*n),
            _ => None,
        }
    }

    #[test]
    fn framing_follows_rfc_9112() {
        for (text, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Some(5)),
            ("HTTP/1.1 200 OK\r\ncontent-length:5\r\nContent-Length: 5 , 5\r\n\r\n", Some(5)),
            ("HTTP/1.1 204 No Content\r\n\r\n", Some(0)),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", Some(0)),
            ("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", Some(0)),
            ("HTTP/1.1 103 Early Hints\r\n\r\n", Some(0)),
            ("HTTP/1.1 200\r\n\r\n", None),
            ("HTTP/1.0 200 OK\r\n\r\n", None),
        ] {
            assert_eq!(length(&get(text).decoder), expected, "{text:?}");
        }
        assert!(get("HTTP/1.1 200 OK\r\n\r\n").decoder.ends_at_close());
        let chunked = get("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n");
        assert!(matches!(chunked.decoder, Decoder::Chunked(_)));
        assert!(!chunked.fields.has(Known::TransferEncoding));
        let head = read(Method::HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").unwrap().unwrap();
        assert_eq!(length(&head.decoder), Some(0));
        assert_eq!(head.fields.text("content-length"), Some("5"));
    }

    #[test]
    fn ambiguous_framing_is_malformed() {
        for fields in [
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5, 6\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: -5\r\n",
            "Content-Length:\r\n",
            "Content-Length: 5,\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length: 18446744073709551616\r\n",
            "Content-Length: 5 5\r\n",
        ] {
            let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
            assert_eq!(read(Method::GET, &text).err(), Some(Malformed::ContentLength), "{text:?}");
        }
        for fields in [
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding:\r\n",
            "Transfer-Encoding: chunked, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: xchunked\r\n",
        ] {
            let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
            assert_eq!(read(Method::GET, &text).err(), Some(Malformed::TransferEncoding), "{text:?}");
        }
        let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(read(Method::GET, old).err(), Some(Malformed::TransferEncoding));
    }

    #[test]
    fn invalid_heads_are_malformed() {
        for text in [
            "SSH-2.0-OpenSSH\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\n\n",
            "HTTP/1.1 200 OK\r\nA: b\n\r\n",
            "HTTP/1.1 2x0 OK\r\n\r\n",
            "HTTP/1.1 099 Low\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
            "HTTP/1.1 200 OK\r\n: b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.12 200 OK\r\n\r\n",
        ] {
            assert!(read(Method::GET, text).is_err(), "{text:?}");
        }
        let long = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(MAX));
        let parsed = read_reply(&mut BytesMut::from(&long[..]), &mut Block::default(), &Method::GET);
        assert_eq!(parsed.err(), Some(Malformed::TooLarge));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(MAX_FIELDS + 1));
        let parsed = read_reply(&mut BytesMut::from(&many[..]), &mut Block::default(), &Method::GET);
        assert_eq!(parsed.err(), Some(Malformed::Grammar(httparse::Error::TooManyHeaders)));
    }

    #[test]
    fn the_bytes_after_a_head_stay_in_the_input_and_repeated_fields_are_kept() {
        let many = "x-a: 1\r\n".repeat(MAX_FIELDS);
        let mut input = BytesMut::from(&format!("HTTP/1.1 200 OK\r\n{many}\r\nbody")[..]);
        let head = read_reply(&mut input, &mut Block::default(), &Method::GET).unwrap().unwrap();
        assert_eq!(head.fields.values("x-a").count(), MAX_FIELDS);
        assert_eq!(&input[..], b"body");
    }

    #[test]
    fn the_keep_alive_timeout_is_read() {
        for (field, seconds) in [
            ("Keep-Alive: timeout=5, max=100", Some(5)),
            ("keep-alive: max=1 , Timeout = \"15\"", Some(15)),
            ("Keep-Alive: timeout=-1", None),
            ("Keep-Alive: timeout", None),
            ("Keep-Alive: 5", None),
            ("X: y", None),
        ] {
            let head = get(&format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{field}\r\n\r\n"));
            assert_eq!(keep_alive_timeout(&head.fields), seconds.map(Duration::from_secs), "{field}");
        }
    }

    #[test]
    fn only_a_delimited_http_11_reply_keeps_the_connection() {
        for (text, keep_alive) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\n\r\n", false),
        ] {
            assert_eq!(get(text).keep_alive, keep_alive, "{text:?}");
        }
    }
}
