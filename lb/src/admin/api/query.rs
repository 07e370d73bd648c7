//! Typed query parameters. A parameter that is present must not be empty.

use std::borrow::Cow;

use crate::number::count;
use crate::proxy::key;

use crate::proxy::error::{RequestError, bad};

/// Parses a whole number from `MIN` to `MAX`; `None` if the parameter is absent.
pub fn number<const MIN: u32, const MAX: u32>(
    query: &str,
    name: &str,
) -> Result<Option<usize>, RequestError> {
    let Some(text) = value(query, name) else { return Ok(None) };
    let number = count::<usize, MIN, MAX>(&String::from_utf8_lossy(&text));
    number.map(Some).map_err(|error| bad(format!("'{name}' {error}")))
}

/// Parses `1`, `true`, `0` or `false`; false if the parameter is absent.
pub fn flag(query: &str, name: &str) -> Result<bool, RequestError> {
    match value(query, name).as_deref() {
        None | Some(b"0" | b"false") => Ok(false),
        Some(b"1" | b"true") => Ok(true),
        Some(_) => Err(bad(format!("'{name}' must be 1 or 0"))),
    }
}

/// The first value that is not empty, as for keys; the empty string if all are empty; `None` if the parameter is
/// absent.
fn value<'a>(query: &'a str, name: &str) -> Option<Cow<'a, [u8]>> {
    let empty = |pair: &str| pair.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest == "=");
    key::query(query, name.as_bytes())
        .or_else(|| query.split('&').any(empty).then_some(Cow::Borrowed(b"".as_slice())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let of = |query: &str| number::<1, 256>(query, "limit").map_err(|error| error.to_string());
        for (query, expected) in
            [("", None), ("limited=x", None), ("limit=1", Some(1)), ("a&limit=256", Some(256))]
        {
            assert_eq!(of(query), Ok(expected), "{query}");
        }
        for query in [
            "limit=0",
            "limit=",
            "limit",
            "limit=257",
            "limit=-1",
            "limit=x",
            "limit=1.5",
            "limit=99999999999",
            "limit=%ff",
        ] {
            assert_eq!(of(query), Err("'limit' must be a whole number from 1 to 256".into()), "{query}");
        }
    }

    #[test]
    fn flags() {
        let of = |query: &str| flag(query, "follow").map_err(|error| error.to_string());
        for (query, expected) in [("", false), ("follow=0", false), ("follow=1", true), ("follow=true", true)]
        {
            assert_eq!(of(query), Ok(expected), "{query}");
        }
        assert_eq!(of("follow="), Err("'follow' must be 1 or 0".into()));
        assert_eq!(of("follow=yes"), Err("'follow' must be 1 or 0".into()));
    }
}
