//! Response heads as they are written to a client.

use actix_http::body::BodySize;
use actix_http::header::{self, HeaderName};
use actix_http::{self, ServiceConfig, StatusCode, Version};
use bytes::{BufMut, BytesMut};

use super::body_encoder::BodyEncoder;

/// Room for the status line, `Connection`, `Content-Length` and `Date`, in bytes.
const BASE_SIZE: usize = 192;
/// Room for a field, in bytes.
const FIELD_SIZE: usize = 48;

/// A response head, and how the response is framed.
pub(crate) struct ResponseHead<'a> {
    /// Status, reason and fields. Its fields `Connection` and `Transfer-Encoding` are left out, and `Content-Length` unless the
    /// status is 304.
    pub head: &'a actix_http::ResponseHead,
    /// The version of the request.
    pub version: Version,
    /// The size of the body.
    pub size: BodySize,
    /// Whether a body of unknown size is chunked; otherwise it ends with the connection.
    pub chunked: bool,
    /// What happens to the connection afterwards.
    pub persistence: Persistence,
}

/// What happens to the connection after a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// It serves another request.
    KeepAlive,
    /// It is closed.
    Close,
    /// It becomes a tunnel.
    Upgrade,
}

impl ResponseHead<'_> {
    /// The framing of the body; `None` if the status permits no body.
    pub fn body_encoder(&self) -> BodyEncoder {
        match self.size {
            _ if self.persistence == Persistence::Upgrade => BodyEncoder::UntilClose,
            _ if is_bodiless(self.head.status) => BodyEncoder::None,
            BodySize::None | BodySize::Sized(0) => BodyEncoder::None,
            BodySize::Sized(size) => BodyEncoder::Length(size),
            BodySize::Stream if self.chunked => BodyEncoder::Chunked,
            BodySize::Stream => BodyEncoder::UntilClose,
        }
    }

    /// Appends the head to `out`, with `Date` (RFC 9110 §6.6.1) if it has none.
    pub fn write(&self, out: &mut BytesMut, date: &ServiceConfig) {
        let actix_http::ResponseHead { status, headers, .. } = self.head;
        out.reserve(BASE_SIZE + headers.len() * FIELD_SIZE);
        let version = if self.version == Version::HTTP_11 { "HTTP/1.1 " } else { "HTTP/1.0 " };
        for part in [version, status.as_str(), " ", self.head.reason(), "\r\n"] {
            out.put_slice(part.as_bytes());
        }
        match self.size {
            _ if is_bodiless(*status) => {}
            BodySize::None => {}
            BodySize::Sized(size) => {
                out.put_slice(b"content-length: ");
                out.put_slice(size.to_string().as_bytes());
                out.put_slice(b"\r\n");
            }
            BodySize::Stream if self.chunked => out.put_slice(b"transfer-encoding: chunked\r\n"),
            BodySize::Stream => {}
        }
        out.put_slice(match self.persistence {
            Persistence::Upgrade => b"connection: upgrade\r\n",
            Persistence::Close if self.version == Version::HTTP_11 => b"connection: close\r\n",
            Persistence::KeepAlive if self.version != Version::HTTP_11 => b"connection: keep-alive\r\n",
            Persistence::Close | Persistence::KeepAlive => b"",
        });
        let mut has_date = false;
        for (name, value) in headers {
            if self.is_own(name) {
                continue;
            }
            has_date |= name == header::DATE;
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
        if !has_date {
            date.write_date_header(out, false);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Whether this head writes the field itself. A 304 keeps the length that a 200 would have (RFC 9110 §8.6).
    fn is_own(&self, name: &HeaderName) -> bool {
        *name == header::CONNECTION
            || *name == header::TRANSFER_ENCODING
            || *name == header::CONTENT_LENGTH && self.head.status != StatusCode::NOT_MODIFIED
    }
}

/// Whether a response of this status never has a body (RFC 9112 §6.3).
fn is_bodiless(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}
