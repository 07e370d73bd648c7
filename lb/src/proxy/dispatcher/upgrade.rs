//! Offers of another protocol in `Upgrade` (RFC 9110 §7.8): filters those that are forwarded to a replica.

use std::sync::Arc;

use crate::http1::field_line::is_token_byte;
use crate::http1::fields::Fields;
use crate::http1::known::Known;

/// Protocols that are never forwarded: with `h2c` (also its drafts such as `h2c-14`) and `http` client and replica
/// would speak HTTP in a tunnel, past every rule, limit and log of the balancer; with `tls`, encrypted as well.
const NEVER: [&str; 4] = ["h2", "h2c", "http", "tls"];

/// Protocols whose offers are forwarded to replicas (`--upgrade-allow`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpgradeAllow {
    /// Every protocol except those that are never passed on (`NEVER`).
    Any,
    /// These names in lower case, none if empty. A name with a version (`irc/6.9`) allows that version only.
    Only(Arc<[String]>),
}

impl UpgradeAllow {
    /// Parses `any`, `off`, or a comma-separated list of protocol names.
    ///
    /// # Errors
    /// A message that follows the name of the flag, if a name is invalid or is never forwarded.
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
            name if is_never_forwarded(name.as_bytes()) => {
                Err(format!("'{name}' is never passed on: it would be HTTP past the balancer's rules"))
            }
            name => Ok(name),
        });
        Ok(Self::Only(names.collect::<Result<_, _>>()?))
    }

    /// Reduces `Upgrade` to the allowed offers, as one field; returns whether any is left. Invalid protocol names are
    /// removed.
    pub(crate) fn filter(&self, fields: &mut Fields) -> bool {
        let offers = fields.all(Known::Upgrade).flat_map(|field| field.split(|byte| *byte == b','));
        let allowed = offers.map(<[u8]>::trim_ascii).filter(|offer| self.allows(offer));
        let offers = allowed.collect::<Vec<_>>().join(&b", "[..]);
        fields.remove(Known::Upgrade);
        if !offers.is_empty() {
            fields.add(Known::Upgrade, &offers);
        }
        !offers.is_empty()
    }

    fn allows(&self, offer: &[u8]) -> bool {
        let Some(name) = protocol_name(offer) else { return false };
        let is_listed = |listed: &String| {
            let listed = listed.as_bytes();
            listed.eq_ignore_ascii_case(offer) || listed.eq_ignore_ascii_case(name)
        };
        !is_never_forwarded(offer)
            && match self {
                Self::Any => true,
                Self::Only(names) => names.iter().any(is_listed),
            }
    }
}

/// The name in `protocol-name ["/" protocol-version]`; `None` if a part is not a token.
fn protocol_name(protocol: &[u8]) -> Option<&[u8]> {
    let is_token = |part: &&[u8]| !part.is_empty() && part.iter().copied().all(is_token_byte);
    let mut parts = protocol.splitn(2, |byte| *byte == b'/');
    let name = parts.next().filter(is_token)?;
    parts.next().is_none_or(|version| is_token(&version)).then_some(name)
}

/// Whether the name is one of [`NEVER`], alone or followed by a version after `/` or by a draft's number after `-`.
fn is_never_forwarded(protocol: &[u8]) -> bool {
    NEVER.iter().any(|name| {
        let (start, rest) = protocol.split_at(name.len().min(protocol.len()));
        start.eq_ignore_ascii_case(name.as_bytes()) && matches!(rest.first(), None | Some(b'/' | b'-'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The offers that are left of these fields, as one value.
    fn forwarded(allow: &str, fields: &[&str]) -> Option<String> {
        let given: Vec<_> = fields.iter().map(|field| ("upgrade", *field)).collect();
        let mut fields = Fields::from(&given[..]);
        let kept = UpgradeAllow::parse(allow).unwrap().filter(&mut fields);
        let left: Vec<_> = fields.all(Known::Upgrade).collect();
        assert_eq!(left.len(), usize::from(kept));
        left.first().map(|offers| String::from_utf8(offers.to_vec()).unwrap())
    }

    #[test]
    fn http_and_tls_are_never_forwarded() {
        for never in ["h2c", "H2C", "h2c-14", "h2", "HTTP/2.0", "http", "TLS/1.0", "tls/1.3", "TLS", "h2c/1"]
        {
            assert_eq!(forwarded("any", &[never]), None, "{never}");
            assert!(UpgradeAllow::parse(never).unwrap_err().contains("never passed on"), "{never}");
        }
        for other in ["websocket", "h2cx", "tlsx", "httpx/1", "IRC/6.9", "tcp", "SPDY/3.1"] {
            assert_eq!(forwarded("any", &[other]).as_deref(), Some(other));
        }
    }

    #[test]
    fn remaining_offers_form_one_field() {
        assert_eq!(forwarded("any", &["websocket, h2c"]).as_deref(), Some("websocket"));
        assert_eq!(forwarded("any", &["h2c", "a/1 ,, TLS/1.2,b"]).as_deref(), Some("a/1, b"));
        assert_eq!(forwarded("any", &["", ","]), None);
        for none in ["web socket", "a/", "/1", "a/b/c", "\"h2c\"", "h2c;q=1", "a(b)"] {
            assert_eq!(forwarded("any", &[none]), None, "{none}");
        }
    }

    #[test]
    fn a_list_narrows_the_offers() {
        let list = "websocket, IRC/6.9";
        assert_eq!(forwarded(list, &["WebSocket", "irc/6.9"]).as_deref(), Some("WebSocket, irc/6.9"));
        assert_eq!(forwarded(list, &["websocket/13, irc/7, tcp"]).as_deref(), Some("websocket/13"));
        assert_eq!(forwarded("off", &["websocket"]), None);
        for bad in ["", ",", "a,", "a b", "any,websocket", "off,a", "a/"] {
            assert!(UpgradeAllow::parse(bad).unwrap_err().starts_with("must be"), "{bad:?}");
        }
    }
}
