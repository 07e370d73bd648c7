//! Credentials in requests: the admin token as a bearer token (RFC 6750), and the session cookie of a login.

use std::net::IpAddr;

use crate::auth::{AuthHandle, Verification};
use crate::fleet::CommandError;
use crate::http1::fields::{FieldValues, Fields};
use crate::http1::known::Known;

use super::error::RequestError;

/// Prefix of the names of session cookies.
const SESSION: &str = "lb-session";

/// The name of the session cookie for this request's `Host`. It contains the port, because a browser sends a host's
/// cookies to all of its ports, and another balancer may listen on one of them.
pub(crate) fn cookie(fields: &impl FieldValues) -> String {
    let host = fields.text("host").unwrap_or_default();
    match host.rsplit_once(':').map(|(_, port)| port.parse::<u16>()) {
        Some(Ok(port)) => format!("{SESSION}-{port}"),
        _ => SESSION.to_owned(),
    }
}

/// Removes session cookies from a request to a replica: browsers send them to the traffic listener too.
pub(crate) fn remove_session_cookies(fields: &mut Fields) {
    if !fields.all(Known::Cookie).any(|value| value.split(|byte| *byte == b';').any(is_session)) {
        return;
    }
    let values: Vec<Vec<u8>> = fields.all(Known::Cookie).map(<[u8]>::to_vec).collect();
    fields.remove(Known::Cookie);
    for value in values {
        let pairs = value.split(|byte| *byte == b';');
        let others = pairs.filter(|pair| !is_session(pair)).collect::<Vec<_>>().join(&b';');
        if !others.is_empty() {
            fields.add(Known::Cookie, others.trim_ascii_start());
        }
    }
}

/// Whether a pair of a `Cookie` field has a name that [`cookie`] can return.
fn is_session(pair: &[u8]) -> bool {
    let port = |name: &[u8]| {
        Some(name.strip_prefix(SESSION.as_bytes())?.iter().all(|byte| b"-0123456789".contains(byte)))
    };
    pair.split(|byte| *byte == b'=').next().and_then(|name| port(name.trim_ascii())).unwrap_or(false)
}

/// The token of `Authorization: Bearer TOKEN`; `None` if the field is absent, repeated, or of another scheme.
pub(crate) fn bearer(fields: &impl FieldValues) -> Option<&[u8]> {
    let mut values = fields.values("authorization");
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.split_at_checked(b"bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Verifies the admin token that the client at `from` sent.
///
/// # Errors
/// [`RequestError::WrongToken`]; [`RequestError::TooManyWrongTokens`] if the address is rate-limited; a refusal if the balancer is
/// stopping.
pub async fn verify_token(auth: &AuthHandle, from: IpAddr, token: &[u8]) -> Result<(), RequestError> {
    match auth.verify(from, token).await {
        Some(Verification::Granted) => Ok(()),
        Some(Verification::Wrong) => Err(RequestError::WrongToken),
        Some(Verification::Limited(left)) => Err(RequestError::TooManyWrongTokens(left)),
        None => Err(CommandError::Stopping.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_name_contains_the_port() {
        let name = |host| cookie(&Fields::from([("Host", host)]));
        assert_eq!(
            (name("localhost:5001"), name("[::1]:80")),
            ("lb-session-5001".into(), "lb-session-80".into())
        );
        for none in ["localhost", "[::1]", "", "h:x"] {
            assert_eq!(name(none), "lb-session", "{none}");
        }
    }

    #[test]
    fn session_cookies_are_removed_and_others_are_kept() {
        for (given, left) in [
            (&["a=1; lb-session-5001=x; b=2"][..], &["a=1; b=2"][..]),
            (&["lb-session=x", "a=1;b=\"lb-session\""], &["a=1;b=\"lb-session\""]),
            (&["lb-session=x;a=1"], &["a=1"]),
            (&["a=1 ;; b", "xlb-session=1; lb-sessions=2"], &["a=1 ;; b", "xlb-session=1; lb-sessions=2"]),
            (&["a=1 ;; b", "lb-session-80=2"], &["a=1 ;; b"]),
        ] {
            let given: Vec<_> = given.iter().map(|value| ("Cookie", *value)).collect();
            let mut fields = Fields::from(&given[..]);
            remove_session_cookies(&mut fields);
            let left: Vec<_> = left.iter().map(|value| value.as_bytes()).collect();
            assert_eq!(fields.all(Known::Cookie).collect::<Vec<_>>(), left);
        }
    }

    #[test]
    fn a_bearer_token_is_read_from_a_single_field() {
        let of = |values: &[&str]| {
            let values: Vec<_> = values.iter().map(|value| ("authorization", *value)).collect();
            bearer(&Fields::from(&values[..])).map(|token| String::from_utf8(token.to_vec()).unwrap())
        };
        assert_eq!(of(&["Bearer abc"]), Some("abc".into()));
        assert_eq!(of(&["bEARER  a b "]), Some("a b".into()));
        assert_eq!(of(&["Bearer "]), Some(String::new()));
        for none in [&[][..], &["Bearer"], &["abc"], &["Basic YTpi"], &["Bearer a", "Bearer b"]] {
            assert_eq!(of(none), None, "{none:?}");
        }
    }
}
