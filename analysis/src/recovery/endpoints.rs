//! Every endpoint: good and bad requests, and what the contract answers.

use awc::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::balancer::{Balancer, HELLO};
use crate::table::{Cell, Table};

/// What every refusal of the contract starts with.
const ERROR: &str = "<Error> ";

/// What was asked and answered.
pub struct Endpoints {
    checks: Vec<Check>,
    /// Why some endpoints were not asked.
    pub skipped: Option<String>,
}

struct Check {
    call: &'static str,
    request: String,
    expected: Expected,
    got: String,
    ok: bool,
}

/// The answer that the contract gives.
enum Expected {
    /// 200 and no body.
    Empty,
    /// 200 and one of these names; any name if none is known.
    Hello(Vec<String>),
    /// 200 and these replicas, in this order.
    List(Vec<String>),
    /// 200, the replicas of before and so many more, this one among them.
    More { before: Vec<String>, n: usize, named: String },
    /// 400 and this message.
    Refusal(String),
    /// 400 and any message of the contract.
    AnyRefusal,
}

impl Endpoints {
    /// Asks them all. What it adds it removes.
    pub async fn check(balancer: &Balancer) -> Self {
        let mut endpoints = Self { checks: Vec::new(), skipped: None };
        let found = match balancer.replicas().await {
            Ok(found) => {
                endpoints.ask(balancer, "GET /rep", "", Expected::List(found.clone())).await;
                found
            }
            Err(reason) => {
                endpoints.skipped = Some(format!("/rep, /add and /rm are not asked: {reason}"));
                Vec::new()
            }
        };
        endpoints.ask(balancer, "GET /heartbeat", "", Expected::Empty).await;
        endpoints.ask(balancer, "GET /home", "", Expected::Hello(found.clone())).await;
        let other = format!("{ERROR}'/other' endpoint does not exist in server replicas");
        endpoints.ask(balancer, "GET /other", "", Expected::Refusal(other)).await;
        if endpoints.skipped.is_none() {
            endpoints.changes(balancer, &found).await;
        }
        endpoints
    }

    /// /add and /rm, good and bad.
    async fn changes(&mut self, balancer: &Balancer, found: &[String]) {
        let new = format!("analysis-{:06x}", fastrand::u32(..1 << 24));
        let good = json!({ "n": 2, "hostnames": [new] }).to_string();
        let more = Expected::More { before: found.to_vec(), n: 2, named: new.clone() };
        if self.ask(balancer, "POST /add", &good, more).await == Some(StatusCode::BAD_REQUEST) {
            let refused = self.checks.pop().map(|check| check.got).unwrap_or_default();
            self.skipped = Some(format!("/add and /rm are not asked: /add answers {refused}"));
            return;
        }
        let refused = |message: String| Expected::Refusal(format!("{ERROR}{message}"));
        let two = json!({ "n": 1, "hostnames": ["a", "b"] }).to_string();
        let twice = json!({ "n": 2, "hostnames": ["a", "a"] }).to_string();
        let present = json!({ "n": 1, "hostnames": [new] }).to_string();
        let unknown = json!({ "n": 1, "hostnames": [format!("{new}-x")] }).to_string();
        let long = |what: &str| refused(format!("Length of hostname list is more than {what} instances"));
        let duplicate = || refused("Duplicate hostname 'a'".into());
        for (call, body, expected) in [
            ("POST /add", two.as_str(), long("newly added")),
            ("POST /add", &twice, duplicate()),
            ("POST /add", &present, refused(format!("Hostname '{new}' already exists"))),
            ("POST /add", r#"{"n":1,"hostnames":["../x"]}"#, Expected::AnyRefusal),
            ("POST /add", r#"{"n":0}"#, Expected::AnyRefusal),
            ("POST /add", "no JSON", Expected::AnyRefusal),
            ("DELETE /rm", &two, long("removable")),
            ("DELETE /rm", &twice, duplicate()),
            ("DELETE /rm", &unknown, refused(format!("Hostname '{new}-x' is not a managed replica"))),
            ("DELETE /rm", r#"{"hostnames":[]}"#, Expected::AnyRefusal),
            ("DELETE /rm", "no JSON", Expected::AnyRefusal),
        ] {
            self.ask(balancer, call, body, expected).await;
        }
        // Whatever was added goes, also if it is not what should have been added.
        let now = balancer.replicas().await.unwrap_or_default();
        let added: Vec<_> = now.into_iter().filter(|name| !found.contains(name)).collect();
        let remove = json!({ "n": added.len(), "hostnames": added }).to_string();
        self.ask(balancer, "DELETE /rm", &remove, Expected::List(found.to_vec())).await;
        self.ask(balancer, "GET /rep", "", Expected::List(found.to_vec())).await;
    }

    /// One request; `call` is its method and path. Returns the status.
    async fn ask(
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
            Ok((status, body)) => (Some(status), shown(status, &body), expected.is_met(status, &body)),
            Err(error) => (None, error.to_string(), false),
        };
        self.checks.push(Check { call, request: body.into(), expected, got, ok });
        status
    }

    /// How many answers are not what they should be.
    pub fn wrong(&self) -> usize {
        self.checks.iter().filter(|check| !check.ok).count()
    }

    /// How many were asked for.
    pub fn asked(&self) -> usize {
        self.checks.len()
    }

    /// All of them.
    pub fn table(&self) -> Table {
        let columns = ["endpoint", "ok", "request", "expected", "got"];
        let mut table = Table::new("endpoints", "Every endpoint, and what it answers", &columns);
        for check in &self.checks {
            let ok = if check.ok { "yes" } else { "no" };
            table.row([
                Cell::text(check.call),
                Cell::text(ok),
                Cell::text(&check.request),
                Cell::text(check.expected.words()),
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
            Self::Refusal(expected) => message == Some(expected),
            Self::AnyRefusal => message.is_some_and(|message| message.starts_with(ERROR)),
        };
        met && (status, answer["status"].as_str()) == self.status()
    }

    fn status(&self) -> (StatusCode, Option<&'static str>) {
        match self {
            Self::Empty | Self::Hello(_) | Self::List(_) | Self::More { .. } => {
                (StatusCode::OK, Some("successful"))
            }
            Self::Refusal(_) | Self::AnyRefusal => (StatusCode::BAD_REQUEST, Some("failure")),
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Empty => "200, no body".into(),
            Self::Hello(_) => format!("200 {HELLO}one that is listed"),
            Self::List(names) => format!("200 N={}: {}", names.len(), names.join(", ")),
            Self::More { before, n, named } => format!("200 N={}, with {named}", before.len() + n),
            Self::Refusal(message) => format!("400 {message}"),
            Self::AnyRefusal => format!("400 {ERROR}and why"),
        }
    }
}

/// An answer in a line.
fn shown(status: StatusCode, body: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let words = match &answer["message"] {
        Value::String(message) => message.clone(),
        Value::Object(rep) => {
            let names = rep.get("replicas").and_then(Value::as_array).into_iter().flatten();
            let names: Vec<_> = names.filter_map(Value::as_str).collect();
            format!("N={}: {}", rep.get("N").unwrap_or(&Value::Null), names.join(", "))
        }
        _ if body.is_empty() => return format!("{}, no body", status.as_u16()),
        _ => String::from_utf8_lossy(body).chars().take(200).collect(),
    };
    format!("{} {words}", status.as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn an_answer_is_judged_by_status_and_body() {
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
        let refusal = r#"{"message":"<Error> no","status":"failure"}"#;
        assert!(met(Expected::AnyRefusal, 400, refusal) && !met(Expected::AnyRefusal, 500, refusal));
        assert!(met(Expected::Refusal("<Error> no".into()), 400, refusal));
        assert!(!met(Expected::Refusal("<Error> yes".into()), 400, refusal));
        assert!(!met(Expected::AnyRefusal, 400, &refusal.replace("failure", "successful")));
        assert!(met(Expected::Empty, 200, "") && !met(Expected::Empty, 200, "x"));
    }

    #[test]
    fn answers_in_a_line() {
        let list = br#"{"message":{"N":2,"replicas":["a","b"]},"status":"successful"}"#;
        assert_eq!(shown(StatusCode::OK, list), "200 N=2: a, b");
        assert_eq!(shown(StatusCode::BAD_REQUEST, br#"{"message":"<Error> no"}"#), "400 <Error> no");
        assert_eq!(shown(StatusCode::OK, b""), "200, no body");
        assert_eq!(shown(StatusCode::NOT_FOUND, b"<html>"), "404 <html>");
    }
}
