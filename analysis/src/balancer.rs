//! The balancer that is measured.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use awc::Client;
use awc::http::{StatusCode, Uri};
use lb::app::Embedded;
use lb::config::Config;

/// Where `lb` listens unless told otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:5000";

/// How long one reply may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What the contract's message starts with.
const HELLO: &str = "Hello from Server: ";

/// A reply of /home is a hundred bytes; more than this is somebody else's.
const MAX_BODY: usize = 64 * 1024;

/// Where a balancer listens: `http://HOST[:PORT]`, without a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(String);

/// A text that is no [`Url`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected http://HOST[:PORT]")]
pub struct NotAUrl;

/// Why there is no balancer to measure.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing there speaks the contract.
    #[error("{url} cannot be measured: {reason}")]
    NoBalancer {
        /// Where it was looked for.
        url: Url,
        /// What came instead.
        reason: Failure,
    },
    /// None was there, and none could be started.
    #[error("no balancer at {DEFAULT_URL}, and none can be started: {0}")]
    NotEmbedded(String),
}

/// Why a request counts as failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It was not answered; the words of the HTTP client.
    #[error("{0}")]
    NoReply(String),
    /// It was answered with another status than 200.
    #[error("/home answers {0}")]
    Status(StatusCode),
    /// The reply does not name the replica.
    #[error("the reply of /home does not say '{HELLO}<ID>'")]
    NoName,
}

/// A balancer that answers.
#[derive(Debug)]
pub struct Balancer {
    url: Url,
    /// The one that was started because none was there; it ends with this.
    _embedded: Option<Embedded>,
}

/// The body of a reply of /home.
#[derive(serde::Deserialize)]
struct Reply {
    message: String,
}

/// The body of a reply of /rep.
#[derive(serde::Deserialize)]
struct Rep {
    message: Replicas,
}

#[derive(serde::Deserialize)]
struct Replicas {
    replicas: Vec<String>,
}

/// The balancer at `url`. Without one, the balancer at the default address, and if nothing there speaks the contract
/// an embedded one on a free port, with three built-in replicas.
///
/// # Errors
/// When nothing at `url` answers /home as a replica does, or no balancer can be started.
pub async fn find_or_embed(url: Option<Url>) -> Result<Balancer, Error> {
    let given = url.is_some();
    let balancer = Balancer { url: url.unwrap_or_else(|| Url(DEFAULT_URL.into())), _embedded: None };
    match balancer.home(&balancer.client(1), "100000").await {
        Ok(_) => Ok(balancer),
        Err(reason) if given => Err(Error::NoBalancer { url: balancer.url, reason }),
        Err(_) => embed(),
    }
}

fn embed() -> Result<Balancer, Error> {
    let executable = std::env::current_exe().map_err(|error| Error::NotEmbedded(error.to_string()))?;
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let config = Config { listen: free, admin_listen: None, ..Config::default() };
    let embedded =
        Embedded::start(config, executable).map_err(|error| Error::NotEmbedded(error.to_string()))?;
    let url = Url(format!("http://{}", embedded.traffic));
    eprintln!("no balancer at {DEFAULT_URL}: started one at {url}");
    Ok(Balancer { url, _embedded: Some(embedded) })
}

impl Balancer {
    /// Where it listens.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// A client that opens at most so many connections and keeps them.
    pub fn client(&self, connections: u16) -> Client {
        let connector = awc::Connector::new().limit(connections.into());
        awc::ClientBuilder::new().connector(connector).timeout(TIMEOUT).disable_redirects().finish()
    }

    /// The replicas that it lists; none if it is no balancer and does not answer /rep.
    pub async fn replicas(&self, client: &Client) -> Vec<String> {
        let Ok(mut reply) = client.get(format!("{}/rep", self.url)).send().await else { return Vec::new() };
        let rep = reply.json::<Rep>().limit(MAX_BODY).await;
        rep.map(|rep| rep.message.replicas).unwrap_or_default()
    }

    /// Asks /home with this request id: which replica answers?
    ///
    /// # Errors
    /// When none does, or it says no name.
    pub async fn home(&self, client: &Client, request_id: &str) -> Result<String, Failure> {
        let request = client.get(format!("{}/home", self.url)).insert_header(("x-request-id", request_id));
        let mut reply = request.send().await.map_err(|error| Failure::NoReply(error.to_string()))?;
        let body = reply.body().limit(MAX_BODY).await.map_err(|error| Failure::NoReply(error.to_string()))?;
        if reply.status() != StatusCode::OK {
            return Err(Failure::Status(reply.status()));
        }
        let Reply { message } = serde_json::from_slice(&body).map_err(|_| Failure::NoName)?;
        message.strip_prefix(HELLO).map(str::to_owned).ok_or(Failure::NoName)
    }
}

impl FromStr for Url {
    type Err = NotAUrl;

    fn from_str(text: &str) -> Result<Self, NotAUrl> {
        let uri: Uri = text.parse().map_err(|_| NotAUrl)?;
        let authority = uri.authority().ok_or(NotAUrl)?;
        let good = uri.scheme_str() == Some("http") && uri.path() == "/" && uri.query().is_none();
        if good { Ok(Self(format!("http://{authority}"))) } else { Err(NotAUrl) }
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

    #[actix_rt::test]
    async fn where_nobody_listens() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url: Url = format!("http://127.0.0.1:{port}").parse().unwrap();
        let error = find_or_embed(Some(url.clone())).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("{url} cannot be measured: ")), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}
