//! Request fields that the balancer writes or validates: which of them a client may send, and their look-alikes.
//!
//! CGI, WSGI and their successors hand fields over as variables and turn `-` into `_`: there `X_Forwarded_For` arrives
//! as `X-Forwarded-For`. A field whose name differs from a reserved one only by `_` for `-` is therefore removed
//! from every request. Names without `-` (Forwarded, Via, Host) have no such look-alike.

use crate::http1::fields::Fields;

/// A field that the balancer writes or validates.
struct Reserved {
    /// In lower case.
    name: &'static str,
    from: Accepted,
}

/// Senders from which a reserved field is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accepted {
    AnyPeer,
    TrustedProxies,
}

/// Every reserved field. The dispatcher rejects most look-alikes of Content-Length and Transfer-Encoding with 400 already.
const RESERVED: [Reserved; 21] = [
    Reserved::new("forwarded", Accepted::TrustedProxies),
    Reserved::new("front-end-https", Accepted::TrustedProxies),
    Reserved::new("x-forwarded-for", Accepted::TrustedProxies),
    Reserved::new("x-forwarded-host", Accepted::TrustedProxies),
    Reserved::new("x-forwarded-port", Accepted::TrustedProxies),
    Reserved::new("x-forwarded-prefix", Accepted::TrustedProxies),
    Reserved::new("x-forwarded-proto", Accepted::TrustedProxies),
    Reserved::new("x-forwarded-protocol", Accepted::TrustedProxies),
    Reserved::new("x-forwarded-scheme", Accepted::TrustedProxies),
    Reserved::new("x-forwarded-server", Accepted::TrustedProxies),
    Reserved::new("x-forwarded-ssl", Accepted::TrustedProxies),
    Reserved::new("x-real-ip", Accepted::TrustedProxies),
    Reserved::new("content-length", Accepted::AnyPeer),
    Reserved::new("http2-settings", Accepted::AnyPeer),
    Reserved::new("keep-alive", Accepted::AnyPeer),
    Reserved::new("proxy-authenticate", Accepted::AnyPeer),
    Reserved::new("proxy-authorization", Accepted::AnyPeer),
    Reserved::new("proxy-connection", Accepted::AnyPeer),
    Reserved::new("transfer-encoding", Accepted::AnyPeer),
    Reserved::new("via", Accepted::AnyPeer),
    Reserved::new("x-request-id", Accepted::AnyPeer),
];

/// Removes the reserved fields that this sender may not send, and every look-alike of a reserved field.
pub fn remove_forged(fields: &mut Fields, is_trusted: bool) {
    fields.retain(|name, _| match RESERVED.iter().find(|reserved| reserved.resembles(name)) {
        None => true,
        Some(reserved) if reserved.name.as_bytes().eq_ignore_ascii_case(name) => {
            is_trusted || reserved.from == Accepted::AnyPeer
        }
        Some(_) => false,
    });
}

impl Reserved {
    const fn new(name: &'static str, from: Accepted) -> Self {
        Self { name, from }
    }

    /// Whether a name is this one, or differs from it only by `_` for `-`.
    fn resembles(&self, name: &[u8]) -> bool {
        let same = |(reserved, given): (u8, &u8)| {
            reserved.eq_ignore_ascii_case(given) || (reserved == b'-' && *given == b'_')
        };
        self.name.len() == name.len() && self.name.bytes().zip(name).all(same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a field is kept, with all of its repetitions.
    fn is_kept(name: &str, is_trusted: bool) -> bool {
        let mut fields = Fields::from([(name, "1"), (name, "2")]);
        remove_forged(&mut fields, is_trusted);
        match fields.count() {
            0 => false,
            2 => true,
            n => panic!("{n} of 2 fields are left"),
        }
    }

    #[test]
    fn every_look_alike_is_removed_from_every_sender() {
        for Reserved { name, .. } in RESERVED {
            let dashes: Vec<_> = name.match_indices('-').map(|(at, _)| at).collect();
            for mask in 1..1_u32 << dashes.len() {
                let mut look_alike = name.to_owned().into_bytes();
                for (_, at) in dashes.iter().enumerate().filter(|(i, _)| mask & (1 << i) != 0) {
                    look_alike[*at] = b'_';
                }
                let look_alike = String::from_utf8(look_alike).unwrap();
                for look_alike in [look_alike.to_uppercase(), look_alike] {
                    assert!(!is_kept(&look_alike, false) && !is_kept(&look_alike, true), "{look_alike}");
                }
            }
        }
    }

    #[test]
    fn an_untrusted_sender_cannot_claim_tls() {
        for name in ["x-forwarded-ssl", "x-forwarded-scheme", "x-forwarded-protocol", "front-end-https"] {
            assert!(!is_kept(name, false) && is_kept(name, true), "{name}");
            let look_alike = name.replace('-', "_");
            assert!(!is_kept(&look_alike, false) && !is_kept(&look_alike, true), "{look_alike}");
        }
    }

    #[test]
    fn untrusted_senders_lose_forwarding_fields_and_other_fields_are_kept() {
        for Reserved { name, from } in RESERVED {
            assert!(is_kept(name, true), "{name}");
            assert_eq!(is_kept(name, false), from == Accepted::AnyPeer, "{name}");
        }
        for other in
            ["x_user", "x-forwarded-fo_", "xx_forwarded_for", "x_forwarded_for_", "x-request_ids", "a_b-c"]
        {
            assert!(is_kept(other, false) && is_kept(other, true), "{other}");
        }
    }
}
