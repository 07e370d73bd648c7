//! Whether a browser asks on behalf of a page of another site: what it says of that itself, and programs never do.

use actix_http::header::{self, HeaderMap};

/// What `Sec-Fetch-Site` says; `None` without one: from a program, or over a connection that the browser does not trust
/// (neither https nor loopback).
pub fn is_cross_site(headers: &HeaderMap) -> Option<bool> {
    let site = headers.get("sec-fetch-site")?;
    Some(!matches!(site.as_bytes(), b"same-origin" | b"none"))
}

/// The same, by `Origin` where nothing else says it.
pub fn is_foreign(headers: &HeaderMap) -> bool {
    is_cross_site(headers).unwrap_or_else(|| {
        let Some(origin) = headers.get(header::ORIGIN) else { return false };
        let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        !authority.zip(host).is_some_and(|((_, authority), host)| authority.eq_ignore_ascii_case(host))
    })
}

#[cfg(test)]
mod tests {
    use actix_http::header::{HeaderName, HeaderValue};

    use super::*;

    fn foreign(fields: &[(&'static str, &'static str)]) -> bool {
        let field = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        is_foreign(&fields.iter().copied().map(field).collect())
    }

    #[test]
    fn what_the_browser_says_counts_before_the_names() {
        let (host, own, other) =
            (("host", "lb:1"), ("origin", "http://LB:1"), ("origin", "http://evil.example"));
        for ours in [&[][..], &[host], &[host, own], &[("sec-fetch-site", "none")]] {
            assert!(!foreign(ours), "{ours:?}");
        }
        assert!(
            !foreign(&[host, other, ("sec-fetch-site", "same-origin")]),
            "behind a proxy with a name of its own"
        );
        for theirs in [
            &[host, other][..],
            &[host, ("origin", "null")],
            &[host, ("origin", "http://lb:2")],
            &[host, ("origin", "lb:1")],
            &[own],
            &[host, own, ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "")],
        ] {
            assert!(foreign(theirs), "{theirs:?}");
        }
    }
}
