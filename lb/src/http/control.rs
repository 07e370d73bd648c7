//! /rep, /add and /rm: the fleet, shown and changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use actix::{Addr, Handler, Message};
use actix_http::{Payload, Response, StatusCode};
use futures::StreamExt;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::actors::supervisor::{Add, List, Remove, SupervisorActor};
use crate::fleet::{Refusal, Removal};
use crate::name::Name;

use super::body::Body;
use super::error::{Error, json_response};

/// What the body of /add and /rm may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest, in bytes.
    pub size: usize,
    /// The longest that it may take to come, all of it.
    pub time: Duration,
}

/// The limits in force; a handle to share between threads.
#[derive(Clone, Debug)]
pub struct LiveLimits(Arc<(AtomicUsize, AtomicU64)>);

/// What /add and /rm ask for, once read.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    n: usize,
    names: Vec<Name>,
}

impl LiveLimits {
    /// These, from the start on.
    pub fn new(limits: Limits) -> Self {
        let live = Self(Arc::default());
        live.set(limits);
        live
    }

    /// From now on these.
    pub fn set(&self, Limits { size, time }: Limits) {
        self.0.0.store(size, Ordering::Relaxed);
        self.0.1.store(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Those of now.
    pub fn get(&self) -> Limits {
        let (size, time) = (&self.0.0, &self.0.1);
        Limits {
            size: size.load(Ordering::Relaxed),
            time: Duration::from_millis(time.load(Ordering::Relaxed)),
        }
    }
}

/// GET /rep.
pub async fn rep(supervisor: &Addr<SupervisorActor>) -> Result<Response<Body>, Error> {
    Ok(list(&supervisor.send(List).await.map_err(|_| Refusal::Stopping)?))
}

/// POST /add.
pub async fn add(
    supervisor: &Addr<SupervisorActor>,
    body: Payload,
    limits: Limits,
) -> Result<Response<Body>, Error> {
    let body = read(body, limits).await?;
    ask(supervisor, to_add(&body)?).await
}

/// DELETE or POST /rm.
pub async fn remove(
    supervisor: &Addr<SupervisorActor>,
    body: Payload,
    limits: Limits,
) -> Result<Response<Body>, Error> {
    let body = read(body, limits).await?;
    ask(supervisor, Remove(to_remove(&body)?)).await
}

/// What an /add asks for.
pub(super) fn to_add(body: &Map<String, Value>) -> Result<Add, Error> {
    let Wish { n, names } = wish(body, || Error::MoreNamesThanAdded)?;
    Ok(Add { n, names })
}

/// What an /rm asks for.
pub(super) fn to_remove(body: &Map<String, Value>) -> Result<Removal, Error> {
    let Wish { n, names } = wish(body, || Error::MoreNamesThanRemoved)?;
    Ok(Removal { n, names, seats: Vec::new() })
}

/// Changes the fleet. A client that leaves does not cancel its call: a dropped `send` would, if the actor had not read
/// it yet.
pub(super) async fn ask<M>(supervisor: &Addr<SupervisorActor>, call: M) -> Result<Response<Body>, Error>
where
    M: Message<Result = Result<Vec<Name>, Refusal>> + Send + 'static,
    SupervisorActor: Handler<M>,
{
    match actix_rt::spawn(supervisor.send(call)).await {
        Ok(Ok(answer)) => Ok(list(&answer?)),
        _ => Err(Refusal::Stopping.into()),
    }
}

fn list(names: &[Name]) -> Response<Body> {
    let message = json!({ "N": names.len(), "replicas": names });
    json_response(StatusCode::OK, &json!({ "message": message, "status": "successful" }))
}

/// The body's JSON object.
pub(super) async fn read(body: Payload, Limits { size, time }: Limits) -> Result<Map<String, Value>, Error> {
    object(&timeout(time, read_up_to(body, size)).await.map_err(|_| Error::TooSlow(time))??)
}

async fn read_up_to(mut body: Payload, limit: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| Error::BadBody(format!("The body broke off: {error}")))?;
        if bytes.len() + chunk.len() > limit {
            return Err(Error::TooLarge(limit));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Error> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(bad("The body is not a JSON object like {\"n\":1,\"hostnames\":[\"S1\"]}")),
        Err(error) => Err(Error::BadBody(format!("The body is not JSON: {error}"))),
    }
}

/// Reads `{"n":4,"hostnames":["S5","S4"]}`. The length of the list is checked before any name in it.
fn wish(fields: &Map<String, Value>, too_many: impl FnOnce() -> Error) -> Result<Wish, Error> {
    let n = match fields.get("n") {
        None | Some(Value::Null) => {
            return Err(bad("'n' is missing: give the number of replicas, 1 or more"));
        }
        Some(n) => n.as_u64().filter(|n| *n >= 1).and_then(|n| usize::try_from(n).ok()),
    };
    let n = n.ok_or_else(|| bad("'n' is not an integer of 1 or more"))?;
    let hostnames = match fields.get("hostnames") {
        None | Some(Value::Null) => &Vec::new(),
        Some(hostnames) => list_of(hostnames, "hostnames")?,
    };
    if hostnames.len() > n {
        return Err(too_many());
    }
    Ok(Wish { n, names: names(hostnames, "hostnames")? })
}

/// A field that is a list of names.
pub(super) fn list_of<'a>(value: &'a Value, field: &str) -> Result<&'a Vec<Value>, Error> {
    value.as_array().ok_or_else(|| not_names(field))
}

/// The names of such a list.
pub(super) fn names(list: &[Value], field: &str) -> Result<Vec<Name>, Error> {
    let name = |name: &Value| Ok(name.as_str().ok_or_else(|| not_names(field))?.parse()?);
    list.iter().map(name).collect()
}

pub(super) fn bad(message: &str) -> Error {
    Error::BadBody(message.to_owned())
}

fn not_names(field: &str) -> Error {
    Error::BadBody(format!("'{field}' is not a list of names"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &[u8], too_many: impl FnOnce() -> Error) -> Result<Wish, Error> {
        wish(&object(body)?, too_many)
    }

    fn error(body: &str) -> String {
        parse(body.as_bytes(), || Error::MoreNamesThanAdded).unwrap_err().to_string()
    }

    #[test]
    fn what_is_a_wish() {
        let wish = |body: &str| parse(body.as_bytes(), || Error::MoreNamesThanAdded).unwrap();
        assert_eq!(wish(r#"{"n":2}"#), Wish { n: 2, names: vec![] });
        assert_eq!(wish(r#"{"n":2,"hostnames":null}"#), Wish { n: 2, names: vec![] });
        let names = vec!["S5".parse().unwrap(), "S 4".parse().unwrap()];
        assert_eq!(wish(r#"{"n":4,"hostnames":["S5","S 4"],"more":[]}"#), Wish { n: 4, names });
    }

    #[test]
    fn every_error_names_its_field() {
        for body in ["", "{", "[1]", "{\"n\":1} x", "\u{0}"] {
            assert!(error(body).starts_with("The body is not"), "{body}: {}", error(body));
        }
        for body in [
            r#"{}"#,
            r#"{"n":null}"#,
            r#"{"n":0}"#,
            r#"{"n":-1}"#,
            r#"{"n":1.5}"#,
            r#"{"n":"1"}"#,
            r#"{"n":99999999999999999999}"#,
        ] {
            assert!(error(body).starts_with("'n' is"), "{body}: {}", error(body));
        }
        for body in [r#"{"n":1,"hostnames":"S1"}"#, r#"{"n":1,"hostnames":[1]}"#, r#"{"n":1,"hostnames":{}}"#]
        {
            assert_eq!(error(body), "'hostnames' is not a list of names");
        }
    }

    #[test]
    fn the_length_is_checked_before_the_names() {
        let long = r#"{"n":1,"hostnames":["../x","a"]}"#;
        assert_eq!(error(long), "Length of hostname list is more than newly added instances");
        assert!(error(r#"{"n":1,"hostnames":["../x"]}"#).starts_with("Hostname '../x' is not allowed"));
    }
}
