//! The request key: taken from the first source present in an ordered list.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::str::FromStr;

use actix_http::header::HeaderName;
use percent_encoding::percent_decode_str;

use crate::http1::fields::{FieldValues, Fields};

/// A part of the request that can hold its key. An empty value counts as absent; of repeated values the first one that
/// is not empty is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `header:NAME`: the value of a request header.
    Header(HeaderName),
    /// `query:NAME`: a query parameter, decoded as `application/x-www-form-urlencoded` (WHATWG URL, 5.1).
    Query(String),
    /// `path`: the path as requested, not decoded.
    Path,
    /// `path-segment:N`: the N-th segment of the path, from 1, not decoded.
    PathSegment(NonZeroUsize),
    /// `cookie:NAME`: a cookie, byte for byte (RFC 6265, 4.2).
    Cookie(String),
    /// `client-ip`: the client's address as text, an IPv4-mapped IPv6 address as IPv4. It is the peer's address, or the
    /// one that trusted proxies report.
    ClientIp,
    /// `random`: six decimal digits, uniform in 100000…999999.
    Random,
}

/// Key sources in the order in which they are tried (`--key`), never empty. If none is present the key is random.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySources(Vec<Source>);

/// The parts of a request that key sources read.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The path as requested.
    pub path: &'a str,
    /// The query without its `?`; empty if there is none.
    pub query: &'a str,
    /// All header fields.
    pub fields: &'a Fields,
    /// The client's address; `None` if it is unknown, and then `client-ip` counts as absent.
    pub client: Option<IpAddr>,
}

/// A request key and its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key<'a> {
    /// The bytes that are hashed.
    pub bytes: Cow<'a, [u8]>,
    /// The source of the bytes; `random` if no listed source was present.
    pub source: &'a Source,
}

/// Errors of parsing [`KeySources`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeySources {
    /// The item is not one of the known sources.
    #[error(
        "'{0}' is no key source: header:NAME, query:NAME, path, path-segment:N, cookie:NAME, client-ip or random"
    )]
    Unknown(String),
    /// `header:` or `cookie:` without a valid field or cookie name, or `query:` with an empty name.
    #[error("'{0}' needs the name of a {1} after the colon")]
    Name(String, &'static str),
    /// `path-segment:` without an integer of 1 or more.
    #[error("'{0}' needs the number of a segment, from 1, after the colon")]
    Segment(String),
    /// A source follows `random`, which is always present: it would never be used.
    #[error("'random' must be the last source")]
    AfterRandom,
}

impl KeySources {
    /// The list with `random` as its only source.
    pub fn random() -> Self {
        Self(vec![Source::Random])
    }

    /// The sources in the order in which they are tried.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
    }

    /// Returns the key of a request. It allocates only for an escaped query value, an address and a random key.
    pub fn key<'a>(&'a self, parts: &Parts<'a>, rng: &mut fastrand::Rng) -> Key<'a> {
        self.0
            .iter()
            .find_map(|source| Some(Key { bytes: source.value(parts, rng)?, source }))
            .unwrap_or_else(|| Key { bytes: random(rng), source: &Source::Random })
    }
}

impl Source {
    fn value<'a>(&self, parts: &Parts<'a>, rng: &mut fastrand::Rng) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Header(name) => present(parts.fields.values(name.as_str())),
            Self::Query(_) if parts.query.is_empty() => None,
            Self::Query(name) => query(parts.query, name.as_bytes()),
            Self::Path => present([parts.path.as_bytes()]),
            Self::PathSegment(n) => present(parts.path.split('/').nth(n.get()).map(str::as_bytes)),
            Self::Cookie(name) => present(cookies(parts.fields, name.as_bytes())),
            Self::ClientIp => parts.client.map(|ip| Cow::Owned(ip.to_canonical().to_string().into_bytes())),
            Self::Random => Some(random(rng)),
        }
    }
}

impl FromStr for KeySources {
    type Err = InvalidKeySources;

    fn from_str(text: &str) -> Result<Self, InvalidKeySources> {
        let sources = text.split(',').map(|item| item.trim().parse()).collect::<Result<Vec<Source>, _>>()?;
        match sources.iter().position(|source| *source == Source::Random) {
            Some(at) if at + 1 < sources.len() => Err(InvalidKeySources::AfterRandom),
            _ => Ok(Self(sources)),
        }
    }
}

impl FromStr for Source {
    type Err = InvalidKeySources;

    fn from_str(text: &str) -> Result<Self, InvalidKeySources> {
        let (kind, name) = match text.split_once(':') {
            Some((kind, name)) => (kind, Some(name.trim())),
            None => (text, None),
        };
        match (kind, name) {
            ("header", Some(name)) => {
                name.parse().map(Self::Header).map_err(|_| InvalidKeySources::Name(text.into(), "header"))
            }
            ("query", Some("")) => Err(InvalidKeySources::Name(text.into(), "query parameter")),
            ("query", Some(name)) => Ok(Self::Query(name.into())),
            // A cookie name is a `token` like a field name, but case-sensitive.
            ("cookie", Some(name)) if name.parse::<HeaderName>().is_ok() => Ok(Self::Cookie(name.into())),
            ("cookie", Some(_)) => Err(InvalidKeySources::Name(text.into(), "cookie")),
            ("path-segment", Some(n)) => {
                n.parse().map(Self::PathSegment).map_err(|_| InvalidKeySources::Segment(text.into()))
            }
            ("path", None) => Ok(Self::Path),
            ("client-ip", None) => Ok(Self::ClientIp),
            ("random", None) => Ok(Self::Random),
            _ => Err(InvalidKeySources::Unknown(text.into())),
        }
    }
}

impl fmt::Display for KeySources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, source) in self.0.iter().enumerate() {
            write!(f, "{}{source}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Path => f.write_str("path"),
            Self::PathSegment(n) => write!(f, "path-segment:{n}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::ClientIp => f.write_str("client-ip"),
            Self::Random => f.write_str("random"),
        }
    }
}

fn random(rng: &mut fastrand::Rng) -> Cow<'static, [u8]> {
    Cow::Owned(rng.u32(100_000..1_000_000).to_string().into_bytes())
}

/// Returns the first non-empty value.
fn present<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Option<Cow<'a, [u8]>> {
    values.into_iter().find(|value| !value.is_empty()).map(Cow::Borrowed)
}

/// Returns the first non-empty value of a query parameter, decoded as `application/x-www-form-urlencoded`.
pub fn query<'a>(query: &'a str, name: &[u8]) -> Option<Cow<'a, [u8]>> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(parameter, value)| !value.is_empty() && *decoded(parameter) == *name)
        .map(|(_, value)| decoded(value))
}

/// Decodes a name or a value of a query string as `application/x-www-form-urlencoded`.
pub(crate) fn decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('+') {
        return percent_decode_str(text).into();
    }
    Cow::Owned(percent_decode_str(&text.replace('+', " ")).collect())
}

/// Returns the values of a cookie in order, byte for byte.
pub(crate) fn cookies<'a>(fields: &'a impl FieldValues, name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    fields
        .values("cookie")
        .flat_map(|value| value.split(|&byte| byte == b';'))
        .filter_map(|pair| pair.trim_ascii().strip_prefix(name)?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: &str = "header:X-Request-Id,query:request_id,query:rid,query:id,random";

    /// Returns key and source of a GET of `target` with `headers`.
    fn found(sources: &str, target: &str, headers: &[(&'static str, &[u8])]) -> (Vec<u8>, String) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut fields = Fields::default();
        headers.iter().for_each(|(name, value)| fields.append(name, value));
        let client = Some("::ffff:192.0.2.7".parse().unwrap());
        let sources: KeySources = sources.parse().unwrap();
        let key =
            sources.key(&Parts { path, query, fields: &fields, client }, &mut fastrand::Rng::with_seed(1));
        (key.bytes.into_owned(), key.source.to_string())
    }

    #[track_caller]
    fn assert_key(
        sources: &str,
        target: &str,
        headers: &[(&'static str, &[u8])],
        key: impl AsRef<[u8]>,
        source: &str,
    ) {
        assert_eq!(found(sources, target, headers), (key.as_ref().to_vec(), source.to_owned()));
    }

    #[test]
    fn the_first_source_present_wins() {
        assert_key(DEFAULT, "/home?id=3&rid=2", &[("x-request-id", b"1")], "1", "header:x-request-id");
        assert_key(DEFAULT, "/home?id=3&rid=2", &[], "2", "query:rid");
        assert_key(DEFAULT, "/home?id=3", &[("x-request-id", b"")], "3", "query:id");
        assert_key(DEFAULT, "/home?request_id=&rid&id=3", &[], "3", "query:id");
        assert_key(DEFAULT, "/home?request_id=1&request_id=2", &[], "1", "query:request_id");
    }

    #[test]
    fn without_a_present_source_the_key_is_random() {
        for sources in [DEFAULT, "cookie:absent", "random"] {
            let (key, source) = found(sources, "/", &[]);
            assert_eq!(source, "random");
            assert!((100_000..1_000_000).contains(&String::from_utf8(key).unwrap().parse::<u32>().unwrap()));
        }
        let sources: KeySources = "random".parse().unwrap();
        let parts = Parts { path: "/", query: "", fields: &Fields::default(), client: None };
        let mut rng = fastrand::Rng::with_seed(2);
        assert_ne!(sources.key(&parts, &mut rng), sources.key(&parts, &mut rng));
    }

    #[test]
    fn query_values_are_decoded_like_a_form() {
        assert_key("query:q", "/?q=a+b%2B%26c", &[], "a b+&c", "query:q");
        assert_key("query:q", "/?q=%FF%00", &[], b"\xff\0", "query:q");
        assert_key("query:q", "/?q=100%", &[], "100%", "query:q");
        assert_key("query:q", "/?q=a=b", &[], "a=b", "query:q");
        assert_key("query:user id", "/?user+id=1", &[], "1", "query:user id");
        assert_key("query:id", "/?%69d=1&xid=2", &[], "1", "query:id");
    }

    #[test]
    fn paths_are_not_decoded() {
        assert_key("path", "/a%20b/c?q", &[], "/a%20b/c", "path");
        assert_key("path-segment:2", "/a/b/c", &[], "b", "path-segment:2");
        assert_key("path-segment:2,path-segment:1", "/a/", &[], "a", "path-segment:1");
        assert_key("path-segment:9,path", "/", &[], "/", "path");
    }

    #[test]
    fn cookies_are_found_over_repeated_headers() {
        let cookies: &[(&str, &[u8])] =
            &[("cookie", b"xid=0; ID=1;id=; a"), ("cookie", b"b=2;  id=\xffx=\"y\" ; id=3")];
        assert_key("cookie:id", "/", cookies, b"\xffx=\"y\"", "cookie:id");
        assert_key("cookie:a,cookie:b", "/", cookies, "2", "cookie:b");
    }

    #[test]
    fn header_values_are_bytes_and_client_ip_is_the_canonical_address() {
        assert_key("header:user", "/", &[("user", b""), ("user", b"\xff\xfe")], b"\xff\xfe", "header:user");
        assert_key("header:user,client-ip", "/", &[], "192.0.2.7", "client-ip");
    }

    #[test]
    fn the_list_round_trips() {
        for text in [DEFAULT, "path, path-segment:3 ,cookie:SID,client-ip", "query:a b", "header:a,path"] {
            let sources: KeySources = text.parse().unwrap();
            assert_eq!(sources.to_string().parse(), Ok(sources));
        }
    }

    #[test]
    fn invalid_lists_are_refused_with_a_reason() {
        let error = |text: &str| text.parse::<KeySources>().unwrap_err().to_string();
        for text in ["", "heder:x", "path,", "path:1", "header", "Random"] {
            assert!(error(text).contains("header:NAME, query:NAME, path, path-segment:N"), "{text:?}");
        }
        assert_eq!(error("header:a b"), "'header:a b' needs the name of a header after the colon");
        assert_eq!(error("query:"), "'query:' needs the name of a query parameter after the colon");
        assert_eq!(error("cookie:a=b"), "'cookie:a=b' needs the name of a cookie after the colon");
        for text in ["path-segment:0", "path-segment:x", "path-segment:-1"] {
            assert!(error(text).contains("from 1"), "{text:?}");
        }
        assert_eq!(error("random,path"), "'random' must be the last source");
    }
}
