//! Forwarding fields: for whom a request is made, over what, to which host (X-Forwarded-…), and through whom (Via).
//!
//! A peer in `--trusted-proxies` is believed: its address is appended to X-Forwarded-For, and the other forwarding
//! fields stay as they are, if present. From any other peer X-Forwarded-For, -Proto, -Host and -Port are replaced by what
//! the balancer sees itself, and Forwarded (RFC 7239), X-Real-IP, X-Forwarded-Server and X-Forwarded-Prefix are removed.

use std::cell::OnceCell;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use super::reserved_fields::remove_forged;

static FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// Our name as `Via` has it, and as much of it as tells us from others.
const VIA: &str = "1.1 lb";
const NAME: &str = " lb";

/// How often a request may have come through one of us. Balancers in a row are few; more is a loop.
const MAX_PASSES: usize = 10;

/// Networks whose proxies are believed (`--trusted-proxies`); none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Arc<[IpNet]>);

/// Of one connection: who is at its other end. Worked out at its first request; whether it is trusted, at each: that can
/// change.
#[derive(Default)]
pub struct Connected(OnceCell<Peer>);

/// Who is at the other end of a connection.
#[derive(Clone)]
pub struct Peer {
    ip: IpAddr,
    /// The address as a value.
    field: HeaderValue,
}

impl TrustedProxies {
    /// Whether this address is a trusted proxy's.
    fn contain(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&ip))
    }
}

impl FromIterator<IpNet> for TrustedProxies {
    fn from_iter<I: IntoIterator<Item = IpNet>>(nets: I) -> Self {
        Self(nets.into_iter().collect())
    }
}

impl Connected {
    /// The peer of this connection.
    pub fn peer(&self, address: SocketAddr) -> Peer {
        self.0.get_or_init(|| Peer::new(address)).clone()
    }
}

impl Peer {
    /// The peer at an address; an IPv4-mapped IPv6 address counts as IPv4.
    pub fn new(address: SocketAddr) -> Self {
        let ip = address.ip().to_canonical();
        // Addresses are visible ASCII.
        let field = HeaderValue::try_from(ip.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""));
        Self { ip, field }
    }
}

/// Writes the forwarding fields of a request that has its `Host`, and returns the client's address: the peer's, or
/// the last one in X-Forwarded-For that is no trusted proxy's. `port` is the traffic listener's.
///
/// X-Forwarded-Port is left out if a trusted proxy names a scheme or a host and no port: the client connected to that
/// proxy, on a port that is not known here.
pub fn rewrite(headers: &mut HeaderMap, peer: Peer, trusted: &TrustedProxies, port: u16) -> IpAddr {
    let is_trusted = trusted.contain(peer.ip);
    remove_forged(headers, is_trusted);
    // What is left of them is a trusted proxy's.
    if ![&PROTO, &HOST, &PORT].into_iter().any(|name| headers.contains_key(name)) {
        headers.insert(PORT.clone(), HeaderValue::from(port));
    }
    if !headers.contains_key(&PROTO) {
        headers.insert(PROTO.clone(), HeaderValue::from_static("http"));
    }
    if let (false, Some(host)) = (headers.contains_key(&HOST), headers.get(header::HOST).cloned()) {
        headers.insert(HOST.clone(), host);
    }
    let mut client = peer.ip;
    let mut chain = peer.field.clone();
    if let Some(whole) = whole(headers, &peer, is_trusted) {
        client = client_of(&whole, peer.ip, trusted);
        chain = HeaderValue::from_maybe_shared(bytes::Bytes::from(whole)).unwrap_or(chain);
    }
    headers.insert(FOR.clone(), chain);
    client
}

/// The client's address, as [`rewrite`] returns it.
pub fn client(headers: &HeaderMap, peer: &Peer, trusted: &TrustedProxies) -> IpAddr {
    whole(headers, peer, trusted.contain(peer.ip))
        .map_or(peer.ip, |whole| client_of(&whole, peer.ip, trusted))
}

/// The chain that a trusted proxy tells of, and the proxy at its end.
fn whole(headers: &HeaderMap, peer: &Peer, is_trusted: bool) -> Option<Vec<u8>> {
    let said = headers.get_all(&FOR).map(HeaderValue::as_bytes).filter(|value| !value.is_empty());
    let whole = || said.chain([peer.field.as_bytes()]).collect::<Vec<_>>().join(&b", "[..]);
    (is_trusted && headers.contains_key(&FOR)).then(whole)
}

/// Says that the message came through us.
pub fn sign(headers: &mut HeaderMap) {
    headers.append(header::VIA, HeaderValue::from_static(VIA));
}

/// Whether a request comes round and round.
pub fn loops(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::VIA).filter_map(|value| value.to_str().ok());
    let passes = values.flat_map(|value| value.split(',')).filter(|hop| hop.trim_end().ends_with(NAME));
    passes.count() >= MAX_PASSES
}

/// From the right: what a trusted proxy says is believed, up to the first address that is not trusted itself.
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

/// An address, perhaps with a port.
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

    /// What becomes of the fields, sorted, and whose request it is.
    fn seen(peer: &str, fields: &[(&'static str, &'static str)]) -> (Vec<String>, String) {
        let mut headers: HeaderMap = fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let peer = Peer::new(peer.parse().unwrap());
        let client = rewrite(&mut headers, peer, &trusted(), 5000);
        let mut lines: Vec<_> = headers
            .iter()
            .filter(|(name, _)| **name != header::HOST)
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort_unstable();
        (lines, client.to_string())
    }

    const SAID: [(&str, &str); 6] = [
        ("host", "h:1"),
        ("forwarded", "for=1.1.1.1"),
        ("x-forwarded-for", "1.1.1.1, 192.0.2.1"),
        ("x-forwarded-for", "[fd00::1]:80 ,10.1.1.1:443"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "shop.example"),
    ];

    #[test]
    fn what_a_stranger_says_is_replaced() {
        let replaced = [
            "x-forwarded-for: 192.0.2.7",
            "x-forwarded-host: h:1",
            "x-forwarded-port: 5000",
            "x-forwarded-proto: http",
        ]
        .map(Into::into);
        for peer in ["192.0.2.7:5", "[::ffff:192.0.2.7]:5"] {
            assert_eq!(seen(peer, &SAID), (replaced.to_vec(), "192.0.2.7".into()));
            assert_eq!(seen(peer, &SAID[..1]), (replaced.to_vec(), "192.0.2.7".into()));
        }
        let no_host = seen("192.0.2.7:5", &SAID[5..]).0;
        assert_eq!(
            no_host,
            ["x-forwarded-for: 192.0.2.7", "x-forwarded-port: 5000", "x-forwarded-proto: http"]
        );
    }

    #[test]
    fn what_a_trusted_proxy_says_is_kept_and_continued() {
        let (lines, client) = seen("[::ffff:10.9.9.9]:5", &SAID);
        assert_eq!(
            lines,
            [
                "forwarded: for=1.1.1.1",
                "x-forwarded-for: 1.1.1.1, 192.0.2.1, [fd00::1]:80 ,10.1.1.1:443, 10.9.9.9",
                "x-forwarded-host: shop.example",
                "x-forwarded-proto: https",
            ]
        );
        assert_eq!(client, "192.0.2.1", "1.1.1.1 is only what a stranger said");
        let nothing_said = seen("10.9.9.9:5", &SAID[..1]);
        let own = [
            "x-forwarded-for: 10.9.9.9",
            "x-forwarded-host: h:1",
            "x-forwarded-port: 5000",
            "x-forwarded-proto: http",
        ];
        assert_eq!(nothing_said, (own.map(Into::into).to_vec(), "10.9.9.9".into()));
    }

    #[test]
    fn the_port_is_the_listeners_unless_a_trusted_proxy_stands_in_front_of_it() {
        let port = |peer: &str, said: &[(&'static str, &'static str)]| {
            let lines = seen(peer, said).0;
            lines.iter().filter_map(|line| line.strip_prefix("x-forwarded-port: ")).collect::<String>()
        };
        let said = [("x-forwarded-proto", "https"), ("x-forwarded-port", "8443")];
        assert_eq!(port("10.9.9.9:5", &said), "8443");
        assert_eq!(port("10.9.9.9:5", &said[1..]), "8443");
        assert_eq!(port("10.9.9.9:5", &said[..1]), "", "the proxy's port is not known");
        assert_eq!(port("192.0.2.7:5", &said), "5000");
    }

    #[test]
    fn whose_request_it_is() {
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
    fn a_loop_is_told_from_a_row_of_balancers() {
        let mut headers = HeaderMap::new();
        headers.append(header::VIA, HeaderValue::from_static("1.0 fred, 1.1 lb , 1.1 slb"));
        for _ in 1..MAX_PASSES {
            assert!(!loops(&headers));
            sign(&mut headers);
        }
        assert!(loops(&headers));
    }
}
