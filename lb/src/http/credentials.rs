//! What a request shows: the admin token as a bearer token (RFC 6750), asked of the gate.

use std::net::IpAddr;

use actix::Addr;
use actix_http::header::{AUTHORIZATION, HeaderMap};

use crate::actors::gate::{GateActor, Show, Verdict};
use crate::fleet::Refusal;

use super::error::Error;

/// The token of `Authorization: Bearer TOKEN`; none if the field is there twice.
pub fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut fields = headers.get_all(AUTHORIZATION);
    let (Some(field), None) = (fields.next(), fields.next()) else { return None };
    let (scheme, token) = field.as_bytes().split_at_checked(b"bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Lets a token through, or says why not.
pub async fn show(gate: &Addr<GateActor>, from: IpAddr, token: &[u8]) -> Result<(), Error> {
    match gate.send(Show { from, token: token.to_owned() }).await {
        Ok(Verdict::Granted) => Ok(()),
        Ok(Verdict::Wrong) => Err(Error::WrongToken),
        Ok(Verdict::Limited(left)) => Err(Error::TooManyWrongTokens(left)),
        Err(_) => Err(Refusal::Stopping.into()),
    }
}

#[cfg(test)]
mod tests {
    use actix_http::header::HeaderValue;

    use super::*;

    #[test]
    fn what_is_a_bearer_token() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            bearer(&headers).map(|token| String::from_utf8(token.to_vec()).unwrap())
        };
        assert_eq!(of(&["Bearer abc"]), Some("abc".into()));
        assert_eq!(of(&["bEARER  a b "]), Some("a b".into()));
        assert_eq!(of(&["Bearer "]), Some(String::new()));
        for none in [&[][..], &["Bearer"], &["abc"], &["Basic YTpi"], &["Bearer a", "Bearer b"]] {
            assert_eq!(of(none), None, "{none:?}");
        }
    }
}
