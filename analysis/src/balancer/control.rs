//! The fleet: /rep, /add and /rm, and how it is left as it was found.

use std::time::{Duration, Instant};

use awc::http::{Method, StatusCode};
use awc::{Client, ClientRequest};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{Balancer, MAX_BODY};

/// How long a change of the fleet may take; an /add waits for its replicas.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Why the fleet cannot be asked or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// There is no answer; the words of the HTTP client.
    #[error("{path} is not answered: {reason}")]
    NoReply {
        /// What was asked.
        path: String,
        /// The words of the HTTP client.
        reason: String,
    },
    /// The balancer says no; its own words.
    #[error("{path} answers {status}: {message}")]
    Refused {
        /// What was asked.
        path: String,
        /// With which status.
        status: StatusCode,
        /// The message in the answer.
        message: String,
    },
    /// Somebody else's server.
    #[error("{path} is not answered as the contract says")]
    NotTheContract {
        /// What was asked.
        path: String,
    },
    /// Nobody said where the admin listener is.
    #[error("needs the admin listener (--admin URL)")]
    NoAdmin,
}

/// The body of /rep, and of every good answer to a change.
#[derive(Deserialize)]
struct Rep {
    message: Replicas,
}

#[derive(Deserialize)]
struct Replicas {
    replicas: Vec<String>,
}

impl Balancer {
    /// The replicas that it lists, in seat order.
    ///
    /// # Errors
    /// When it is no balancer of ours.
    pub async fn replicas(&self) -> Result<Vec<String>, ControlError> {
        let rep: Rep = ask(self.signed(self.control.get(self.path("/rep"))), None).await?;
        Ok(rep.message.replicas)
    }

    /// Adds replicas, the first of them with these names; returns the whole list.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn add(&self, n: usize, hostnames: &[String]) -> Result<Vec<String>, ControlError> {
        let body = json!({ "n": n, "hostnames": hostnames });
        self.change(self.signed(self.control.post(self.path("/add"))), body).await
    }

    /// Removes these replicas; returns the whole list.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn remove(&self, hostnames: &[String]) -> Result<Vec<String>, ControlError> {
        let body = json!({ "n": hostnames.len(), "hostnames": hostnames });
        self.change(self.signed(self.control.delete(self.path("/rm"))), body).await
    }

    /// Makes the fleet list these names again, after the change that is under way. One change at a time: a
    /// new replica takes the smallest free seat, so a name that comes back while only its seat is free comes
    /// back to it.
    ///
    /// # Errors
    /// When a change is refused.
    pub async fn restore(&self, found: &[String]) -> Result<(), ControlError> {
        // A change that was under way when the experiment was interrupted ends first.
        if let Some(change) = self.changing.take() {
            let _ = change.await;
        }
        let mut now = self.replicas().await?;
        loop {
            let surplus: Vec<_> = now.iter().filter(|name| !found.contains(name)).cloned().collect();
            let missing = found.iter().find(|name| !now.contains(name));
            now = match (surplus.first(), missing) {
                (None, None) => return Ok(()),
                (Some(one), Some(_)) if now.len() > 1 && now.len() >= found.len() => {
                    self.remove(std::slice::from_ref(one)).await?
                }
                (_, Some(name)) => self.add(1, std::slice::from_ref(name)).await?,
                (Some(_), None) => self.remove(&surplus).await?,
            };
        }
    }

    /// Any call, and whatever is answered.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&str>,
    ) -> Result<(StatusCode, Vec<u8>), ControlError> {
        let request = self.control.request(method, self.path(path));
        // The token is no replica's business.
        let ours = ["/rep", "/add", "/rm"].contains(&path);
        exchange(if ours { self.signed(request) } else { request }, body.map(str::to_owned)).await
    }

    /// A call of the balancer itself: with the admin token, and the sign that no form of another site makes it.
    pub(super) fn signed(&self, request: ClientRequest) -> ClientRequest {
        let request = request.insert_header(("x-lb-admin", "1"));
        match &self.token {
            Some(token) => request.bearer_auth(token.reveal()),
            None => request,
        }
    }

    /// Waits until as many replicas as there should be – without an admin listener `found` – have been listed for
    /// a second: no death is unnoticed, no replacement under way. Gives up after 15 s.
    pub async fn settle(&self, found: usize) {
        let deadline = Instant::now() + Duration::from_secs(15);
        let mut whole_since = Instant::now();
        while Instant::now() < deadline && whole_since.elapsed() < Duration::from_secs(1) {
            let expected = self.state().await.map_or(found, |state| state.target);
            if self.replicas().await.map_or(0, |names| names.len()) < expected {
                whole_since = Instant::now();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A change is seen through even if nobody waits for it any more: the balancer does not cancel it either,
    /// and what it adds is not listed before it is ready.
    async fn change(&self, request: ClientRequest, body: Value) -> Result<Vec<String>, ControlError> {
        let (tell, told) = oneshot::channel();
        let path = request.get_uri().path().to_owned();
        let change = actix_rt::spawn(async move {
            let _ = tell.send(ask::<Rep>(request, Some(body)).await);
        });
        self.changing.replace(Some(change));
        let rep = told.await.map_err(|_| ControlError::NoReply { path, reason: "cancelled".into() })??;
        Ok(rep.message.replicas)
    }
}

/// The JSON that a request is answered with.
pub(super) async fn ask<T: DeserializeOwned>(
    request: ClientRequest,
    body: Option<Value>,
) -> Result<T, ControlError> {
    let path = request.get_uri().path().to_owned();
    let (status, body) = exchange(request, body.map(|body| body.to_string())).await?;
    if status == StatusCode::OK {
        return serde_json::from_slice(&body).map_err(|_| ControlError::NotTheContract { path });
    }
    let answer: Option<Value> = serde_json::from_slice(&body).ok();
    match answer.as_ref().and_then(|answer| answer["message"].as_str()) {
        Some(message) => Err(ControlError::Refused { path, status, message: message.into() }),
        None => Err(ControlError::NotTheContract { path }),
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

/// A client for changes. It keeps no connection: the next change may come after the balancer has closed it.
pub(super) fn client() -> Client {
    let connector = awc::Connector::new().conn_keep_alive(Duration::ZERO);
    awc::ClientBuilder::new().connector(connector).timeout(TIMEOUT).disable_redirects().finish()
}
