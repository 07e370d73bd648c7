//! The base URL of a listener.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use url::{Host, Position, Url};

/// The base URL of a listener: `http://HOST[:PORT]`, without a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerUrl(Url);

/// Error of a text that is not a valid [`ListenerUrl`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected http://HOST[:PORT]")]
pub struct InvalidUrl;

impl FromStr for ListenerUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        // A browser's rules for URLs, which `Url` has, would repair `http:HOST`.
        let url = text.starts_with("http://").then(|| Url::parse(text).ok()).flatten().ok_or(InvalidUrl)?;
        // User information is refused: it would not be sent, but would appear in every message.
        let is_base = url.as_str() == url.origin().ascii_serialization() + "/";
        if is_base { Ok(Self(url)) } else { Err(InvalidUrl) }
    }
}

impl ListenerUrl {
    /// Whether the host is `localhost` or a loopback address.
    pub fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// The port; 80 if the URL has none.
    pub fn port(&self) -> u16 {
        self.0.port().unwrap_or(80)
    }

    /// The text of a refused URL for a message: without user information, which may have a password.
    pub fn without_user(text: &str) -> Cow<'_, str> {
        text.rsplit_once('@').map_or(text.into(), |(_, host)| format!("…@{host}").into())
    }
}

impl From<SocketAddr> for ListenerUrl {
    /// The scope of an IPv6 address is dropped: a URL cannot have one.
    fn from(address: SocketAddr) -> Self {
        let address = SocketAddr::new(address.ip(), address.port());
        format!("http://{address}").parse().expect("an address and a port are a URL")
    }
}

impl fmt::Display for ListenerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0[..Position::BeforePath])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_urls_without_path_and_user_are_valid() {
        let shown = |text: &str| text.parse::<ListenerUrl>().map(|url| url.to_string());
        assert_eq!(shown("http://127.0.0.1:5000/"), Ok("http://127.0.0.1:5000".into()));
        assert_eq!(shown("http://balancer"), Ok("http://balancer".into()));
        assert_eq!(shown("http://[0:0::1]:5001/"), Ok("http://[::1]:5001".into()));
        assert_eq!(shown("http://lb_1.net1:80"), Ok("http://lb_1.net1".into()));
        for bad in [
            "",
            "balancer",
            "127.0.0.1:5000",
            "https://a",
            "http://a/home",
            "http://a?b=c",
            "http://",
            "http://a:b@c",
            "http://a@c",
            "http://a#b",
            "http:a",
            "http://[fe80::1%25eth0]:5001",
            "http://a:65536",
        ] {
            assert_eq!(shown(bad), Err(InvalidUrl), "{bad}");
        }
    }

    #[test]
    fn loopback_addresses_and_ports_are_recognised() {
        let url = |text: &str| text.parse::<ListenerUrl>().unwrap();
        for own in ["http://localhost:5000", "http://127.0.0.1", "http://127.1.2.3:1", "http://[::1]:80"] {
            assert!(url(own).is_loopback(), "{own}");
        }
        for other in ["http://10.0.0.1:5000", "http://balancer", "http://localhost.example:5000"] {
            assert!(!url(other).is_loopback(), "{other}");
        }
        assert_eq!((url("http://[::1]:5000").port(), url("http://balancer").port()), (5000, 80));
    }

    #[test]
    fn an_address_is_a_url_without_its_scope() {
        let url = |text: &str| ListenerUrl::from(text.parse::<SocketAddr>().unwrap()).to_string();
        assert_eq!(url("127.0.0.1:5001"), "http://127.0.0.1:5001");
        assert_eq!(url("[fe80::1%3]:5001"), "http://[fe80::1]:5001");
    }

    #[test]
    fn user_information_is_not_repeated() {
        assert_eq!(ListenerUrl::without_user("http://user:secret@balancer:5001"), "…@balancer:5001");
        assert_eq!(ListenerUrl::without_user("balancer"), "balancer");
    }
}
