//! Request heads: finds a complete head in the input and parses it by the strict grammar of RFC 9110 and 9112.

use std::num::NonZeroU64;

use actix_http::{Method, Uri, Version};
use bytes::BytesMut;

use super::fields::Fields;
use super::rejection::Rejection;
use super::rejection::Rejection::Malformed;
use super::{request_fields, request_line};

/// Maximum number of fields of a request.
pub(crate) const MAX_FIELDS: usize = 96;

/// Limits of the size of a head, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Size of the header section on the wire, its empty line included.
    pub(crate) fields: usize,
    /// Length of the target.
    pub(crate) target: usize,
}

/// A valid and unambiguous request head.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    /// In origin form (or `*`), with the bytes of the client unchanged.
    pub(crate) target: Uri,
    pub(crate) version: Version,
    /// The fields in the order of arrival, with exactly one `Host` in HTTP/1.1: the authority of the target, if that is
    /// in absolute form.
    pub(crate) fields: Fields,
    pub(crate) framing: Framing,
    /// Whether the client keeps the connection.
    pub(crate) keep_alive: bool,
    /// Whether the client offers an upgrade to another protocol; otherwise `fields` has no `Upgrade`.
    pub(crate) upgrade: bool,
    /// Whether the client waits for 100 Continue before it sends the body.
    pub(crate) expects_continue: bool,
}

/// Framing of a request body. This is the only place that decides whether a request has a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is no body: no field announces one, or `Content-Length` is zero.
    None,
    /// `Content-Length`, in bytes.
    Length(NonZeroU64),
    /// Chunked transfer coding.
    Chunked,
}

/// State of the search for the end of a head.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Number of bytes searched.
    scanned: usize,
    /// Start of the current line.
    line: usize,
    /// Start of the header section; 0 until the request line is complete.
    fields: usize,
}

/// Takes a head from the front of `input`; `None` if it is not complete. `scan` keeps the state between calls.
///
/// Empty lines before the head are skipped (RFC 9112 §2.2).
pub(crate) fn read(input: &mut BytesMut, scan: &mut Scan, limits: Limits) -> Result<Option<Head>, Rejection> {
    while scan.line == 0 && input.starts_with(b"\r\n") {
        let _ = input.split_to(2);
        scan.scanned = 0;
    }
    let Some(end) = scan.find(input, limits)? else { return Ok(None) };
    let Scan { fields, .. } = std::mem::take(scan);
    let bytes = input.split_to(end).freeze();
    let line = request_line::read(&bytes.slice(..fields - 2), limits.target)?;
    let fields = request_fields::read(bytes.slice(fields..end - 2))?;
    validate(line, fields).map(Some)
}

impl Scan {
    /// The length of the head, its empty line included; `None` if the head is not complete.
    fn find(&mut self, input: &[u8], limits: Limits) -> Result<Option<usize>, Rejection> {
        while let Some(at) = memchr::memchr(b'\n', &input[self.scanned..]) {
            let end = self.scanned + at;
            if end == self.line || input[end - 1] != b'\r' {
                return Err(Malformed("a line ends without a carriage return"));
            }
            let empty = end - self.line == 1;
            (self.scanned, self.line) = (end + 1, end + 1);
            self.check(&input[..self.line], limits)?;
            if self.fields == 0 {
                self.fields = self.line;
            }
            if empty {
                return Ok(Some(self.line));
            }
        }
        self.scanned = input.len();
        self.check(input, limits)?;
        Ok(None)
    }

    /// Checks the limits for a head of which these bytes have arrived.
    fn check(&self, head: &[u8], limits: Limits) -> Result<(), Rejection> {
        let n = head.len();
        match self.fields {
            // 12 bytes for two spaces, the version and the line end.
            0 if n > request_line::MAX_METHOD + limits.target + 12 => {
                match head[..=request_line::MAX_METHOD].contains(&b' ') {
                    true => Err(Rejection::TargetTooLong(limits.target)),
                    false => Err(request_line::METHOD_TOO_LONG),
                }
            }
            0 => Ok(()),
            start if n - start > limits.fields => Err(Rejection::HeaderTooLarge(limits.fields)),
            _ => Ok(()),
        }
    }
}

fn validate(line: request_line::Line, mut fields: Fields) -> Result<Head, Rejection> {
    let request_line::Line { method, target, authority, version } = line;
    let options = request_fields::validate(&mut fields, &method, version, authority)?;
    let request_fields::Options { framing, keep_alive, upgrade, expects_continue } = options;
    Ok(Head { method, target, version, fields, framing, keep_alive, upgrade, expects_continue })
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
