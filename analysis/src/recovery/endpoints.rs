//! Checks every endpoint with valid and invalid requests against the answers of the contract.

use awc::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::balancer::{Balancer, HELLO};
use crate::table::{Cell, Table};

/// Prefix of every error message of the contract.
const ERROR_PREFIX: &str = "<Error> ";

/// Results of the checks.
pub struct Endpoints {
    checks: Vec<Check>,
    /// Reason why some endpoints were not checked; `None` if all were.
    pub skipped: Option<String>,
}

struct Check {
    call: &'static str,
    request: String,
    expected: Expected,
    got: String,
    ok: bool,
}

/// The answer that the contract requires.
enum Expected {
    /// 200 and no body.
    Empty,
    /// 200 and one of these names; any name if the list is empty.
    Hello(Vec<String>),
    /// 200 and these replicas, in this order.
    List(Vec<String>),
    /// 200, the previous replicas and `n` more, one of them with this name.
    More { before: Vec<String>, n: usize, named: String },
    /// 400 and this message.
    Error(String),
    /// 400 and any error message of the contract.
    AnyError,
}

impl Endpoints {
    /// Checks all endpoints, and removes the replicas that it adds.
    pub async fn check(balancer: &Balancer) -> Self {
        let mut endpoints = Self { checks: Vec::new(), skipped: None };
        let original = match balancer.replicas().await {
            Ok(original) => {
                endpoints.send(balancer, "GET /rep", "", Expected::List(original.clone())).await;
                original
            }
            Err(reason) => {
                endpoints.skipped = Some(format!("/rep, /add and /rm are not checked: {reason}"));
                Vec::new()
            }
        };
        endpoints.send(balancer, "GET /heartbeat", "", Expected::Empty).await;
        endpoints.send(balancer, "GET /home", "", Expected::Hello(original.clone())).await;
        let other = format!("{ERROR_PREFIX}'/other' endpoint does not exist in server replicas");
        endpoints.send(balancer, "GET /other", "", Expected::Error(other)).await;
        if endpoints.skipped.is_none() {
            endpoints.check_changes(balancer, &original).await;
        }
        endpoints
    }

    /// Checks /add and /rm with valid and invalid requests.
    async fn check_changes(&mut self, balancer: &Balancer, original: &[String]) {
        let new = format!("analysis-{:06x}", fastrand::u32(..1 << 24));
        let good = json!({ "n": 2, "hostnames": [new] }).to_string();
        let more = Expected::More { before: original.to_vec(), n: 2, named: new.clone() };
        if self.send(balancer, "POST /add", &good, more).await == Some(StatusCode::BAD_REQUEST) {
            let answer = self.checks.pop().map(|check| check.got).unwrap_or_default();
            self.skipped = Some(format!("/add and /rm are not checked: /add answers {answer}"));
            return;
        }
        let error = |message: String| Expected::Error(format!("{ERROR_PREFIX}{message}"));
        let two = json!({ "n": 1, "hostnames": ["a", "b"] }).to_string();
        let twice = json!({ "n": 2, "hostnames": ["a", "a"] }).to_string();
        let present = json!({ "n": 1, "hostnames": [new] }).to_string();
        let unknown = json!({ "n": 1, "hostnames": [format!("{new}-x")] }).to_string();
        let long = |kind: &str| error(format!("Length of hostname list is more than {kind} instances"));
        let duplicate = || error("Duplicate hostname 'a'".into());
        for (call, body, expected) in [
            ("POST /add", two.as_str(), long("newly added")),
            ("POST /add", &twice, duplicate()),
            ("POST /add", &present, error(format!("Hostname '{new}' already exists"))),
            ("POST /add", r#"{"n":1,"hostnames":["../x"]}"#, Expected::AnyError),
            ("POST /add", r#"{"n":0}"#, Expected::AnyError),
            ("POST /add", "no JSON", Expected::AnyError),
            ("DELETE /rm", &two, long("removable")),
            ("DELETE /rm", &twice, duplicate()),
            ("DELETE /rm", &unknown, error(format!("Hostname '{new}-x' is not a managed replica"))),
            ("DELETE /rm", r#"{"hostnames":[]}"#, Expected::AnyError),
            ("DELETE /rm", "no JSON", Expected::AnyError),
        ] {
            self.send(balancer, call, body, expected).await;
        }
        // Remove every added replica, even those that the balancer should not have added.
        let now = balancer.replicas().await.unwrap_or_default();
        let added: Vec<_> = now.into_iter().filter(|name| !original.contains(name)).collect();
        let remove = json!({ "n": added.len(), "hostnames": added }).to_string();
        self.send(balancer, "DELETE /rm", &remove, Expected::List(original.to_vec())).await;
        self.send(balancer, "GET /rep", "", Expected::List(original.to_vec())).await;
    }

    /// Sends one request and checks the answer; `call` is method and path. Returns the status, if there was an answer.
    async fn send(
        &mut self,
        balancer: &Balancer,
        call: &'static str,
        body: &str,
        expected: Expected,
    ) -> Option<StatusCode> {
        let (method, path) = call.split_once(' ').unwrap_or(("GET", call));
        let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
        let answer = balancer.call(method, path, Some(body).filter(|body| !body.is_empty())).await;
        let (status, got, ok) = match answer {
            Ok((status, body)) => (Some(status), one_line(status, &body), expected.is_met(status, &body)),
            Err(error) => (None, error.to_string(), false),
        };
        self.checks.push(Check { call, request: body.into(), expected, got, ok });
        status
    }

    /// Number of answers that differ from the contract.
    pub fn wrong(&self) -> usize {
        self.checks.iter().filter(|check| !check.ok).count()
    }

    /// Number of requests sent.
    pub fn sent(&self) -> usize {
        self.checks.len()
    }

    /// A table with one row per request.
    pub fn table(&self) -> Table {
        let columns = ["endpoint", "ok", "request", "expected", "got"];
        let mut table = Table::new("endpoints", "Every endpoint and its answer", &columns);
        for check in &self.checks {
            let ok = if check.ok { "yes" } else { "no" };
            table.row([
                Cell::text(check.call),
                Cell::text(ok),
                Cell::text(&check.request),
                Cell::text(check.expected.text()),
                Cell::text(&check.got),
            ]);
        }
        table
    }
}

impl Expected {
    fn is_met(&self, status: StatusCode, body: &[u8]) -> bool {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        let message = answer["message"].as_str();
        let names = || -> Option<Vec<String>> {
            let names: Vec<String> = serde_json::from_value(answer["message"]["replicas"].clone()).ok()?;
            (answer["message"]["N"] == names.len()).then_some(names)
        };
        let met = match self {
            Self::Empty => return status == StatusCode::OK && body.is_empty(),
            Self::Hello(known) => message
                .and_then(|message| message.strip_prefix(HELLO))
                .is_some_and(|name| known.is_empty() || known.iter().any(|known| known == name)),
            Self::List(expected) => names().is_some_and(|names| names == *expected),
            Self::More { before, n, named } => names().is_some_and(|names| {
                names.len() == before.len() + n
                    && before.iter().chain([named]).all(|name| names.contains(name))
            }),
            Self::Error(expected) => message == Some(expected),
            Self::AnyError => message.is_some_and(|message| message.starts_with(ERROR_PREFIX)),
        };
        met && (status, answer["status"].as_str()) == self.status()
    }

    fn status(&self) -> (StatusCode, Option<&'static str>) {
        match self {
            Self::Empty | Self::Hello(_) | Self::List(_) | Self::More { .. } => {
                (StatusCode::OK, Some("successful"))
            }
            Self::Error(_) | Self::AnyError => (StatusCode::BAD_REQUEST, Some("failure")),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Empty => "200, no body".into(),
            Self::Hello(_) => format!("200 {HELLO}one of the listed replicas"),
            Self::List(names) => format!("200 N={}: {}", names.len(), names.join(", ")),
            Self::More { before, n, named } => format!("200 N={}, with {named}", before.len() + n),
            Self::Error(message) => format!("400 {message}"),
            Self::AnyError => format!("400 {ERROR_PREFIX}with any reason"),
        }
    }
}

/// An answer as one line.
fn one_line(status: StatusCode, body: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = match &answer["message"] {
        Value::String(message) => message.clone(),
        Value::Object(rep) => {
            let names = rep.get("replicas").and_then(Value::as_array).into_iter().flatten();
            let names: Vec<_> = names.filter_map(Value::as_str).collect();
            format!("N={}: {}", rep.get("N").unwrap_or(&Value::Null), names.join(", "))
        }
        _ if body.is_empty() => return format!("{}, no body", status.as_u16()),
        _ => String::from_utf8_lossy(body).chars().take(200).collect(),
    };
    format!("{} {text}", status.as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn an_answer_is_compared_by_status_and_body() {
        let met = |expected: Expected, status: u16, body: &str| {
            expected.is_met(StatusCode::from_u16(status).unwrap(), body.as_bytes())
        };
        let list = r#"{"message":{"N":2,"replicas":["a","b"]},"status":"successful"}"#;
        assert!(met(Expected::List(names(&["a", "b"])), 200, list));
        assert!(!met(Expected::List(names(&["b", "a"])), 200, list));
        assert!(!met(Expected::List(names(&["a", "b"])), 201, list));
        assert!(!met(Expected::List(names(&["a", "b"])), 200, &list.replace('2', "3")));
        let more = |n, named: &str| Expected::More { before: names(&["a"]), n, named: named.into() };
        assert!(met(more(1, "b"), 200, list));
        assert!(!met(more(2, "b"), 200, list) && !met(more(1, "c"), 200, list));
        let hello = r#"{"message":"Hello from Server: a","status":"successful"}"#;
        assert!(met(Expected::Hello(names(&["a"])), 200, hello) && met(Expected::Hello(vec![]), 200, hello));
        assert!(!met(Expected::Hello(names(&["b"])), 200, hello));
        let error = r#"{"message":"<Error> no","status":"failure"}"#;
        assert!(met(Expected::AnyError, 400, error) && !met(Expected::AnyError, 500, error));
        assert!(met(Expected::Error("<Error> no".into()), 400, error));
        assert!(!met(Expected::Error("<Error> yes".into()), 400, error));
        assert!(!met(Expected::AnyError, 400, &error.replace("failure", "successful")));
        assert!(met(Expected::Empty, 200, "") && !met(Expected::Empty, 200, "x"));
    }

    #[test]
    fn an_answer_is_shown_in_one_line() {
        let list = br#"{"message":{"N":2,"replicas":["a","b"]},"status":"successful"}"#;
        assert_eq!(one_line(StatusCode::OK, list), "200 N=2: a, b");
        assert_eq!(one_line(StatusCode::BAD_REQUEST, br#"{"message":"<Error> no"}"#), "400 <Error> no");
        assert_eq!(one_line(StatusCode::OK, b""), "200, no body");
        assert_eq!(one_line(StatusCode::NOT_FOUND, b"<html>"), "404 <html>");
    }
}
