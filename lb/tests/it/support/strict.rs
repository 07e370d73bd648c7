//! A strict parser of HTTP/1.1 replies (RFC 9110 §5, RFC 9112 §4–§7): every client accepts what it accepts.

/// The result of parsing bytes as the reply to a GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// One complete reply.
    Whole {
        status: u16,
        fields: Vec<(String, Vec<u8>)>,
        body: Vec<u8>,
        /// Number of replies 103 (Early Hints, RFC 8297) before it.
        hints: usize,
        /// Number of bytes of the reply and of the hints before it; more may follow.
        length: usize,
        /// Whether the end of the connection delimits the body.
        until_close: bool,
    },
    /// Valid so far, but the connection ended before the reply was complete.
    Cut,
    /// A reply that a client may reject, with the reason.
    Refused(&'static str),
}

/// Why parsing stopped.
enum Stop {
    Cut,
    Refused(&'static str),
}

/// The bytes that are not parsed yet.
struct Rest<'a>(&'a [u8]);

/// Parses the first reply in the bytes of a connection that has ended.
pub fn read(bytes: &[u8]) -> Reply {
    match reply(bytes) {
        Ok(reply) => reply,
        Err(Stop::Cut) => Reply::Cut,
        Err(Stop::Refused(why)) => Reply::Refused(why),
    }
}

fn reply(bytes: &[u8]) -> Result<Reply, Stop> {
    let mut rest = Rest(bytes);
    let status = status(rest.line()?)?;
    let mut fields = Vec::new();
    loop {
        let line = rest.line()?;
        if line.is_empty() {
            break;
        }
        fields.push(field(line)?);
    }
    if status == 103 {
        let before = bytes.len() - rest.0.len();
        return Ok(match reply(rest.0)? {
            Reply::Whole { status, fields, body, hints, length, until_close } => {
                Reply::Whole { status, fields, body, hints: hints + 1, length: before + length, until_close }
            }
            other => other,
        });
    }
    if (100..200).contains(&status) {
        return Err(Stop::Refused("an interim reply that was not requested"));
    }
    let values = |wanted: &str| -> Vec<&[u8]> {
        fields.iter().filter(|(name, _)| name == wanted).map(|(_, value)| &value[..]).collect()
    };
    let (codings, lengths) = (values("transfer-encoding"), values("content-length"));
    let mut until_close = false;
    let body = match (&codings[..], &lengths[..]) {
        ([], [] | [_]) if matches!(status, 204 | 304) => Vec::new(),
        ([], [length]) => {
            let length = std::str::from_utf8(length).ok().filter(|n| n.bytes().all(|n| n.is_ascii_digit()));
            let length = length.and_then(|n| n.parse().ok()).ok_or(Stop::Refused("content-length"))?;
            rest.take(length)?.to_vec()
        }
        ([coding], []) if coding.eq_ignore_ascii_case(b"chunked") => chunks(&mut rest)?,
        ([], []) => {
            until_close = true;
            rest.take(rest.0.len())?.to_vec()
        }
        _ => return Err(Stop::Refused("framing")),
    };
    Ok(Reply::Whole { status, body, hints: 0, length: bytes.len() - rest.0.len(), until_close, fields })
}

impl<'a> Rest<'a> {
    /// The next line, which must end with CRLF, without its end.
    fn line(&mut self) -> Result<&'a [u8], Stop> {
        let end = self.0.iter().position(|byte| *byte == b'\n').ok_or(Stop::Cut)?;
        let line = &self.0[..end];
        self.0 = &self.0[end + 1..];
        let line = line.strip_suffix(b"\r").ok_or(Stop::Refused("a line feed without a carriage return"))?;
        if line.contains(&b'\r') { Err(Stop::Refused("a bare carriage return")) } else { Ok(line) }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], Stop> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(Stop::Cut)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// `HTTP/1.1 SP 3DIGIT SP [ reason ]`
fn status(line: &[u8]) -> Result<u16, Stop> {
    match line.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.split_at_checked(3)) {
        Some((code, [b' ', reason @ ..])) if code.iter().all(u8::is_ascii_digit) && text(reason) => {
            Ok(code.iter().fold(0, |n, digit| n * 10 + u16::from(digit - b'0')))
        }
        _ => Err(Stop::Refused("status line")),
    }
}

/// `token ":" OWS value OWS`
fn field(line: &[u8]) -> Result<(String, Vec<u8>), Stop> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Stop::Refused("a field without a colon"))?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if name.is_empty() || !name.iter().all(token) || !text(value) {
        return Err(Stop::Refused("a field"));
    }
    Ok((String::from_utf8_lossy(name).to_ascii_lowercase(), value.to_vec()))
}

fn chunks(rest: &mut Rest<'_>) -> Result<Vec<u8>, Stop> {
    let mut body = Vec::new();
    loop {
        let size =
            std::str::from_utf8(rest.line()?).ok().filter(|n| n.bytes().all(|n| n.is_ascii_hexdigit()));
        let size = size.and_then(|size| usize::from_str_radix(size, 16).ok());
        let chunk = rest.take(size.ok_or(Stop::Refused("a chunk's size"))?)?;
        body.extend_from_slice(chunk);
        if !chunk.is_empty() && !rest.line()?.is_empty() {
            return Err(Stop::Refused("a chunk's end"));
        }
        if chunk.is_empty() {
            // No client of the tests accepts trailers.
            return if rest.line()?.is_empty() { Ok(body) } else { Err(Stop::Refused("trailers")) };
        }
    }
}

/// Whether all bytes are visible characters, blanks or outside of ASCII.
fn text(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..))
}
