//! Request heads as they are written to a replica.

use actix_http::Method;
use awc::body::BodySize;
use bytes::BytesMut;

use super::fields::Fields;
use super::known::Known;

/// A request head as it is written to every replica that is tried.
#[derive(Clone, Debug)]
pub(crate) struct RequestHead {
    bytes: BytesMut,
    /// Where `Host` is inserted with the address of the replica: after the request line of a request without `Host`
    /// (HTTP/1.0).
    host: Option<usize>,
}

impl RequestHead {
    /// The head for a body of this size. `target`: path and query. A request without a body keeps its `Content-Length` as 0
    /// if it has the field, because some servers refuse a POST without it (411).
    pub fn new(method: &Method, target: &str, fields: &mut Fields, size: BodySize) -> Self {
        match size {
            BodySize::None if fields.has(Known::ContentLength) => set_length(fields, 0),
            BodySize::None => {}
            BodySize::Sized(size) => set_length(fields, size),
            BodySize::Stream => fields.add(Known::TransferEncoding, b"chunked"),
        }
        let line = method.as_str().len() + target.len() + " HTTP/1.1\r\n ".len();
        let mut bytes = BytesMut::with_capacity(line + fields.max_size() + 2);
        for part in [method.as_str(), " ", target, " HTTP/1.1\r\n"] {
            bytes.extend_from_slice(part.as_bytes());
        }
        let host = (!fields.has(Known::Host)).then_some(line);
        fields.write(&mut bytes);
        bytes.extend_from_slice(b"\r\n");
        Self { bytes, host }
    }

    /// Appends the head to `out`. `address`: of the replica.
    pub fn write(&self, out: &mut BytesMut, address: std::net::SocketAddr) {
        let (line, rest) = self.bytes.split_at(self.host.unwrap_or_default());
        out.extend_from_slice(line);
        if self.host.is_some() {
            out.extend_from_slice(format!("host: {address}\r\n").as_bytes());
        }
        out.extend_from_slice(rest);
    }
}

/// Sets `Content-Length`; the field stays in its place if it has this value already.
fn set_length(fields: &mut Fields, length: u64) {
    let length = length.to_string();
    if !fields.all(Known::ContentLength).eq([length.as_bytes()]) {
        fields.set(Known::ContentLength, length.as_bytes());
    }
}
