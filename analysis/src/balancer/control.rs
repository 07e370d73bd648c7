//! The control API (/rep, /add, /rm), and restoring the fleet after an experiment.

use std::time::{Duration, Instant};

use awc::http::{Method, StatusCode};
use awc::{Client, ClientRequest};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{Balancer, MAX_BODY};

/// Longest duration of a change; /add waits until its replicas are ready.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Reasons why a control or admin call fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// No reply arrived.
    #[error("{path} is not answered: {reason}")]
    NoReply {
        /// Path of the call.
        path: String,
        /// Error text of the HTTP client.
        reason: String,
    },
    /// The balancer refused the call.
    #[error("{path} answers {status}: {message}")]
    Refused {
        /// Path of the call.
        path: String,
        /// Status of the reply.
        status: StatusCode,
        /// `message` of the reply.
        message: String,
    },
    /// The reply does not have the form of the contract: the server is not an `lb`.
    #[error("{path} does not answer as the contract requires")]
    UnexpectedReply {
        /// Path of the call.
        path: String,
    },
    /// The address of the admin listener is not known.
    #[error("needs the admin listener (--admin URL)")]
    NoAdmin,
}

/// Body of /rep, and of every successful change.
#[derive(Deserialize)]
struct Rep {
    message: Replicas,
}

#[derive(Deserialize)]
struct Replicas {
    replicas: Vec<String>,
}

impl Balancer {
    /// Names of the replicas, in seat order.
    ///
    /// # Errors
    /// When there is no reply, or not one of an `lb`.
    pub async fn replicas(&self) -> Result<Vec<String>, ControlError> {
        let rep: Rep = fetch_json(self.authorized(self.control.get(self.path("/rep"))), None).await?;
        Ok(rep.message.replicas)
    }

    /// Adds `n` replicas, the first of them with these names; returns the names of the whole fleet.
    ///
    /// # Errors
    /// When the balancer refuses it.
    pub async fn add(&self, n: usize, hostnames: &[String]) -> Result<Vec<String>, ControlError> {
        let body = json!({ "n": n, "hostnames": hostnames });
        self.change(self.authorized(self.control.post(self.path("/add"))), body).await
    }

    /// Removes these replicas; returns the names of the whole fleet.
    ///
    /// # Errors
    /// When the balancer refuses it.
    pub async fn remove(&self, hostnames: &[String]) -> Result<Vec<String>, ControlError> {
        let body = json!({ "n": hostnames.len(), "hostnames": hostnames });
        self.change(self.authorized(self.control.delete(self.path("/rm"))), body).await
    }

    /// Makes the fleet list the original names again, after the pending change has ended. It makes one change at a
    /// time: a new replica takes the smallest free seat, so a name returns to its seat if no other seat is free.
    ///
    /// # Errors
    /// When a change is refused.
    pub async fn restore(&self, original: &[String]) -> Result<(), ControlError> {
        // The experiment may have been interrupted during a change.
        if let Some(change) = self.pending_change.take() {
            let _ = change.await;
        }
        let mut current = self.replicas().await?;
        loop {
            let surplus: Vec<_> = current.iter().filter(|name| !original.contains(name)).cloned().collect();
            let missing = original.iter().find(|name| !current.contains(name));
            current = match (surplus.first(), missing) {
                (None, None) => return Ok(()),
                (Some(one), Some(_)) if current.len() > 1 && current.len() >= original.len() => {
                    self.remove(std::slice::from_ref(one)).await?
                }
                (_, Some(name)) => self.add(1, std::slice::from_ref(name)).await?,
                (Some(_), None) => self.remove(&surplus).await?,
            };
        }
    }

    /// Sends any call and returns status and body of the reply.
    ///
    /// # Errors
    /// When there is no reply.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&str>,
    ) -> Result<(StatusCode, Vec<u8>), ControlError> {
        let request = self.control.request(method, self.path(path));
        // A call that the balancer forwards must not carry the admin token to a replica.
        let is_control = ["/rep", "/add", "/rm"].contains(&path);
        exchange(if is_control { self.authorized(request) } else { request }, body.map(str::to_owned)).await
    }

    /// Adds the admin token, and the header that a cross-site form cannot set.
    pub(super) fn authorized(&self, request: ClientRequest) -> ClientRequest {
        let request = request.insert_header(("x-lb-admin", "1"));
        match &self.token {
            Some(token) => request.bearer_auth(token.reveal()),
            None => request,
        }
    }

    /// Waits until the target number of replicas (`original` without an admin listener) has been listed for a
    /// second, so that every death has been noticed and every replacement is ready. Gives up after 15 s.
    pub async fn wait_until_complete(&self, original: usize) {
        let deadline = Instant::now() + Duration::from_secs(15);
        let mut complete_since = Instant::now();
        while Instant::now() < deadline && complete_since.elapsed() < Duration::from_secs(1) {
            let expected = self.state().await.map_or(original, |state| state.target);
            if self.replicas().await.map_or(0, |names| names.len()) < expected {
                complete_since = Instant::now();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Runs a change as a task of its own, so that it completes even if its caller is cancelled: the balancer does
    /// not cancel it either, and a replica that it adds is not listed before it is ready.
    async fn change(&self, request: ClientRequest, body: Value) -> Result<Vec<String>, ControlError> {
        let (sender, receiver) = oneshot::channel();
        let path = request.get_uri().path().to_owned();
        let change = actix_rt::spawn(async move {
            let _ = sender.send(fetch_json::<Rep>(request, Some(body)).await);
        });
        self.pending_change.replace(Some(change));
        let rep =
            receiver.await.map_err(|_| ControlError::NoReply { path, reason: "cancelled".into() })??;
        Ok(rep.message.replicas)
    }
}

/// Sends a request and parses the JSON of a 200 reply.
pub(super) async fn fetch_json<T: DeserializeOwned>(
    request: ClientRequest,
    body: Option<Value>,
) -> Result<T, ControlError> {
    let path = request.get_uri().path().to_owned();
    let (status, body) = exchange(request, body.map(|body| body.to_string())).await?;
    if status == StatusCode::OK {
        return serde_json::from_slice(&body).map_err(|_| ControlError::UnexpectedReply { path });
    }
    let answer: Option<Value> = serde_json::from_slice(&body).ok();
    match answer.as_ref().and_then(|answer| answer["message"].as_str()) {
        Some(message) => Err(ControlError::Refused { path, status, message: message.into() }),
        None => Err(ControlError::UnexpectedReply { path }),
    }
}

async fn exchange(
    request: ClientRequest,
    body: Option<String>,
) -> Result<(StatusCode, Vec<u8>), ControlError> {
    let path = request.get_uri().path().to_owned();
    let no_reply = |reason: String| ControlError::NoReply { path: path.clone(), reason };
    let sent = match body {
        Some(body) => request.content_type("application/json").send_body(body),
        None => request.send(),
    };
    let mut reply = sent.await.map_err(|error| no_reply(error.to_string()))?;
    let body = reply.body().limit(MAX_BODY).await.map_err(|error| no_reply(error.to_string()))?;
    Ok((reply.status(), body.to_vec()))
}

/// The client for control calls. It keeps no connection alive, because the balancer may close an idle one before the
/// next change.
pub(super) fn client() -> Client {
    let connector = awc::Connector::new().conn_keep_alive(Duration::ZERO);
    awc::ClientBuilder::new().connector(connector).timeout(TIMEOUT).disable_redirects().finish()
}
