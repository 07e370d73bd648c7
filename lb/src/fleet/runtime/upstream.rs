//! External server as configured: `[NAME=]HOST:PORT[*WEIGHT]`.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::name::Name;
use crate::ring::Weight;

/// An external server as configured, before its host is resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its name; the default is `HOST-PORT`, with `-` for characters that a name may not contain.
    pub name: Name,
    /// A host name in lower case, or an IP address (IPv6 without brackets).
    pub host: String,
    /// Its port, 1–65535.
    pub port: u16,
    /// Weight of its seat (1–1000).
    pub weight: Weight,
}

/// Reasons why a text is no [`Upstream`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUpstream {
    /// The host or the port is missing, or a scheme or path is present.
    #[error("must be [NAME=]HOST:PORT[*WEIGHT], without a scheme or a path")]
    Shape,
    /// The host is neither a name nor an address.
    #[error("'{0}' is no host: a name, an IPv4 address or an IPv6 address in brackets")]
    Host(String),
    /// The port is not in 1–65535.
    #[error("'{0}' is no port: a number from 1 to 65535")]
    Port(String),
    /// The weight is not in 1–1000.
    #[error("'{0}' is no weight: a number from 1 to 1000")]
    Weight(String),
    /// The given name is invalid.
    #[error(
        "'{0}' is no name: 1 to 63 of letters, digits, space, '_', '.' and '-', first a letter or a digit"
    )]
    Name(String),
    /// The default name, made of host and port, is too long.
    #[error("needs a name that is shorter: NAME=HOST:PORT")]
    Nameless,
}

impl Upstream {
    /// `HOST:PORT`, an IPv6 address in brackets.
    pub fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl FromStr for Upstream {
    type Err = InvalidUpstream;

    fn from_str(text: &str) -> Result<Self, InvalidUpstream> {
        let (name, rest) = text.split_once('=').map_or((None, text), |(name, rest)| (Some(name), rest));
        let (address, weight) = rest.split_once('*').map_or((rest, None), |(a, weight)| (a, Some(weight)));
        let (host, port) = address.rsplit_once(':').ok_or(InvalidUpstream::Shape)?;
        if address.contains('/') || host.is_empty() {
            return Err(InvalidUpstream::Shape);
        }
        let host = parse_host(host).ok_or_else(|| InvalidUpstream::Host(host.into()))?;
        let port = match port.parse() {
            Ok(0) | Err(_) => return Err(InvalidUpstream::Port(port.into())),
            Ok(port) => port,
        };
        let weight = match weight {
            None => Weight::DEFAULT,
            Some(text) => {
                text.parse().ok().and_then(Weight::new).ok_or_else(|| InvalidUpstream::Weight(text.into()))?
            }
        };
        let name = match name {
            Some(name) => name.parse().map_err(|_| InvalidUpstream::Name(name.into()))?,
            None => default_name(&host, port).ok_or(InvalidUpstream::Nameless)?,
        };
        Ok(Self { name, host, port, weight })
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}*{}", self.name, self.authority(), self.weight)
    }
}

fn parse_host(text: &str) -> Option<String> {
    if let Some(inner) = text.strip_prefix('[') {
        return Some(inner.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?.to_string());
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (text.len() <= 253 && text.chars().all(allowed)).then(|| text.to_ascii_lowercase())
}

fn default_name(host: &str, port: u16) -> Option<Name> {
    let name = format!("{host}-{port}").replace(':', "-");
    name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_upstreams_are_parsed() {
        for (text, shown) in [
            ("localhost:8001", "localhost-8001=localhost:8001*100"),
            ("a=Example.COM:80*50", "a=example.com:80*50"),
            ("10.0.0.1:1", "10.0.0.1-1=10.0.0.1:1*100"),
            ("my server=[::1]:80*1000", "my server=[::1]:80*1000"),
            ("[2001:DB8:0::7]:443", "2001-db8--7-443=[2001:db8::7]:443*100"),
            ("[::1]:80", "1-80=[::1]:80*100"),
        ] {
            let upstream: Upstream = text.parse().unwrap();
            assert_eq!(upstream.to_string(), shown);
            assert_eq!(shown.parse(), Ok(upstream));
        }
    }

    #[test]
    fn invalid_upstreams_are_rejected() {
        let long = format!("{}.example:80", "a".repeat(63));
        for (text, error) in [
            ("", "must be [NAME=]HOST:PORT"),
            ("localhost", "must be [NAME=]HOST:PORT"),
            (":80", "must be [NAME=]HOST:PORT"),
            ("http://localhost:80", "without a scheme"),
            ("localhost:80/x", "without a scheme"),
            ("::1:80", "'::1' is no host"),
            ("[::g]:80", "'[::g]' is no host"),
            ("a b:80", "'a b' is no host"),
            ("a:0", "'0' is no port"),
            ("a:65536", "'65536' is no port"),
            ("a:", "'' is no port"),
            ("a:80*0", "'0' is no weight"),
            ("a:80*x", "'x' is no weight"),
            ("a/b=a:80", "'a/b' is no name"),
            ("=a:80", "'' is no name"),
            (long.as_str(), "needs a name that is shorter"),
        ] {
            let message = text.parse::<Upstream>().unwrap_err().to_string();
            assert!(message.contains(error), "{text:?}: {message}");
        }
    }
}
