//! The HTTP client for the admin listener.

use std::io;
use std::time::Duration;

use awc::error::{ConnectError, SendRequestError};
use awc::http::{Method, StatusCode};
use awc::{Client, ClientResponse};
use serde_json::Value;

use super::ListenerUrl;
use crate::auth::token::Token;

/// The longest wait for a response. Changes have none: the balancer limits them (`--start-timeout`).
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest response body; a state of 1,000 seats has 200 kB.
const MAX_BODY: usize = 64 << 20;

/// The end of the message with which a built-in replica answers an unknown path.
const REPLICA_ERROR: &str = "endpoint does not exist in server replicas";

/// A response whose body is read piece by piece.
pub type Stream = ClientResponse;

/// A request to the admin API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Path and query.
    pub target: String,
    /// GET, POST, PUT or DELETE.
    pub method: Method,
    /// The JSON body; `None`: no body.
    pub body: Option<Value>,
    /// The longest wait for the response; `None`: no limit.
    pub timeout: Option<Duration>,
}

/// Reasons why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection was refused.
    #[error(
        "{0}: nothing listens there; set --admin or LB_ADMIN to the URL of the balancer's admin listener"
    )]
    NotListening(ListenerUrl),
    /// There is no complete response, for a reason that may be temporary.
    #[error("{0}: {1}")]
    NoAnswer(ListenerUrl, String),
    /// The balancer has refused the call.
    #[error("{message}")]
    Refused {
        /// The reason, as the balancer gives it, without the prefix `<Error> `.
        message: String,
        /// The whole JSON body.
        body: String,
    },
    /// The response is not from the admin listener of a balancer.
    #[error("{0}: answered {1}, but is not the admin listener of a balancer")]
    NotABalancer(ListenerUrl, StatusCode),
    /// Writing to standard output failed, for example because the disk is full.
    #[error("cannot write the response to standard output: {0}")]
    Output(#[from] io::Error),
    /// The response is JSON of another shape.
    #[error("{0}: cannot read the response: {1}")]
    InvalidBody(ListenerUrl, serde_json::Error),
}

impl Request {
    /// A GET request.
    pub fn get(target: impl Into<String>) -> Self {
        Self { target: target.into(), method: Method::GET, body: None, timeout: Some(RESPONSE_TIMEOUT) }
    }

    /// A POST request with a JSON body.
    pub fn post(target: impl Into<String>, body: Value) -> Self {
        Self { body: Some(body), ..Self::post_empty(target) }
    }

    /// A PUT request with a JSON body.
    pub fn put(target: impl Into<String>, body: Value) -> Self {
        Self { method: Method::PUT, body: Some(body), ..Self::get(target) }
    }

    /// A DELETE request with a JSON body.
    pub fn delete(target: impl Into<String>, body: Value) -> Self {
        Self { method: Method::DELETE, ..Self::post(target, body) }
    }

    /// A POST request without a body.
    pub fn post_empty(target: impl Into<String>) -> Self {
        Self { method: Method::POST, ..Self::get(target) }
    }

    /// Removes the limit for the wait.
    pub fn without_timeout(self) -> Self {
        Self { timeout: None, ..self }
    }
}

/// The balancer that is called.
pub struct Server<'a> {
    /// The URL of its admin listener.
    pub admin: &'a ListenerUrl,
    /// The admin token; `None`: requests carry none.
    pub token: Option<&'a Token>,
}

impl Server<'_> {
    /// Opens a stream. `after` is the id of the last received event, for a stream of events.
    ///
    /// # Errors [`Error::NoAnswer`] also for a 5xx status, which may be temporary: the balancer stops, or has too many
    /// subscribers.
    pub async fn stream(&self, target: &str, after: Option<&str>) -> Result<Stream, Error> {
        let client = client(self.token);
        let mut call = client.get(format!("{}{target}", self.admin));
        if let Some(after) = after {
            call = call.insert_header(("last-event-id", after));
        }
        let late = |_| Error::NoAnswer(self.admin.clone(), format!("no answer within {RESPONSE_TIMEOUT:?}"));
        let answer = tokio::time::timeout(RESPONSE_TIMEOUT, call.send()).await.map_err(late)?;
        let answer = answer.map_err(|error| send_error(self.admin, &error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let refused = parse(self.admin, status, text(self.admin, answer).await?);
        match refused {
            Err(Error::Refused { message, .. }) if status.is_server_error() => {
                Err(Error::NoAnswer(self.admin.clone(), message))
            }
            Err(error) => Err(error),
            Ok(_) => Err(Error::NotABalancer(self.admin.clone(), status)),
        }
    }

    /// The error for a successful response that is not from a balancer.
    pub fn not_a_balancer(&self) -> Error {
        Error::NotABalancer(self.admin.clone(), StatusCode::OK)
    }
}

/// Sends a request and returns the JSON of the response.
///
/// # Errors
/// [`Error::Refused`] for a failure that the balancer reports; the other variants when there is no valid response.
pub async fn send(Server { admin, token }: &Server<'_>, request: &Request) -> Result<String, Error> {
    let client = client(*token);
    let answer = exchange(&client, admin, request);
    let (status, body) = match request.timeout {
        None => answer.await?,
        Some(limit) => tokio::time::timeout(limit, answer)
            .await
            .map_err(|_| Error::NoAnswer((*admin).clone(), format!("no answer within {limit:?}")))??,
    };
    parse(admin, status, body)
}

/// A client that sends with each request the token and the header that the admin listener requires against CSRF.
fn client(token: Option<&Token>) -> Client {
    let client =
        Client::builder().disable_timeout().disable_redirects().add_default_header(("x-lb-admin", "1"));
    match token {
        Some(token) => client.bearer_auth(token.reveal()),
        None => client,
    }
    .finish()
}

/// The JSON of a successful response; an error for a refusal, or for a response that is not from a balancer.
fn parse(admin: &ListenerUrl, status: StatusCode, body: String) -> Result<String, Error> {
    let json = serde_json::from_str::<Value>(&body).ok();
    let message = json.as_ref().and_then(|json| json.get("message")?.as_str());
    match (json.as_ref(), message) {
        (Some(_), _) if status.is_success() => Ok(body),
        // A replica has answered: the URL is that of the traffic listener.
        (Some(_), Some(message)) if message.ends_with(REPLICA_ERROR) => {
            Err(Error::NotABalancer(admin.clone(), status))
        }
        (Some(_), Some(message)) => {
            let message = message.strip_prefix("<Error> ").unwrap_or(message).to_owned();
            Err(Error::Refused { message, body })
        }
        _ => Err(Error::NotABalancer(admin.clone(), status)),
    }
}

async fn exchange(
    client: &Client,
    admin: &ListenerUrl,
    request: &Request,
) -> Result<(StatusCode, String), Error> {
    let call = client.request(request.method.clone(), format!("{admin}{}", request.target));
    let sent = match &request.body {
        Some(body) => call.send_json(body),
        None => call.send(),
    };
    let answer = sent.await.map_err(|error| send_error(admin, &error))?;
    Ok((answer.status(), text(admin, answer).await?))
}

async fn text(admin: &ListenerUrl, answer: Stream) -> Result<String, Error> {
    let mut answer = answer.timeout(RESPONSE_TIMEOUT);
    let body = answer
        .body()
        .limit(MAX_BODY)
        .await
        .map_err(|error| Error::NoAnswer(admin.clone(), error.to_string()))?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn send_error(admin: &ListenerUrl, error: &SendRequestError) -> Error {
    match error {
        SendRequestError::Connect(ConnectError::Io(error))
            if error.kind() == io::ErrorKind::ConnectionRefused =>
        {
            Error::NotListening(admin.clone())
        }
        SendRequestError::Connect(ConnectError::Disconnected) => {
            Error::NoAnswer(admin.clone(), "closed without an answer".into())
        }
        error => Error::NoAnswer(admin.clone(), error.to_string()),
    }
}
