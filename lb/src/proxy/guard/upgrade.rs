//! Offers to go on in another protocol (RFC 9110 §7.8): which of them are passed on to a replica.

use std::sync::Arc;

use actix_http::header::{HeaderMap, HeaderValue, UPGRADE};

/// Protocols that are never passed on. The replica would speak HTTP with the client in a tunnel, past every rule, limit
/// and log of the balancer (`h2c`, also its drafts such as `h2c-14`, and HTTP by its own name), or speak it encrypted.
const NEVER: [&str; 4] = ["h2", "h2c", "http", "tls"];

/// The protocols that a client may offer (`--upgrade-allow`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpgradeAllow {
    /// All but [`NEVER`].
    Any,
    /// These names, in lower case; may be empty. A name with a version (`irc/6.9`) allows that version only.
    Only(Arc<[String]>),
}

impl UpgradeAllow {
    /// `any`, `off`, or a comma-separated list of protocol names.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "any" => return Ok(Self::Any),
            "off" => return Ok(Self::Only(Arc::default())),
            _ => {}
        }
        let names = text.split(',').map(|name| match name.trim().to_ascii_lowercase() {
            name if protocol_name(name.as_bytes()).is_none() || name == "any" || name == "off" => {
                Err("must be protocol names such as websocket,irc/6.9, or 'any', or 'off'".to_owned())
            }
            name if is_never_passed_on(name.as_bytes()) => {
                Err(format!("'{name}' is never passed on: it would be HTTP past the balancer's rules"))
            }
            name => Ok(name),
        });
        Ok(Self::Only(names.collect::<Result<_, _>>()?))
    }

    /// Leaves only the offers that are passed on, as one field; whether there is any. What is no protocol name is no
    /// offer.
    pub(crate) fn filter(&self, headers: &mut HeaderMap) -> bool {
        let fields: Vec<_> = headers.remove(UPGRADE).collect();
        let offers = fields.iter().flat_map(|field| field.as_bytes().split(|byte| *byte == b','));
        let passed_on = offers.map(<[u8]>::trim_ascii).filter(|offer| self.allows(offer));
        let offers = passed_on.collect::<Vec<_>>().join(&b", "[..]);
        // Protocol names are visible ASCII.
        let Ok(value) = HeaderValue::from_bytes(&offers) else { return false };
        if offers.is_empty() {
            return false;
        }
        headers.insert(UPGRADE, value);
        true
    }

    fn allows(&self, offer: &[u8]) -> bool {
        let Some(name) = protocol_name(offer) else { return false };
        let is_listed = |listed: &String| {
            let listed = listed.as_bytes();
            listed.eq_ignore_ascii_case(offer) || listed.eq_ignore_ascii_case(name)
        };
        !is_never_passed_on(offer)
            && match self {
                Self::Any => true,
                Self::Only(names) => names.iter().any(is_listed),
            }
    }
}

/// The name in `protocol-name ["/" protocol-version]`; `None` if these are no tokens.
fn protocol_name(protocol: &[u8]) -> Option<&[u8]> {
    let is_token = |part: &&[u8]| {
        let is_tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        !part.is_empty() && part.iter().all(is_tchar)
    };
    let mut parts = protocol.splitn(2, |byte| *byte == b'/');
    let name = parts.next().filter(is_token)?;
    parts.next().is_none_or(|version| is_token(&version)).then_some(name)
}

/// Whether the name is one of [`NEVER`], alone or followed by a version after `/` or by a draft's number after `-`.
fn is_never_passed_on(protocol: &[u8]) -> bool {
    NEVER.iter().any(|name| {
        let (start, rest) = protocol.split_at(name.len().min(protocol.len()));
        start.eq_ignore_ascii_case(name.as_bytes()) && matches!(rest.first(), None | Some(b'/' | b'-'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is passed on of these fields.
    fn passed_on(allow: &str, fields: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(UPGRADE, HeaderValue::from_str(field).unwrap());
        }
        let any = UpgradeAllow::parse(allow).unwrap().filter(&mut headers);
        let mut left = headers.get_all(UPGRADE).map(|value| value.to_str().unwrap().to_owned());
        let (first, second) = (left.next(), left.next());
        assert_eq!((any, second), (first.is_some(), None));
        first
    }

    #[test]
    fn http_and_tls_are_never_passed_on() {
        for never in ["h2c", "H2C", "h2c-14", "h2", "HTTP/2.0", "http", "TLS/1.0", "tls/1.3", "TLS", "h2c/1"]
        {
            assert_eq!(passed_on("any", &[never]), None, "{never}");
            assert!(UpgradeAllow::parse(never).unwrap_err().contains("never passed on"), "{never}");
        }
        for other in ["websocket", "h2cx", "tlsx", "httpx/1", "IRC/6.9", "tcp", "SPDY/3.1"] {
            assert_eq!(passed_on("any", &[other]).as_deref(), Some(other));
        }
    }

    #[test]
    fn what_is_left_is_one_field() {
        assert_eq!(passed_on("any", &["websocket, h2c"]).as_deref(), Some("websocket"));
        assert_eq!(passed_on("any", &["h2c", "a/1 ,, TLS/1.2,b"]).as_deref(), Some("a/1, b"));
        assert_eq!(passed_on("any", &["", ","]), None);
        for none in ["web socket", "a/", "/1", "a/b/c", "\"h2c\"", "h2c;q=1", "a(b)"] {
            assert_eq!(passed_on("any", &[none]), None, "{none}");
        }
    }

    #[test]
    fn a_list_narrows_the_offers() {
        let list = "websocket, IRC/6.9";
        assert_eq!(passed_on(list, &["WebSocket", "irc/6.9"]).as_deref(), Some("WebSocket, irc/6.9"));
        assert_eq!(passed_on(list, &["websocket/13, irc/7, tcp"]).as_deref(), Some("websocket/13"));
        assert_eq!(passed_on("off", &["websocket"]), None);
        for bad in ["", ",", "a,", "a b", "any,websocket", "off,a", "a/"] {
            assert!(UpgradeAllow::parse(bad).unwrap_err().starts_with("must be"), "{bad:?}");
        }
    }
}
