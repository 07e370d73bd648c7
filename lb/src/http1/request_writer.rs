//! Request heads as they are written to a replica.

use actix_http::RequestHeadType;
use awc::body::BodySize;
use awc::http::header::{self, HeaderName};
use bytes::{BufMut, BytesMut};

/// Appends a request head to `out`, with the framing for a body of this size. A request without a body keeps its
/// `Content-Length` as 0 if it has the field, because some servers refuse a POST without it (411).
///
/// # Errors
/// The target is not in origin form, or the request has neither `Host` nor an authority.
pub(crate) fn write_request(
    out: &mut BytesMut,
    head: &RequestHeadType,
    size: BodySize,
) -> Result<(), &'static str> {
    let (extra, head) = (head.extra_headers(), head.as_ref());
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    if !target.starts_with('/') && target != "*" {
        return Err("target is not in origin form");
    }
    out.reserve(512);
    for part in [head.method.as_str(), " ", target, " HTTP/1.1\r\n"] {
        out.put_slice(part.as_bytes());
    }
    let replaced = |name: &HeaderName| extra.is_some_and(|extra| extra.contains_key(name));
    let own = head.headers.iter().filter(|(name, _)| !replaced(name));
    let (mut host, mut length) = (false, false);
    for (name, value) in own.chain(extra.into_iter().flatten()) {
        if name == header::CONTENT_LENGTH || name == header::TRANSFER_ENCODING {
            length |= name == header::CONTENT_LENGTH;
            continue;
        }
        host |= name == header::HOST;
        write_field(out, name.as_str(), value.as_bytes());
    }
    if !host {
        let authority = head.uri.authority().ok_or("no host")?;
        write_field(out, "host", authority.as_str().as_bytes());
    }
    match size {
        BodySize::None if length => write_field(out, "content-length", b"0"),
        BodySize::None => {}
        BodySize::Sized(size) => write_field(out, "content-length", size.to_string().as_bytes()),
        BodySize::Stream => write_field(out, "transfer-encoding", b"chunked"),
    }
    out.put_slice(b"\r\n");
    Ok(())
}

/// Writes a field. `value` must not contain control bytes: it is a [`HeaderValue`] or made by this file.
fn write_field(out: &mut BytesMut, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use actix_http::RequestHead;
    use awc::http::Uri;
    use awc::http::header::HeaderValue;

    use super::*;

    fn written(head: RequestHead, size: BodySize) -> Result<String, &'static str> {
        let mut out = BytesMut::new();
        write_request(&mut out, &RequestHeadType::Owned(head), size)?;
        Ok(String::from_utf8(out.to_vec()).unwrap())
    }

    fn request(uri: &'static str, headers: &[(&'static str, &'static str)]) -> RequestHead {
        let mut head = RequestHead::default();
        head.uri = Uri::from_static(uri);
        for (name, value) in headers {
            head.headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        head
    }

    #[test]
    fn a_request_is_written_unchanged_with_exactly_one_framing() {
        let fields = [("host", "a.example"), ("cookie", "1"), ("cookie", "2"), ("content-length", "99")];
        let text = written(request("http://x/p%2f//q?a=b&c=%20", &fields), BodySize::Sized(3)).unwrap();
        let (line, rest) = text.split_once("\r\n").unwrap();
        assert_eq!(line, "GET /p%2f//q?a=b&c=%20 HTTP/1.1");
        let mut fields: Vec<_> = rest.trim_end().split("\r\n").collect();
        fields.sort_unstable();
        assert_eq!(fields, ["content-length: 3", "cookie: 1", "cookie: 2", "host: a.example"]);
        assert!(text.ends_with("\r\n\r\n"));

        let fields = [("transfer-encoding", "gzip")];
        let text = written(request("http://x.example:81", &fields), BodySize::Stream).unwrap();
        let fields = "host: x.example:81\r\ntransfer-encoding: chunked";
        assert_eq!(text, format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n"));
        let text = written(request("http://x", &[("host", "h")]), BodySize::None).unwrap();
        assert_eq!(text, "GET / HTTP/1.1\r\nhost: h\r\n\r\n");
        for length in ["0", "00", "7"] {
            let fields = [("content-length", length), ("host", "h")];
            let text = written(request("http://x", &fields), BodySize::None).unwrap();
            assert_eq!(text, "GET / HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n");
        }
    }

    #[test]
    fn extra_fields_replace_those_of_a_shared_head() {
        let (shared, extra) =
            (request("http://x", &[("host", "h"), ("a", "1")]), request("http://x", &[("a", "2")]));
        let mut out = BytesMut::new();
        let head = RequestHeadType::Rc(shared.into(), Some(extra.headers));
        write_request(&mut out, &head, BodySize::None).unwrap();
        assert_eq!(out, "GET / HTTP/1.1\r\nhost: h\r\na: 2\r\n\r\n");
    }

    #[test]
    fn invalid_requests_are_not_written() {
        assert!(written(request("/p", &[]), BodySize::None).is_err());
        assert!(HeaderValue::from_bytes(b"b\r\nc: d").is_err());
    }
}
