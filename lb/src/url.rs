//! The base URL of a listener.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use awc::http::Uri;

/// The base URL of a listener: `http://HOST[:PORT]`, without a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(String);

/// Error of a text that is not a valid [`Url`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected http://HOST[:PORT]")]
pub struct InvalidUrl;

impl FromStr for Url {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let uri: Uri = text.parse().map_err(|_| InvalidUrl)?;
        let authority = uri.authority().ok_or(InvalidUrl)?;
        // User information is refused: it would not be sent, but would appear in every message.
        let without_user = !authority.as_str().contains('@');
        let good =
            uri.scheme_str() == Some("http") && uri.path() == "/" && uri.query().is_none() && without_user;
        if good { Ok(Self(format!("http://{authority}"))) } else { Err(InvalidUrl) }
    }
}

impl Url {
    /// Whether the host is `localhost` or a loopback address.
    pub fn is_loopback(&self) -> bool {
        let uri = self.uri();
        let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// The port; 80 if the URL has none.
    pub fn port(&self) -> u16 {
        self.uri().and_then(|uri| uri.port_u16()).unwrap_or(80)
    }

    fn uri(&self) -> Option<Uri> {
        self.0.parse().ok()
    }
}

impl From<std::net::SocketAddr> for Url {
    fn from(address: std::net::SocketAddr) -> Self {
        Self(format!("http://{address}"))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_urls_without_path_and_user_are_valid() {
        let shown = |text: &str| text.parse::<Url>().map(|url| url.to_string());
        assert_eq!(shown("http://127.0.0.1:5000/"), Ok("http://127.0.0.1:5000".into()));
        assert_eq!(shown("http://balancer"), Ok("http://balancer".into()));
        for bad in [
            "",
            "balancer",
            "127.0.0.1:5000",
            "https://a",
            "http://a/home",
            "http://a?b=c",
            "http://",
            "http://a:b@c",
        ] {
            assert_eq!(shown(bad), Err(InvalidUrl), "{bad}");
        }
    }

    #[test]
    fn loopback_addresses_and_ports_are_recognised() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        for own in ["http://localhost:5000", "http://127.0.0.1", "http://127.1.2.3:1", "http://[::1]:80"] {
            assert!(url(own).is_loopback(), "{own}");
        }
        for other in ["http://10.0.0.1:5000", "http://balancer", "http://localhost.example:5000"] {
            assert!(!url(other).is_loopback(), "{other}");
        }
        assert_eq!((url("http://[::1]:5000").port(), url("http://balancer").port()), (5000, 80));
    }
}
