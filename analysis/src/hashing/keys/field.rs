//! Position of the key in a line.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use lb::http1::fields::Fields;
use lb::proxy::key::{KeySources, Parts, Source};

use super::columns::Columns;

/// The part of a line that is its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// The whole line.
    Line,
    /// `N`: a column, counted from 1; quoted and bracketed parts are one column each.
    Column(NonZeroUsize),
    /// `query:NAME`, `path-segment:N`: part of the request target in a log line, as in `lb --key`.
    Request(KeySources),
    /// `NAME` or `a.b.NAME`: a member of a line that is a JSON object; the text of a string, or a number or boolean as
    /// it is written.
    Member(String),
}

/// The text is not a [`Field`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a field: expected the number of a column from 1, query:NAME, path-segment:N, or a JSON member"
)]
pub struct InvalidField(String);

impl Field {
    /// The key of a line; `None` if it has none or an empty one.
    pub fn key<'a>(&self, line: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let key = match self {
            Self::Line => Some(Cow::Borrowed(line)),
            Self::Column(n) => Columns::of(line).nth(n.get() - 1).map(Cow::Borrowed),
            Self::Request(sources) => key_of_target(target(line)?, sources).map(Cow::Owned),
            Self::Member(path) => member(line, path).map(Cow::Owned),
        };
        key.filter(|key| !key.is_empty())
    }
}

impl FromStr for Field {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, InvalidField> {
        if let Ok(n) = text.parse() {
            return Ok(Self::Column(n));
        }
        match text.split_once(':') {
            Some(("query" | "path-segment", _)) => {
                text.parse().map(Self::Request).map_err(|_| InvalidField(text.into()))
            }
            // "0" and "-1" are taken as invalid column numbers rather than names.
            _ if text.parse::<i64>().is_ok() || text.split('.').any(str::is_empty) => {
                Err(InvalidField(text.into()))
            }
            _ => Ok(Self::Member(text.into())),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line => f.write_str("the whole line"),
            Self::Column(n) => write!(f, "column {n}"),
            Self::Request(sources) => write!(f, "{sources} of the request"),
            Self::Member(path) => write!(f, "JSON member '{path}'"),
        }
    }
}

/// The target of the first column that is a request line, or of a line that is a target itself.
fn target(line: &[u8]) -> Option<Cow<'_, str>> {
    let of_request = |column: &'_ [u8]| {
        let mut words = column.split(|byte| *byte == b' ');
        let (_method, target, version) = (words.next()?, words.next()?, words.next()?);
        (version.starts_with(b"HTTP/") && words.next().is_none()).then(|| target.to_vec())
    };
    let target =
        Columns::of(line).find_map(of_request).or_else(|| line.starts_with(b"/").then(|| line.to_vec()));
    target.map(|target| String::from_utf8_lossy(&target).into_owned().into())
}

fn key_of_target(target: Cow<'_, str>, sources: &KeySources) -> Option<Vec<u8>> {
    // Requests to a proxy have the absolute form (RFC 9112, section 3.2.2).
    let target = match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').map_or("/", |slash| &rest[slash..]),
        _ => &target,
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parts = Parts { path, query, fields: &Fields::default(), client: None };
    let key = sources.key(&parts, &mut fastrand::Rng::with_seed(0));
    // Requests without a key get a random one from the balancer; there is nothing to count.
    (*key.source != Source::Random).then(|| key.bytes.into_owned())
}

fn member(line: &[u8], path: &str) -> Option<Vec<u8>> {
    let object: serde_json::Value = serde_json::from_slice(line).ok()?;
    match path.split('.').try_fold(&object, |object, name| object.get(name))? {
        serde_json::Value::String(text) => Some(text.as_bytes().to_vec()),
        value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => {
            Some(value.to_string().into_bytes())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"192.0.2.7 - - [10/Oct/2000:13:55:36 -0700] "GET /a/b?x=1&id=caf%C3%A9+1 HTTP/1.1" 200 5 "-" "curl""#;

    fn key(field: &str, line: &str) -> Option<String> {
        let field: Field = field.parse().unwrap();
        field.key(line.as_bytes()).map(|key| String::from_utf8(key.into_owned()).unwrap())
    }

    #[test]
    fn each_kind_of_field_finds_its_key() {
        assert_eq!(Field::Line.key(b" a\xff b").as_deref(), Some(&b" a\xff b"[..]));
        assert_eq!(key("1", LOG).as_deref(), Some("192.0.2.7"));
        assert_eq!(key("5", LOG).as_deref(), Some("GET /a/b?x=1&id=caf%C3%A9+1 HTTP/1.1"));
        assert_eq!(key("query:id", LOG).as_deref(), Some("café 1"));
        assert_eq!(key("path-segment:2", LOG).as_deref(), Some("b"));
        assert_eq!(key("query:id", "/home?id=7").as_deref(), Some("7"));
        assert_eq!(key("query:id", r#""GET http://a/b?id=7 HTTP/1.1""#).as_deref(), Some("7"));
        assert_eq!(key("query:id", r#""GET /b?next=http://a/&id=7 HTTP/1.1""#).as_deref(), Some("7"));
        let json = r#"{"user":{"id":42,"name":"é","ok":true},"none":null}"#;
        assert_eq!(key("user.id", json).as_deref(), Some("42"));
        assert_eq!(key("user.name", json).as_deref(), Some("é"));
        assert_eq!(key("user.ok", json).as_deref(), Some("true"));
    }

    #[test]
    fn a_line_may_have_no_key() {
        for (field, line) in [
            ("10", LOG),
            ("1", r#""" a"#),
            ("query:absent", LOG),
            ("query:id", "GET /home?id=7"),
            ("user", LOG),
            ("none", r#"{"none":null}"#),
            ("none", r#"{"none":""}"#),
            ("user", r#"{"user":{"id":1}}"#),
        ] {
            assert_eq!(key(field, line), None, "{field} of {line}");
        }
        assert_eq!(Field::Line.key(b""), None);
    }

    #[test]
    fn invalid_fields_are_rejected() {
        for bad in ["", "0", "-1", "query:", "path-segment:0", "a..b", "."] {
            assert_eq!(bad.parse::<Field>(), Err(InvalidField(bad.into())));
        }
        assert_eq!("5".parse::<Field>().unwrap().to_string(), "column 5");
        assert_eq!("query:id".parse::<Field>().unwrap().to_string(), "query:id of the request");
        assert_eq!("a.b".parse::<Field>().unwrap().to_string(), "JSON member 'a.b'");
    }
}
