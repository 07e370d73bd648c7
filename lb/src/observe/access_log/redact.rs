//! Hides keys in the lines of the access log (`--log-key`).
//!
//! Every source of `--key` is redacted, whether or not it was the source of this request's key: the path, its segments,
//! query parameters (also in `Referer`), the client's address, X-Request-Id unless the balancer generated it, `Referer`
//! and `User-Agent`. Cookies and other fields are never logged.

use std::borrow::Cow;
use std::net::IpAddr;

use actix_http::header::{self, HeaderName, HeaderValue};

use crate::proxy::key::{KeySources, Source, decoded};
use crate::proxy::redaction::{KeyRedactor, LogKey};
use crate::proxy::router::ClientRequest;

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A possible source of the client's address.
static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Redacts the values of a log line.
#[derive(Debug)]
pub(crate) struct Redactor {
    keys: KeySources,
    form: KeyRedactor,
}

impl Redactor {
    /// A redactor that shows the sources `keys` (`--key`) in the form `form` (`--log-key`).
    pub fn new(keys: KeySources, form: KeyRedactor) -> Self {
        Self { keys, form }
    }

    /// Redacts the client's address.
    pub fn client(&self, ip: IpAddr) -> String {
        let text = ip.to_string();
        let named = |source: &Source| match source {
            Source::ClientIp => true,
            Source::Header(name) => *name == X_FORWARDED_FOR,
            _ => false,
        };
        if self.hides(named) { self.shown(text.as_bytes()) } else { text }
    }

    /// Redacts the value of a header field.
    pub fn field<'a>(&self, name: &HeaderName, value: &'a HeaderValue) -> Cow<'a, [u8]> {
        if self.hides(|source| matches!(source, Source::Header(key) if key == name)) {
            return Cow::Owned(self.shown(value.as_bytes()).into_bytes());
        }
        Cow::Borrowed(value.as_bytes())
    }

    /// Redacts X-Request-Id, unless the balancer generated it; `None` if the request has none.
    pub fn id<'a>(&self, request: &'a ClientRequest) -> Option<Cow<'a, [u8]>> {
        let id = request.id.as_ref()?;
        Some(if request.id_is_generated {
            Cow::Borrowed(id.as_bytes())
        } else {
            self.field(&X_REQUEST_ID, id)
        })
    }

    /// Redacts a `Referer`: the field itself if it is a source, else the sources in its URL.
    pub fn referer<'a>(&self, value: &'a HeaderValue) -> Cow<'a, [u8]> {
        match self.field(&header::REFERER, value) {
            Cow::Borrowed(value) => self.url(value),
            hidden => hidden,
        }
    }

    /// Redacts the path and the query of a URL as if it were a URL of this site.
    fn url<'a>(&self, value: &'a [u8]) -> Cow<'a, [u8]> {
        if !self.hides_in_targets() {
            return Cow::Borrowed(value);
        }
        // A value that is not UTF-8 is not a URL, and may contain the key anywhere: it is redacted as a whole.
        let Ok(text) = std::str::from_utf8(value) else { return Cow::Owned(self.shown(value).into_bytes()) };
        let authority = text.find("://").map_or(0, |scheme| scheme + 3);
        let target = text[authority..].find(['/', '?']).map_or(text.len(), |path| authority + path);
        let redacted = self.target(&text[target..]);
        Cow::Owned([&text.as_bytes()[..target], redacted.as_bytes()].concat())
    }

    /// Redacts a request target in origin form.
    pub fn target<'a>(&self, target: &'a str) -> Cow<'a, str> {
        if !self.hides_in_targets() {
            return Cow::Borrowed(target);
        }
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let mut text = self.path(path);
        if let Some(query) = query {
            text.push('?');
            let pairs: Vec<_> = query.split('&').map(|pair| self.pair(pair)).collect();
            text.push_str(&pairs.join("&"));
        }
        Cow::Owned(text)
    }

    fn path(&self, path: &str) -> String {
        if self.hides(|source| *source == Source::Path) {
            return format!("/{}", self.shown(path.as_bytes()));
        }
        let segment = |(at, segment): (usize, &str)| {
            let hidden = |source: &Source| matches!(source, Source::PathSegment(n) if n.get() == at);
            if segment.is_empty() || !self.hides(hidden) {
                segment.to_owned()
            } else {
                self.shown(segment.as_bytes())
            }
        };
        path.split('/').enumerate().map(segment).collect::<Vec<_>>().join("/")
    }

    fn pair<'a>(&self, pair: &'a str) -> Cow<'a, str> {
        let Some((name, value)) = pair.split_once('=') else { return Cow::Borrowed(pair) };
        let hidden =
            |source: &Source| matches!(source, Source::Query(key) if *decoded(name) == *key.as_bytes());
        if value.is_empty() || !self.hides(hidden) {
            return Cow::Borrowed(pair);
        }
        Cow::Owned(format!("{name}={}", self.shown(&decoded(value))))
    }

    fn hides_in_targets(&self) -> bool {
        self.hides(|source| matches!(source, Source::Path | Source::PathSegment(_) | Source::Query(_)))
    }

    fn hides(&self, place: impl Fn(&Source) -> bool) -> bool {
        self.form.form() != LogKey::Plain && self.keys.iter().any(place)
    }

    fn shown(&self, key: &[u8]) -> String {
        self.form.show(key).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(keys: &str, form: LogKey) -> Redactor {
        Redactor::new(keys.parse().unwrap(), KeyRedactor::new(form))
    }

    #[track_caller]
    fn assert_target(keys: &str, target: &str, redacted: &str) {
        assert_eq!(redactor(keys, LogKey::Off).target(target), redacted, "{keys}");
        assert_eq!(redactor(keys, LogKey::Plain).target(target), target, "{keys}");
    }

    #[test]
    fn every_source_in_the_target_is_hidden() {
        assert_target("query:id,random", "/a?x=1&id=7&i%64=8&id=&id", "/a?x=1&id=-&i%64=-&id=&id");
        assert_target("header:a,query:id", "/a?id=7", "/a?id=-");
        assert_target("query:user id", "/?user+id=1", "/?user+id=-");
        assert_target("path", "/a/b?x=1", "/-?x=1");
        assert_target("path-segment:2,path-segment:3", "/a/b//c", "/a/-//c");
        assert_target("header:a,cookie:b,client-ip,random", "/a?id=7", "/a?id=7");
        assert_target("path-segment:1", "*", "*");
    }

    #[test]
    fn the_hash_in_the_target_is_the_hash_of_the_decoded_key() {
        let redactor = redactor("query:id", LogKey::Hash);
        let key = redactor.form.show(b"a b").to_string();
        assert_eq!(redactor.target("/?id=a+b"), format!("/?id={key}"));
        assert_eq!(redactor.target("/?id=%61%20b"), format!("/?id={key}"));
    }

    #[test]
    fn fields_addresses_and_referers_are_redacted() {
        let redactor = redactor("header:user-agent,client-ip,query:id", LogKey::Off);
        let value = HeaderValue::from_static("me");
        let field = |name: &'static str| redactor.field(&HeaderName::from_static(name), &value).into_owned();
        assert_eq!((field("user-agent"), field("referer")), (b"-".to_vec(), b"me".to_vec()));
        let ip = "192.0.2.7".parse().unwrap();
        assert_eq!(redactor.client(ip), "-");
        assert_eq!(self::redactor("header:X-Forwarded-For", LogKey::Off).client(ip), "-");
        assert_eq!(self::redactor("header:x-other", LogKey::Off).client(ip), "192.0.2.7");
        for (url, redacted) in [
            ("http://h/a?id=7&b=1", "http://h/a?id=-&b=1"),
            ("http://h?id=7", "http://h?id=-"),
            ("/a?id=7", "/a?id=-"),
            ("http://h", "http://h"),
            ("", ""),
        ] {
            assert_eq!(redactor.url(url.as_bytes()), redacted.as_bytes());
        }
        assert_eq!(redactor.url(b"/\xff?id=7"), &b"-"[..]);
    }
}
