//! Request fields that the balancer writes or validates: which of them a client may send, and their look-alikes.
//!
//! CGI, WSGI and their successors hand fields over as variables and turn `-` into `_`: there `X_Forwarded_For` arrives
//! as `X-Forwarded-For`. A field whose name differs from a reserved one only by `_` for `-` is therefore removed
//! from every request. Names without `-` (Forwarded, Via, Host) have no such look-alike.

use crate::http1::fields::Fields;
use crate::http1::known::{Known, KnownSet};

/// Fields that only the proxies in `--trusted-proxies` may send.
const OF_TRUSTED_PROXIES: KnownSet = KnownSet::new(&TRUSTED);

const TRUSTED: [Known; 12] = [
    Known::Forwarded,
    Known::FrontEndHttps,
    Known::XForwardedFor,
    Known::XForwardedHost,
    Known::XForwardedPort,
    Known::XForwardedPrefix,
    Known::XForwardedProto,
    Known::XForwardedProtocol,
    Known::XForwardedScheme,
    Known::XForwardedServer,
    Known::XForwardedSsl,
    Known::XRealIp,
];

/// Further reserved fields, which every peer may send. The dispatcher rejects most look-alikes of Content-Length and
/// Transfer-Encoding with 400 already.
const OF_ANY_PEER: [Known; 9] = [
    Known::ContentLength,
    Known::Http2Settings,
    Known::KeepAlive,
    Known::ProxyAuthenticate,
    Known::ProxyAuthorization,
    Known::ProxyConnection,
    Known::TransferEncoding,
    Known::Via,
    Known::XRequestId,
];

/// Removes the reserved fields that this sender may not send, and every look-alike of a reserved field.
pub fn remove_forged(fields: &mut Fields, is_trusted: bool) {
    if !is_trusted {
        fields.remove_all(OF_TRUSTED_PROXIES);
    }
    if fields.has_underscore() {
        fields.retain(|name| !is_look_alike(name));
    }
}

/// Whether a name differs from a reserved one only by `_` for `-`.
fn is_look_alike(name: &[u8]) -> bool {
    let with_dashes: Vec<u8> = name.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect();
    let meant = Known::of(&with_dashes).filter(|_| with_dashes != name);
    meant.is_some_and(|meant| TRUSTED.contains(&meant) || OF_ANY_PEER.contains(&meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a field is kept, with all of its repetitions.
    fn is_kept(name: &str, is_trusted: bool) -> bool {
        let lines = format!("{name}: 1\r\n{name}: 2\r\n");
        let mut fields = Fields::parse(lines.into(), 2).unwrap();
        remove_forged(&mut fields, is_trusted);
        match fields.count() {
            0 => false,
            2 => true,
            n => panic!("{n} of 2 fields are left"),
        }
    }

    #[test]
    fn every_look_alike_is_removed_from_every_sender() {
        for name in TRUSTED.into_iter().chain(OF_ANY_PEER).map(Known::name) {
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
        for known in Known::ALL.iter().copied() {
            assert!(is_kept(known.name(), true), "{known:?}");
            assert_eq!(is_kept(known.name(), false), !TRUSTED.contains(&known), "{known:?}");
        }
        for other in
            ["x_user", "x-forwarded-fo_", "xx_forwarded_for", "x_forwarded_for_", "x-request_ids", "a_b-c"]
        {
            assert!(is_kept(other, false) && is_kept(other, true), "{other}");
        }
    }
}
