//! Detects cross-site requests of a browser by the fields that browsers set and other programs do not.

use crate::http1::fields::FieldValues;

/// Whether `Sec-Fetch-Site` marks the request as cross-site. `None` without the field: the request comes from a
/// program, or from a browser over a connection that is neither https nor loopback.
pub(crate) fn is_cross_site(fields: &impl FieldValues) -> Option<bool> {
    let site = fields.value("sec-fetch-site")?;
    Some(!matches!(site, b"same-origin" | b"none"))
}

/// Whether the request is cross-site by `Sec-Fetch-Site`, or without it by an `Origin` that differs from `Host`.
pub(crate) fn is_foreign(fields: &impl FieldValues) -> bool {
    is_cross_site(fields).unwrap_or_else(|| {
        if fields.value("origin").is_none() {
            return false;
        }
        let authority = fields.text("origin").and_then(|origin| origin.split_once("://"));
        let host = fields.text("host");
        !authority.zip(host).is_some_and(|((_, authority), host)| authority.eq_ignore_ascii_case(host))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::fields::Fields;

    fn foreign(fields: &[(&'static str, &'static str)]) -> bool {
        is_foreign(&Fields::from(fields))
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
