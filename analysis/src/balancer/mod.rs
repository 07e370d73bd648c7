//! Client of the balancer under test; starts an embedded one if there is none.

mod admin;
mod control;

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use awc::Client;
use awc::http::StatusCode;
use lb::app::Embedded;
use lb::auth::token::Token;
use lb::config::Config;
use tokio::task::JoinHandle;

pub use control::ControlError;
pub use lb::cli::ListenerUrl;

/// Default traffic address of `lb`.
const DEFAULT_URL: &str = "http://127.0.0.1:5000";

/// Default admin address of `lb`.
const DEFAULT_ADMIN: &str = "http://127.0.0.1:5001";

/// Longest duration of one request.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Start of the `message` that the contract requires of /home.
pub const HELLO: &str = "Hello from Server: ";

/// Largest reply body: /home has about 100 bytes, /api/state about 200 kB for a thousand seats.
const MAX_BODY: usize = 1024 * 1024;

/// Reasons why there is no balancer to measure.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The server at the URL does not answer as the contract requires.
    #[error("{url} cannot be measured: {reason}")]
    NoBalancer {
        /// URL of the server.
        url: ListenerUrl,
        /// Failure of the first request.
        reason: Failure,
    },
    /// No balancer was found, and an embedded one cannot be started.
    #[error("no balancer at {DEFAULT_URL}, and none can be started: {0}")]
    NotEmbedded(String),
}

/// Reasons why a request counts as failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No reply arrived; the error text of the HTTP client.
    #[error("{0}")]
    NoReply(String),
    /// The status of the reply is not 200.
    #[error("/home answers {0}")]
    Status(StatusCode),
    /// The reply does not name its replica.
    #[error("the reply of /home does not say '{HELLO}<ID>'")]
    NoName,
}

/// The balancer under test.
pub struct Balancer {
    url: ListenerUrl,
    admin: Option<ListenerUrl>,
    control: Client,
    /// The admin token, if there is one.
    token: Option<Token>,
    /// The last change of the fleet, which may still be in progress.
    pending_change: RefCell<Option<JoinHandle<()>>>,
    /// The embedded balancer, if one was started; it stops when this is dropped.
    embedded: Option<Embedded>,
}

/// Body of a reply of /home.
#[derive(serde::Deserialize)]
struct Reply {
    message: String,
}

/// Connects to the balancer at `url`. Without a URL it tries the default address, and starts an embedded balancer with
/// three built-in replicas on a free port if nothing there follows the contract.
///
/// # Errors
/// When nothing at `url` answers /home as a replica does, or the embedded balancer cannot be started.
pub async fn find_or_embed(
    url: Option<ListenerUrl>,
    admin: Option<ListenerUrl>,
    token: Option<Token>,
) -> Result<Balancer, Error> {
    let given = url.is_some();
    let balancer = Balancer {
        url: url.unwrap_or_else(|| DEFAULT_URL.parse().expect("a URL")),
        admin,
        control: control::client(),
        token,
        pending_change: RefCell::default(),
        embedded: None,
    };
    match balancer.home(&balancer.client(1), "100000").await {
        Ok(_) if given => Ok(balancer),
        Ok(_) => Ok(balancer.with_default_admin().await),
        Err(reason) if given => Err(Error::NoBalancer { url: balancer.url, reason }),
        Err(_) => embed(Config::default()),
    }
}

/// Starts an embedded balancer on free ports. Bounded load is off, so that each request goes to the first choice of its
/// key: the experiments measure placement.
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
        admin: embedded.admin.map(ListenerUrl::from),
        control: control::client(),
        token: None,
        pending_change: RefCell::default(),
        embedded: Some(embedded),
    })
}

impl Balancer {
    /// URL of the traffic listener.
    pub fn url(&self) -> &ListenerUrl {
        &self.url
    }

    /// URL of the admin listener; `None` if it is not known.
    pub fn admin(&self) -> Option<&ListenerUrl> {
        self.admin.as_ref()
    }

    /// Whether it was started for this run.
    pub fn is_embedded(&self) -> bool {
        self.embedded.is_some()
    }

    /// One sentence for the report: how bounded load affects the measured shares.
    pub fn bounded_load(&self) -> &'static str {
        match self.is_embedded() {
            true => "Measured with bounded load off: each request goes to the first choice of its key.",
            false => {
                "The balancer's own setting of bounded load applies: where it is on, which is the default of lb, a \
                 request whose replica is overloaded goes to the next choice of its key."
            }
        }
    }

    /// A client that opens at most this many connections and keeps them alive.
    pub fn client(&self, connections: u16) -> Client {
        let connector = awc::Connector::new().limit(connections.into());
        awc::ClientBuilder::new().connector(connector).timeout(TIMEOUT).disable_redirects().finish()
    }

    /// Sends /home with this request id and returns the name of the replica that answered.
    ///
    /// # Errors
    /// When no replica answers, or the reply does not name one.
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

    /// Sets the default admin address if none was given and it answers as an admin listener.
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
    async fn an_unreachable_url_is_an_error() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url: ListenerUrl = format!("http://127.0.0.1:{port}").parse().unwrap();
        let error = find_or_embed(Some(url.clone()), None, None).await.err().unwrap().to_string();
        assert!(error.starts_with(&format!("{url} cannot be measured: ")), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}
