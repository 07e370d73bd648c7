//! JSON bodies: reads those of requests into typed values, and writes those of responses. Errors name the invalid member
//! and the allowed values.

use std::fmt;

use actix_http::header::{self, HeaderValue};
use actix_http::{Payload, Response, StatusCode};
use futures::StreamExt;
use serde::de::{self, DeserializeOwned, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use tokio::time::timeout;

use crate::ring::{SeatId, Weight};
use crate::text::shortened;

use super::body::Body;
use super::control_api::Limits;
use super::error::{RequestError, bad};

/// Number of characters of a body that an error repeats at most.
const MAX_ECHO: usize = 300;

/// A type that is read from a JSON object.
pub trait Shape: DeserializeOwned {
    /// A valid example of the object, for error messages.
    const LIKE: &'static str;
}

/// Reads a whole request body and parses it.
///
/// # Errors
/// [`RequestError::TooLarge`], [`RequestError::TooSlow`], or [`RequestError::Invalid`] if the body breaks off or does not parse as `T`.
pub async fn read<T: Shape>(body: Payload, Limits { size, time }: Limits) -> Result<T, RequestError> {
    parse(&timeout(time, read_up_to(body, size)).await.map_err(|_| RequestError::TooSlow(time))??)
}

/// A response with a JSON body.
pub(super) fn response(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    let mut response = Response::with_body(status, Body::Own(value.to_string().into()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

async fn read_up_to(mut body: Payload, limit: usize) -> Result<Vec<u8>, RequestError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| bad(format!("The body broke off: {error}")))?;
        if bytes.len() + chunk.len() > limit {
            return Err(RequestError::TooLarge(limit));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

pub(crate) fn parse<T: Shape>(body: &[u8]) -> Result<T, RequestError> {
    // serde would also read a struct from a JSON array.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(bad(format!("The body is not a JSON object like {}", T::LIKE)));
    }
    let text = std::str::from_utf8(body).map_err(|error| not_json(&error))?;
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| data_error::<T>(&error))?;
    json.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

fn not_json(why: &dyn fmt::Display) -> RequestError {
    bad(format!("The body is not JSON: {why}"))
}

fn data_error<T: Shape>(error: &serde_path_to_error::Error<serde_json::Error>) -> RequestError {
    let (path, error) = (error.path().to_string(), error.inner());
    if !error.is_data() {
        return not_json(error);
    }
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&place).unwrap_or(&text);
    let echo = |text| shortened(text, MAX_ECHO);
    bad(match (path.as_str(), text.rsplit_once(", expected ")) {
        (".", _) => format!("The body is not like {}: {}", T::LIKE, echo(text)),
        (member, Some((_, expected))) => format!("'{}' is not {}", echo(member), echo(expected)),
        (member, None) => format!("'{}': {}", echo(member), echo(text)),
    })
}

/// Reads an integer and converts it by `of`; if that returns `None`, the error names `allowed`.
fn integer<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    allowed: &'static str,
    of: fn(u64) -> Option<T>,
) -> Result<T, D::Error> {
    deserializer.deserialize_u64(Integer { allowed, of })
}

struct Integer<T> {
    allowed: &'static str,
    of: fn(u64) -> Option<T>,
}

impl<T> Visitor<'_> for Integer<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.allowed)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        (self.of)(number).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }
}

/// A number of replicas, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub usize);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let count = |n| usize::try_from(n).ok().filter(|n| *n >= 1).map(Self);
        integer(deserializer, "an integer of 1 or more", count)
    }
}

impl<'de> Deserialize<'de> for SeatId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seat = |n| u32::try_from(n).ok().and_then(Self::new);
        integer(deserializer, "a seat's number", seat)
    }
}

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let weight = |n| u32::try_from(n).ok().and_then(Self::new);
        integer(deserializer, "an integer from 1 to 1000", weight)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        n: Count,
        list: Option<Vec<String>>,
        weights: Option<BTreeMap<String, Weight>>,
        yes: Option<bool>,
    }

    impl Shape for Body {
        const LIKE: &'static str = r#"{"n":1}"#;
    }

    fn error(body: &str) -> String {
        parse::<Body>(body.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn null_counts_as_absent_for_optional_members() {
        let one = Body { n: Count(1), list: None, weights: None, yes: None };
        for body in [r#"{"n":1}"#, " {\"n\":1,\"list\":null,\n\"yes\":null}\r\n"] {
            assert_eq!(parse::<Body>(body.as_bytes()).unwrap(), one);
        }
    }

    #[test]
    fn errors_name_the_wrong_member() {
        for (body, words) in [
            (r#"{"n":0}"#, "'n' is not an integer of 1 or more"),
            (r#"{"n":-1}"#, "'n' is not an integer of 1 or more"),
            (r#"{"n":1.5}"#, "'n' is not an integer of 1 or more"),
            (r#"{"n":"1"}"#, "'n' is not an integer of 1 or more"),
            (r#"{"n":null}"#, "'n' is not an integer of 1 or more"),
            (r#"{"n":99999999999999999999}"#, "'n' is not an integer of 1 or more"),
            (r#"{"n":1,"list":"a"}"#, "'list' is not a sequence"),
            (r#"{"n":1,"list":["a",1]}"#, "'list[1]' is not a string"),
            (r#"{"n":1,"weights":{"7":1001}}"#, "'weights.7' is not an integer from 1 to 1000"),
            (r#"{"n":1,"yes":"yes"}"#, "'yes' is not a boolean"),
            (r#"{"n":1,"N":2}"#, "'N' is not one of `n`, `list`, `weights`, `yes`"),
            ("{}", r#"The body is not like {"n":1}: missing field `n`"#),
            (r#"{"n":1,"n":2}"#, r#"The body is not like {"n":1}: duplicate field `n`"#),
        ] {
            assert_eq!(error(body), words, "{body}");
        }
    }

    #[test]
    fn bodies_other_than_one_json_object_are_refused() {
        for body in ["", " ", "[1]", "1", "null", "n=1", "\u{feff}{}"] {
            assert_eq!(error(body), r#"The body is not a JSON object like {"n":1}"#, "{body}");
        }
        for body in ["{", r#"{"n":1} x"#, r#"{"n":1}{"n":1}"#, "{n:1}", r#"{"n":01}"#] {
            assert!(error(body).starts_with("The body is not JSON: "), "{}", error(body));
        }
        let latin = parse::<Body>(b"{\"n\":1,\"list\":[\"\xe4\"]}").unwrap_err().to_string();
        assert!(latin.starts_with("The body is not JSON: invalid utf-8"), "{latin}");
    }

    #[test]
    fn errors_repeat_little_of_the_body() {
        let long = "x".repeat(60_000);
        for body in [format!(r#"{{"n":"{long}"}}"#), format!(r#"{{"n":1,"{long}":1}}"#)] {
            assert!(error(&body).len() < 1000, "{}", error(&body));
        }
    }
}
