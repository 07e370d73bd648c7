//! One call of the admin listener.

use std::io;
use std::time::Duration;

use awc::Client;
use awc::error::{ConnectError, SendRequestError};
use awc::http::{Method, StatusCode};
use serde_json::Value;

use crate::url::Url;

/// How long a question may take. A change takes as long as the balancer lets it (`--start-timeout`).
const PATIENCE: Duration = Duration::from_secs(10);

/// A state of 1,000 seats is 200 kB.
const MAX_ANSWER: usize = 64 << 20;

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Path and query.
    pub target: String,
    /// The JSON of a POST; `None`: GET.
    pub body: Option<Value>,
    /// The longest wait for the answer, if there is one.
    pub patience: Option<Duration>,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody is there.
    #[error("{0}: nothing listens there; --admin or LB_ADMIN says where the balancer's admin listener is")]
    Nobody(Url),
    /// Somebody is there, or should be, and there is no answer.
    #[error("{0}: {1}")]
    NoAnswer(Url, String),
    /// The balancer says no, and why.
    #[error("{message}")]
    Refused {
        /// The reason, in the balancer's words.
        message: String,
        /// The whole answer.
        body: String,
    },
    /// The answer is no balancer's.
    #[error("{0}: answered {1}, and not as the admin listener of a balancer does")]
    Foreign(Url, StatusCode),
    /// The answer is JSON, but not the one that was asked for.
    #[error("{0}: the answer cannot be read: {1}")]
    Unreadable(Url, serde_json::Error),
}

impl Request {
    /// A question.
    pub fn get(target: impl Into<String>) -> Self {
        Self { target: target.into(), body: None, patience: Some(PATIENCE) }
    }

    /// A question with a body.
    pub fn post(target: impl Into<String>, body: Value) -> Self {
        Self { body: Some(body), ..Self::get(target) }
    }

    /// Waits for the answer however long it takes.
    pub fn patient(self) -> Self {
        Self { patience: None, ..self }
    }
}

/// Sends a request to the admin listener; its answer is JSON.
pub async fn send(admin: &Url, request: &Request) -> Result<String, Error> {
    let client = Client::builder().disable_timeout().disable_redirects().finish();
    let answer = exchange(&client, admin, request);
    let (status, body) = match request.patience {
        None => answer.await?,
        Some(patience) => tokio::time::timeout(patience, answer)
            .await
            .map_err(|_| Error::NoAnswer(admin.clone(), format!("no answer within {patience:?}")))??,
    };
    let json = serde_json::from_str::<Value>(&body).ok();
    let message = json.as_ref().and_then(|json| json.get("message")?.as_str());
    match (json.as_ref(), message) {
        (Some(_), _) if status.is_success() => Ok(body),
        (Some(_), Some(message)) => {
            let message = message.strip_prefix("<Error> ").unwrap_or(message).to_owned();
            Err(Error::Refused { message, body })
        }
        _ => Err(Error::Foreign(admin.clone(), status)),
    }
}

async fn exchange(client: &Client, admin: &Url, request: &Request) -> Result<(StatusCode, String), Error> {
    let method = if request.body.is_some() { Method::POST } else { Method::GET };
    let call = client.request(method, format!("{admin}{}", request.target));
    let sent = match &request.body {
        Some(body) => call.send_json(body),
        None => call.send(),
    };
    let answer = sent.await.map_err(|error| unanswered(admin, &error))?;
    let mut answer = answer.timeout(PATIENCE);
    let body = answer
        .body()
        .limit(MAX_ANSWER)
        .await
        .map_err(|error| Error::NoAnswer(admin.clone(), error.to_string()))?;
    Ok((answer.status(), String::from_utf8_lossy(&body).into_owned()))
}

fn unanswered(admin: &Url, error: &SendRequestError) -> Error {
    match error {
        SendRequestError::Connect(ConnectError::Io(error))
            if error.kind() == io::ErrorKind::ConnectionRefused =>
        {
            Error::Nobody(admin.clone())
        }
        SendRequestError::Connect(ConnectError::Disconnected) => {
            Error::NoAnswer(admin.clone(), "closed without an answer".into())
        }
        error => Error::NoAnswer(admin.clone(), error.to_string()),
    }
}
