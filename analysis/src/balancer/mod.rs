//! The balancer that is measured.

mod admin;
mod control;

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use awc::Client;
use awc::http::StatusCode;
use lb::app::Embedded;
use lb::config::Config;
use lb::token::Token;
use tokio::task::JoinHandle;

pub use control::ControlError;
pub use lb::url::Url;

/// Where `lb` listens unless told otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:5000";

/// Where its admin listener is unless told otherwise.
const DEFAULT_ADMIN: &str = "http://127.0.0.1:5001";

/// How long one reply may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What the contract's message starts with.
pub const HELLO: &str = "Hello from Server: ";

/// A reply of /home is a hundred bytes, and a thousand seats of /api/state are 200 kB; more is somebody else's.
const MAX_BODY: usize = 1024 * 1024;

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
pub struct Balancer {
    url: Url,
    admin: Option<Url>,
    control: Client,
    /// The admin token, if there is one.
    token: Option<Token>,
    /// The last change of the fleet, which may still be under way.
    changing: RefCell<Option<JoinHandle<()>>>,
    /// The one that was started because none was there; it ends with this.
    embedded: Option<Embedded>,
}

/// The body of a reply of /home.
#[derive(serde::Deserialize)]
struct Reply {
    message: String,
}

/// The balancer at `url`. Without one, the balancer at the default address, and if nothing there speaks the contract
/// an embedded one on a free port, with three built-in replicas.
///
/// # Errors
/// When nothing at `url` answers /home as a replica does, or no balancer can be started.
pub async fn find_or_embed(
    url: Option<Url>,
    admin: Option<Url>,
    token: Option<Token>,
) -> Result<Balancer, Error> {
    let given = url.is_some();
    let balancer = Balancer {
        url: url.unwrap_or_else(|| DEFAULT_URL.parse().expect("a URL")),
        admin,
        control: control::client(),
        token,
        changing: RefCell::default(),
        embedded: None,
    };
    match balancer.home(&balancer.client(1), "100000").await {
        Ok(_) if given => Ok(balancer),
        Ok(_) => Ok(balancer.with_default_admin().await),
        Err(reason) if given => Err(Error::NoBalancer { url: balancer.url, reason }),
        Err(_) => embed(Config::default()),
    }
}

/// A balancer of our own on free ports; without bounded load, so that each request goes to the first choice of its key:
/// it is placement that is measured.
///
/// # Errors
/// When it cannot be started.
pub fn embed(config: Config) -> Result<Balancer, Error> {
    let executable = std::env::current_exe().map_err(|error| Error::NotEmbedded(error.to_string()))?;
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let config = Config { listen: free, admin_listen: Some(free), bounded_load: None, ..config };
    let embedded =
        Embedded::start(config, executable).map_err(|error| Error::NotEmbedded(error.to_string()))?;
    Ok(Balancer {
        url: embedded.traffic.into(),
        admin: embedded.admin.map(Url::from),
        control: control::client(),
        token: None,
        changing: RefCell::default(),
        embedded: Some(embedded),
    })
}

impl Balancer {
    /// Where it listens.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Where its admin listener is, if that is known.
    pub fn admin(&self) -> Option<&Url> {
        self.admin.as_ref()
    }

    /// Whether it was started for this run.
    pub fn is_embedded(&self) -> bool {
        self.embedded.is_some()
    }

    /// What bounded load does to the shares that are measured, in a sentence.
    pub fn bounded_load(&self) -> &'static str {
        match self.is_embedded() {
            true => "Measured with bounded load off: each request goes to the first choice of its key.",
            false => {
                "The balancer's own setting of bounded load counts: where it is on, as in an lb that was not told \
                 otherwise, a request that finds its replica overloaded goes to the next choice of its key."
            }
        }
    }

    /// A client that opens at most so many connections and keeps them.
    pub fn client(&self, connections: u16) -> Client {
        let connector = awc::Connector::new().limit(connections.into());
        awc::ClientBuilder::new().connector(connector).timeout(TIMEOUT).disable_redirects().finish()
    }

    /// Asks /home with this request id: which replica answers?
    ///
    /// # Errors
    /// When none does, or it says no name.
    pub async fn home(&self, client: &Client, request_id: &str) -> Result<String, Failure> {
        let request = client.get(self.path("/home")).insert_header(("x-request-id", request_id));
        let mut reply = request.send().await.map_err(|error| Failure::NoReply(error.to_string()))?;
        let body = reply.body().limit(MAX_BODY).await.map_err(|error| Failure::NoReply(error.to_string()))?;
        if reply.status() != StatusCode::OK {
            return Err(Failure::Status(reply.status()));
        }
        let Reply { message } = serde_json::from_slice(&body).map_err(|_| Failure::NoName)?;
        message.strip_prefix(HELLO).map(str::to_owned).ok_or(Failure::NoName)
    }

    /// Beside the default address the default admin address is the same balancer's, if it answers as one.
    async fn with_default_admin(mut self) -> Self {
        let given = self.admin.is_some();
        self.admin = self.admin.or_else(|| DEFAULT_ADMIN.parse().ok());
        if !given && self.state().await.is_err() {
            self.admin = None;
        }
        self
    }

    fn path(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn where_nobody_listens() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url: Url = format!("http://127.0.0.1:{port}").parse().unwrap();
        let error = find_or_embed(Some(url.clone()), None, None).await.err().unwrap().to_string();
        assert!(error.starts_with(&format!("{url} cannot be measured: ")), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}
