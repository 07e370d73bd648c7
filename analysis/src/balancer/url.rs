//! Where a listener is.

use std::fmt;
use std::str::FromStr;

use awc::http::Uri;

/// Where somebody listens: `http://HOST[:PORT]`, without a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(String);

/// A text that is no [`Url`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected http://HOST[:PORT]")]
pub struct NotAUrl;

impl FromStr for Url {
    type Err = NotAUrl;

    fn from_str(text: &str) -> Result<Self, NotAUrl> {
        let uri: Uri = text.parse().map_err(|_| NotAUrl)?;
        let authority = uri.authority().ok_or(NotAUrl)?;
        let good = uri.scheme_str() == Some("http") && uri.path() == "/" && uri.query().is_none();
        if good { Ok(Self(format!("http://{authority}"))) } else { Err(NotAUrl) }
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
    fn what_is_a_url() {
        let shown = |text: &str| text.parse::<Url>().map(|url| url.to_string());
        assert_eq!(shown("http://127.0.0.1:5000/"), Ok("http://127.0.0.1:5000".into()));
        assert_eq!(shown("http://balancer"), Ok("http://balancer".into()));
        for bad in ["", "balancer", "127.0.0.1:5000", "https://a", "http://a/home", "http://a?b=c", "http://"]
        {
            assert_eq!(shown(bad), Err(NotAUrl), "{bad}");
        }
    }
}
