//! Detects cross-site requests of a browser by the fields that browsers set and other programs do not.

use actix_http::header::{self, HeaderMap};

/// Whether `Sec-Fetch-Site` marks the request as cross-site. `None` without the field: the request comes from a
/// program, or from a browser over a connection that is neither https nor loopback.
pub fn is_cross_site(headers: &HeaderMap) -> Option<bool> {
    let site = headers.get("sec-fetch-site")?;
    Some(!matches!(site.as_bytes(), b"same-origin" | b"none"))
}

/// Whether the request is cross-site by `Sec-Fetch-Site`, or without it by an `Origin` that differs from `Host`.
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
    fn sec_fetch_site_takes_precedence_over_origin() {
        let (host, own, other) =
            (("host", "lb:1"), ("origin", "http://LB:1"), ("origin", "http://evil.example"));
        for same_site in [&[][..], &[host], &[host, own], &[("sec-fetch-site", "none")]] {
            assert!(!foreign(same_site), "{same_site:?}");
        }
        assert!(!foreign(&[host, other, ("sec-fetch-site", "same-origin")]), "a proxy may rewrite Host");
        for cross_site in [
            &[host, other][..],
            &[host, ("origin", "null")],
            &[host, ("origin", "http://lb:2")],
            &[host, ("origin", "lb:1")],
            &[own],
            &[host, own, ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "")],
        ] {
            assert!(foreign(cross_site), "{cross_site:?}");
        }
    }
}
