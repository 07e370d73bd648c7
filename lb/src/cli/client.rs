//! One call of the admin listener.

use std::io;
use std::time::Duration;

use awc::error::{ConnectError, SendRequestError};
use awc::http::{Method, StatusCode};
use awc::{Client, ClientResponse};
use serde_json::Value;

use crate::auth::token::Token;
use crate::url::Url;

/// How long a question may take. A change takes as long as the balancer lets it (`--start-timeout`).
const PATIENCE: Duration = Duration::from_secs(10);

/// A state of 1,000 seats is 200 kB.
const MAX_ANSWER: usize = 64 << 20;

/// How the built-in replica refuses whatever it does not know.
const OF_A_REPLICA: &str = "endpoint does not exist in server replicas";

/// An answer in pieces.
pub type Stream = ClientResponse;

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Path and query.
    pub target: String,
    /// GET, POST, PUT or DELETE.
    pub method: Method,
    /// The JSON of a POST, PUT or DELETE, if there is one.
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
    /// Standard output takes nothing.
    #[error("the answer cannot be written: {0}")]
    Unwritten(#[from] io::Error),
    /// The answer is JSON, but not the one that was asked for.
    #[error("{0}: the answer cannot be read: {1}")]
    Unreadable(Url, serde_json::Error),
}

impl Request {
    /// A question.
    pub fn get(target: impl Into<String>) -> Self {
        Self { target: target.into(), method: Method::GET, body: None, patience: Some(PATIENCE) }
    }

    /// A question with a body.
    pub fn post(target: impl Into<String>, body: Value) -> Self {
        Self { body: Some(body), ..Self::command(target) }
    }

    /// A question that replaces something.
    pub fn put(target: impl Into<String>, body: Value) -> Self {
        Self { method: Method::PUT, body: Some(body), ..Self::get(target) }
    }

    /// A removal with a body.
    pub fn delete(target: impl Into<String>, body: Value) -> Self {
        Self { method: Method::DELETE, ..Self::post(target, body) }
    }

    /// A change without more to say.
    pub fn command(target: impl Into<String>) -> Self {
        Self { method: Method::POST, ..Self::get(target) }
    }

    /// Waits for the answer however long it takes.
    pub fn patient(self) -> Self {
        Self { patience: None, ..self }
    }
}

/// Who is asked, and what is shown to him.
pub struct Asked<'a> {
    /// The admin listener.
    pub admin: &'a Url,
    /// The token, if there is one.
    pub token: Option<&'a Token>,
}

impl Asked<'_> {
    /// Opens a stream that ends when it likes, from an event on where it has events.
    pub async fn stream(&self, target: &str, after: Option<&str>) -> Result<Stream, Error> {
        let client = client(self.token);
        let mut call = client.get(format!("{}{target}", self.admin));
        if let Some(after) = after {
            call = call.insert_header(("last-event-id", after));
        }
        let late = |_| Error::NoAnswer(self.admin.clone(), format!("no answer within {PATIENCE:?}"));
        let answer = tokio::time::timeout(PATIENCE, call.send()).await.map_err(late)?;
        let answer = answer.map_err(|error| unanswered(self.admin, &error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let refused = judge(self.admin, status, text(self.admin, answer).await?);
        match refused {
            // Passing troubles: it stops, or has too many readers.
            Err(Error::Refused { message, .. }) if status.is_server_error() => {
                Err(Error::NoAnswer(self.admin.clone(), message))
            }
            Err(error) => Err(error),
            Ok(_) => Err(Error::Foreign(self.admin.clone(), status)),
        }
    }

    /// The answer is no balancer's.
    pub fn foreign(&self) -> Error {
        Error::Foreign(self.admin.clone(), StatusCode::OK)
    }
}

/// Sends a request to the admin listener; its answer is JSON.
pub async fn send(Asked { admin, token }: &Asked<'_>, request: &Request) -> Result<String, Error> {
    let client = client(*token);
    let answer = exchange(&client, admin, request);
    let (status, body) = match request.patience {
        None => answer.await?,
        Some(patience) => tokio::time::timeout(patience, answer)
            .await
            .map_err(|_| Error::NoAnswer((*admin).clone(), format!("no answer within {patience:?}")))??,
    };
    judge(admin, status, body)
}

/// What it is told in each call: the token, and that no form of another site asks.
fn client(token: Option<&Token>) -> Client {
    let client =
        Client::builder().disable_timeout().disable_redirects().add_default_header(("x-lb-admin", "1"));
    match token {
        Some(token) => client.bearer_auth(token.reveal()),
        None => client,
    }
    .finish()
}

/// JSON, or a refusal of ours, or somebody else's words.
fn judge(admin: &Url, status: StatusCode, body: String) -> Result<String, Error> {
    let json = serde_json::from_str::<Value>(&body).ok();
    let message = json.as_ref().and_then(|json| json.get("message")?.as_str());
    match (json.as_ref(), message) {
        (Some(_), _) if status.is_success() => Ok(body),
        // A replica's word: it was the traffic listener.
        (Some(_), Some(message)) if message.ends_with(OF_A_REPLICA) => {
            Err(Error::Foreign(admin.clone(), status))
        }
        (Some(_), Some(message)) => {
            let message = message.strip_prefix("<Error> ").unwrap_or(message).to_owned();
            Err(Error::Refused { message, body })
        }
        _ => Err(Error::Foreign(admin.clone(), status)),
    }
}

async fn exchange(client: &Client, admin: &Url, request: &Request) -> Result<(StatusCode, String), Error> {
    let call = client.request(request.method.clone(), format!("{admin}{}", request.target));
    let sent = match &request.body {
        Some(body) => call.send_json(body),
        None => call.send(),
    };
    let answer = sent.await.map_err(|error| unanswered(admin, &error))?;
    Ok((answer.status(), text(admin, answer).await?))
}

async fn text(admin: &Url, answer: Stream) -> Result<String, Error> {
    let mut answer = answer.timeout(PATIENCE);
    let body = answer
        .body()
        .limit(MAX_ANSWER)
        .await
        .map_err(|error| Error::NoAnswer(admin.clone(), error.to_string()))?;
    Ok(String::from_utf8_lossy(&body).into_owned())
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
