//! Forwarding fields: client address, scheme, host and port of a request (X-Forwarded-…), and its proxies (Via).
//!
//! The fields of a peer in `--trusted-proxies` are accepted: its address is appended to X-Forwarded-For, and the other
//! forwarding fields stay as they are, if present. From any other peer X-Forwarded-For, -Proto, -Host and -Port are
//! replaced by the values of its own connection, and Forwarded (RFC 7239), X-Real-IP,
//! X-Forwarded-Server and X-Forwarded-Prefix are removed.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;

use crate::http1::fields::Fields;
use crate::http1::known::{Known, KnownSet};

use super::reserved_fields::remove_forged;

/// The fields that tell on which scheme, host and port the client connected.
const ORIGIN: KnownSet =
    KnownSet::new(&[Known::XForwardedProto, Known::XForwardedHost, Known::XForwardedPort]);

/// The balancer's entry in `Via`, and its suffix by which [`is_loop`] recognises it.
const VIA: &str = "1.1 lb";
const VIA_SUFFIX: &str = " lb";

/// Number of balancer entries in `Via` from which a request counts as looping. Chains of balancers are shorter.
const MAX_PASSES: usize = 10;

/// Networks of proxies whose forwarding fields are accepted (`--trusted-proxies`); empty by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Arc<[IpNet]>);

/// The other end of a client connection.
#[derive(Clone)]
pub struct Peer {
    ip: IpAddr,
    /// The address as text.
    text: String,
}

impl TrustedProxies {
    fn contain(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&ip))
    }
}

impl FromIterator<IpNet> for TrustedProxies {
    fn from_iter<I: IntoIterator<Item = IpNet>>(nets: I) -> Self {
        Self(nets.into_iter().collect())
    }
}

impl Peer {
    /// The peer at an address; an IPv4-mapped IPv6 address is converted to IPv4.
    pub fn new(address: SocketAddr) -> Self {
        let ip = address.ip().to_canonical();
        Self { ip, text: ip.to_string() }
    }
}

/// Writes the forwarding fields of a request and returns the client's address: the peer's, or the last one in
/// X-Forwarded-For that does not belong to a trusted proxy. `headers` still contain `Host`; `port` is the port of the
/// traffic listener.
///
/// X-Forwarded-Port is left out if a trusted proxy sends a scheme or a host and no port: the client connected to that
/// proxy, on a port that is unknown here.
pub fn rewrite(fields: &mut Fields, peer: &Peer, trusted: &TrustedProxies, port: u16) -> IpAddr {
    let is_trusted = trusted.contain(peer.ip);
    remove_forged(fields, is_trusted);
    // The forwarding fields that remain come from a trusted proxy.
    if !fields.has_any(ORIGIN) {
        fields.add(Known::XForwardedPort, port.to_string().as_bytes());
    }
    if !fields.has(Known::XForwardedProto) {
        fields.add(Known::XForwardedProto, b"http");
    }
    if !fields.has(Known::XForwardedHost) {
        fields.add_copy(Known::XForwardedHost, Known::Host);
    }
    match forwarded_chain(fields, peer, is_trusted) {
        Some(chain) => {
            fields.set(Known::XForwardedFor, &chain);
            client_of(&chain, peer.ip, trusted)
        }
        None => {
            fields.set(Known::XForwardedFor, peer.text.as_bytes());
            peer.ip
        }
    }
}

/// The client's address as [`rewrite`] returns it, without changing the fields.
pub fn client(fields: &Fields, peer: &Peer, trusted: &TrustedProxies) -> IpAddr {
    forwarded_chain(fields, peer, trusted.contain(peer.ip))
        .map_or(peer.ip, |chain| client_of(&chain, peer.ip, trusted))
}

/// The X-Forwarded-For chain with the peer appended; `None` if the peer is not trusted or sent no such field.
fn forwarded_chain(fields: &Fields, peer: &Peer, is_trusted: bool) -> Option<Vec<u8>> {
    let values = fields.all(Known::XForwardedFor).filter(|value| !value.is_empty());
    let chain = || values.chain([peer.text.as_bytes()]).collect::<Vec<_>>().join(&b", "[..]);
    (is_trusted && fields.has(Known::XForwardedFor)).then(chain)
}

/// Appends the balancer's entry to `Via`.
pub fn append_via(fields: &mut Fields) {
    fields.add(Known::Via, VIA.as_bytes());
}

/// Whether a request has passed balancers so often that it must be looping.
pub fn is_loop(fields: &Fields) -> bool {
    let hops = fields.all(Known::Via).flat_map(|value| value.split(|byte| *byte == b','));
    let passes = hops.filter(|hop| hop.trim_ascii_end().ends_with(VIA_SUFFIX.as_bytes()));
    passes.count() >= MAX_PASSES
}

/// Reads the chain from the right, as long as the reporting address is trusted; the first untrusted one is the client.
fn client_of(chain: &[u8], peer: IpAddr, trusted: &TrustedProxies) -> IpAddr {
    let mut client = peer;
    for hop in chain.rsplit(|byte| *byte == b',') {
        match address(hop) {
            Some(ip) if trusted.contain(client) => client = ip,
            _ => break,
        }
    }
    client
}

/// Parses an address with or without a port, in brackets or not.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let ip = text.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip())).ok();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    ip.or_else(bracketed).map(|ip: IpAddr| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted() -> TrustedProxies {
        ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().unwrap()).into_iter().collect()
    }

    /// The rewritten fields, sorted, and the client's address.
    fn rewritten(peer: &str, fields: &[(&'static str, &'static str)]) -> (Vec<String>, String) {
        let mut fields = Fields::from(fields);
        let peer = Peer::new(peer.parse().unwrap());
        let client = rewrite(&mut fields, &peer, &trusted(), 5000);
        let line = |(name, value): (&[u8], &[u8])| {
            let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
            format!("{}: {value}", name.to_lowercase())
        };
        let mut lines: Vec<_> = fields.iter().filter(|(name, _)| *name != b"host").map(line).collect();
        lines.sort_unstable();
        (lines, client.to_string())
    }

    const FIELDS: [(&str, &str); 6] = [
        ("host", "h:1"),
        ("forwarded", "for=1.1.1.1"),
        ("x-forwarded-for", "1.1.1.1, 192.0.2.1"),
        ("x-forwarded-for", "[fd00::1]:80 ,10.1.1.1:443"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "shop.example"),
    ];

    #[test]
    fn fields_of_an_untrusted_peer_are_replaced() {
        let replaced = [
            "x-forwarded-for: 192.0.2.7",
            "x-forwarded-host: h:1",
            "x-forwarded-port: 5000",
            "x-forwarded-proto: http",
        ]
        .map(Into::into);
        for peer in ["192.0.2.7:5", "[::ffff:192.0.2.7]:5"] {
            assert_eq!(rewritten(peer, &FIELDS), (replaced.to_vec(), "192.0.2.7".into()));
            assert_eq!(rewritten(peer, &FIELDS[..1]), (replaced.to_vec(), "192.0.2.7".into()));
        }
        let no_host = rewritten("192.0.2.7:5", &FIELDS[5..]).0;
        assert_eq!(
            no_host,
            ["x-forwarded-for: 192.0.2.7", "x-forwarded-port: 5000", "x-forwarded-proto: http"]
        );
    }

    #[test]
    fn fields_of_a_trusted_proxy_are_kept_and_extended() {
        let (lines, client) = rewritten("[::ffff:10.9.9.9]:5", &FIELDS);
        assert_eq!(
            lines,
            [
                "forwarded: for=1.1.1.1",
                "x-forwarded-for: 1.1.1.1, 192.0.2.1, [fd00::1]:80 ,10.1.1.1:443, 10.9.9.9",
                "x-forwarded-host: shop.example",
                "x-forwarded-proto: https",
            ]
        );
        assert_eq!(client, "192.0.2.1", "1.1.1.1 was sent by an untrusted client");
        let without_fields = rewritten("10.9.9.9:5", &FIELDS[..1]);
        let own = [
            "x-forwarded-for: 10.9.9.9",
            "x-forwarded-host: h:1",
            "x-forwarded-port: 5000",
            "x-forwarded-proto: http",
        ];
        assert_eq!(without_fields, (own.map(Into::into).to_vec(), "10.9.9.9".into()));
    }

    #[test]
    fn the_port_is_the_listeners_unless_a_trusted_proxy_sends_fields() {
        let port = |peer: &str, fields: &[(&'static str, &'static str)]| {
            let lines = rewritten(peer, fields).0;
            lines.iter().filter_map(|line| line.strip_prefix("x-forwarded-port: ")).collect::<String>()
        };
        let fields = [("x-forwarded-proto", "https"), ("x-forwarded-port", "8443")];
        assert_eq!(port("10.9.9.9:5", &fields), "8443");
        assert_eq!(port("10.9.9.9:5", &fields[1..]), "8443");
        assert_eq!(port("10.9.9.9:5", &fields[..1]), "", "the port of the proxy is unknown");
        assert_eq!(port("192.0.2.7:5", &fields), "5000");
    }

    #[test]
    fn the_client_is_the_last_untrusted_address() {
        for (chain, client) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1, 10.0.0.1", "192.0.2.1"),
            ("10.0.0.3,10.0.0.2", "10.0.0.3"),
            ("unknown, 10.0.0.2", "10.0.0.2"),
            ("192.0.2.1,", "10.9.9.9"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("", "10.9.9.9"),
        ] {
            let found = client_of(chain.as_bytes(), "10.9.9.9".parse().unwrap(), &trusted());
            assert_eq!(found.to_string(), client, "{chain}");
        }
    }

    #[test]
    fn a_loop_is_distinguished_from_a_chain_of_balancers() {
        let mut fields = Fields::from([("via", "1.0 fred, 1.1 lb , 1.1 slb")]);
        for _ in 1..MAX_PASSES {
            assert!(!is_loop(&fields));
            append_via(&mut fields);
        }
        assert!(is_loop(&fields));
    }
}
