//! Bytes in, a request's head out: found whole, then judged by the strict grammar of RFC 9110 and 9112.

use std::num::NonZeroU64;

use actix_http::header::HeaderMap;
use actix_http::{Method, Uri, Version};
use bytes::BytesMut;

use super::rejection::Rejection;
use super::rejection::Rejection::Malformed;
use super::{fields, request_line};

/// The most fields of a request.
pub(crate) const MAX_FIELDS: usize = 96;

/// How large a head may be, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// All fields together, as they are on the wire.
    pub(crate) fields: usize,
    /// The target.
    pub(crate) target: usize,
}

/// A request's head that can be read in one way only.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    /// In origin form (or `*`), byte for byte.
    pub(crate) target: Uri,
    pub(crate) version: Version,
    /// As they came, with exactly one `Host` in HTTP/1.1: the target's, if that is in absolute form.
    pub(crate) headers: HeaderMap,
    pub(crate) framing: Framing,
    /// Whether the client keeps the connection.
    pub(crate) keep_alive: bool,
    /// Whether the client offers to go on in another protocol; `Upgrade` is there then, and else not.
    pub(crate) upgrade: bool,
    /// Whether the client waits for a 100 before it sends the body.
    pub(crate) expects_continue: bool,
}

/// How a request's body is delimited. Whether a request has a body is decided here and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is no body: no field announces one, or `Content-Length` is zero.
    None,
    /// By `Content-Length`, in bytes.
    Length(NonZeroU64),
    /// In chunks.
    Chunked,
}

/// How far a head was searched for its end.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    scanned: usize,
    line: usize,
    fields: usize,
    /// An empty map that has room: an allocation saved.
    pub(crate) spare: HeaderMap,
}

/// Takes a head from the front of `input` once it is complete there; `scan` remembers between calls.
///
/// Empty lines before it are skipped (RFC 9112 §2.2).
pub(crate) fn read(input: &mut BytesMut, scan: &mut Scan, limits: Limits) -> Result<Option<Head>, Rejection> {
    while scan.line == 0 && input.starts_with(b"\r\n") {
        let _ = input.split_to(2);
        scan.scanned = 0;
    }
    let Some(end) = scan.find(input, limits)? else { return Ok(None) };
    let Scan { fields, spare, .. } = std::mem::take(scan);
    let bytes = input.split_to(end).freeze();
    let line = request_line::read(&bytes.slice(..fields - 2), limits.target)?;
    let headers = fields::read(&bytes.slice(fields..end - 2), spare)?;
    judge(line, headers).map(Some)
}

impl Scan {
    /// The length of the head, its empty line included, once that is there.
    fn find(&mut self, input: &[u8], limits: Limits) -> Result<Option<usize>, Rejection> {
        while let Some(at) = memchr::memchr(b'\n', &input[self.scanned..]) {
            let end = self.scanned + at;
            if end == self.line || input[end - 1] != b'\r' {
                return Err(Malformed("a line ends without a carriage return"));
            }
            let empty = end - self.line == 1;
            (self.scanned, self.line) = (end + 1, end + 1);
            self.check(self.line, limits)?;
            if self.fields == 0 {
                self.fields = self.line;
            }
            if empty {
                return Ok(Some(self.line));
            }
        }
        self.scanned = input.len();
        self.check(input.len(), limits)?;
        Ok(None)
    }

    /// Whether the first `n` bytes of a head may be that many.
    fn check(&self, n: usize, limits: Limits) -> Result<(), Rejection> {
        match self.fields {
            // With the two spaces, the version and the line's end.
            0 if n > request_line::MAX_METHOD + limits.target + 12 => {
                Err(Rejection::TargetTooLong(limits.target))
            }
            0 => Ok(()),
            start if n - start > limits.fields => Err(Rejection::HeaderTooLarge(limits.fields)),
            _ => Ok(()),
        }
    }
}

fn judge(line: request_line::Line, mut headers: HeaderMap) -> Result<Head, Rejection> {
    let request_line::Line { method, target, authority, version } = line;
    let meaning = fields::judge(&mut headers, &method, version, authority)?;
    let fields::Meaning { framing, keep_alive, upgrade, expects_continue } = meaning;
    Ok(Head { method, target, version, headers, framing, keep_alive, upgrade, expects_continue })
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
