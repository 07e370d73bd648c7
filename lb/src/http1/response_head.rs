//! Response heads as they are written to a client.

use actix_http::body::BodySize;
use actix_http::header::{self, HeaderName, HeaderValue};
use actix_http::{ConnectionType, ServiceConfig, StatusCode, Version};
use bytes::{BufMut, Bytes, BytesMut};

use super::body_encoder::BodyEncoder;
use super::fields::Fields;
use super::known::Known;

/// Room for the status line, `Connection`, `Content-Length` and `Date`, in bytes.
const BASE_SIZE: usize = 192;
/// Room for a field of a response of the balancer, in bytes.
const FIELD_SIZE: usize = 48;

/// Status, reason and fields of a response, by its origin.
pub(crate) enum ResponseHead {
    /// Made by the balancer. Its fields `Connection`, `Content-Length` and `Transfer-Encoding` are not written.
    Own(actix_http::Response<()>),
    /// A replica's reply without its hop-by-hop fields.
    Forwarded {
        /// The status code.
        status: StatusCode,
        /// The reason phrase as received.
        reason: Bytes,
        /// The fields. `Content-Length`, if present, is the size of the body.
        fields: Fields,
    },
}

/// How a response is framed and what happens to the connection afterwards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Framing {
    /// The version of the request.
    pub version: Version,
    /// The size of the body.
    pub size: BodySize,
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

impl ResponseHead {
    /// The status code.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Own(response) => response.status(),
            Self::Forwarded { status, .. } => *status,
        }
    }

    /// Whether the balancer itself closes the connection after this response.
    pub fn closes(&self) -> bool {
        matches!(self, Self::Own(own) if own.head().connection_type() == ConnectionType::Close)
    }

    /// Removes the fields of this name.
    pub fn remove(&mut self, name: &'static str) {
        match self {
            Self::Own(response) => drop(response.headers_mut().remove(name)),
            Self::Forwarded { fields, .. } => {
                fields.retain(|other| !other.eq_ignore_ascii_case(name.as_bytes()));
            }
        }
    }

    /// Appends a field. A value with control bytes is left out.
    pub fn append(&mut self, name: &'static str, value: &str) {
        let Ok(valid) = HeaderValue::from_str(value) else { return };
        match self {
            Self::Own(response) => response.headers_mut().append(HeaderName::from_static(name), valid),
            Self::Forwarded { fields, .. } => fields.append(name, value.as_bytes()),
        }
    }

    /// The framing of the body; `None` if the status permits no body.
    pub fn body_encoder(&self, framing: Framing) -> BodyEncoder {
        match framing.size {
            _ if framing.persistence == Persistence::Upgrade => BodyEncoder::UntilClose,
            _ if is_bodiless(self.status()) => BodyEncoder::None,
            BodySize::None | BodySize::Sized(0) => BodyEncoder::None,
            BodySize::Sized(size) => BodyEncoder::Length(size),
            BodySize::Stream if framing.is_chunked() => BodyEncoder::Chunked,
            BodySize::Stream => BodyEncoder::UntilClose,
        }
    }

    /// Appends the head to `out`, with `Date` (RFC 9110 §6.6.1) if it has none.
    pub fn write(&self, framing: Framing, out: &mut BytesMut, date: &ServiceConfig) {
        let is_old = framing.version != Version::HTTP_11;
        let status = self.status();
        let (reason, size) = match self {
            Self::Own(own) => (own.head().reason().as_bytes(), own.headers().len() * FIELD_SIZE),
            Self::Forwarded { reason, fields, .. } => (&reason[..], fields.max_size()),
        };
        out.reserve(BASE_SIZE + reason.len() + size);
        out.put_slice(if is_old { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
        for part in [status.as_str().as_bytes(), b" ", reason, b"\r\n"] {
            out.put_slice(part);
        }
        let (has_length, has_date) = match self {
            Self::Own(own) => (false, own.headers().contains_key(header::DATE)),
            Self::Forwarded { fields, .. } => (fields.has(Known::ContentLength), fields.has(Known::Date)),
        };
        match framing.size {
            _ if is_bodiless(status) => {}
            BodySize::Sized(size) if !has_length => {
                for part in [b"content-length: ", size.to_string().as_bytes(), b"\r\n"] {
                    out.put_slice(part);
                }
            }
            BodySize::Stream if framing.is_chunked() => out.put_slice(b"transfer-encoding: chunked\r\n"),
            BodySize::Sized(_) | BodySize::Stream | BodySize::None => {}
        }
        out.put_slice(match framing.persistence {
            Persistence::Upgrade => b"connection: upgrade\r\n",
            Persistence::Close if !is_old => b"connection: close\r\n",
            Persistence::KeepAlive if is_old => b"connection: keep-alive\r\n",
            Persistence::Close | Persistence::KeepAlive => b"",
        });
        match self {
            Self::Own(own) => {
                let is_framing = |name: &HeaderName| {
                    [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(name)
                };
                for (name, value) in own.headers().iter().filter(|(name, _)| !is_framing(name)) {
                    for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                        out.extend_from_slice(part);
                    }
                }
            }
            Self::Forwarded { fields, .. } => fields.write(out),
        }
        if !has_date {
            date.write_date_header(out, false);
        }
        out.extend_from_slice(b"\r\n");
    }
}

impl Framing {
    /// Whether a body of unknown size is chunked. HTTP/1.0 has no chunked coding: there the end of the connection ends it.
    pub fn is_chunked(self) -> bool {
        self.size == BodySize::Stream
            && self.version == Version::HTTP_11
            && self.persistence != Persistence::Upgrade
    }
}

/// Whether a response of this status never has a body (RFC 9112 §6.3).
fn is_bodiless(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}
