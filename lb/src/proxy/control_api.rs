//! The control API: /rep lists the replicas, /add and /rm change their number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use actix_http::{Payload, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::control::supervisor::SupervisorHandle;
use crate::fleet::{Command, Removal};
use crate::name::Name;

use super::body::Body;
use super::error::{Error, RequestError};
use super::json::{self, Count, Shape};
use super::success::Success;

/// Limits of the request body of /add and /rm.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest body in bytes (`--max-control-body`).
    pub size: usize,
    /// Longest time until the whole body has arrived.
    pub time: Duration,
}

/// The current [`Limits`], shared between threads and changed by a reload.
#[derive(Clone, Debug)]
pub struct LiveLimits(Arc<(AtomicUsize, AtomicU64)>);

/// The body of /add and /rm. Unknown members are ignored, because clients of other balancers send some.
#[derive(Deserialize)]
pub(crate) struct ReplicaChange {
    pub n: Count,
    /// Not yet parsed as names: the length of the list is checked first.
    pub hostnames: Option<Vec<String>>,
}

impl Shape for ReplicaChange {
    const LIKE: &'static str = r#"{"n":1,"hostnames":["S1"]}"#;
}

impl ReplicaChange {
    pub fn into_add(self) -> Result<Command, RequestError> {
        let (n, names) = self.checked(RequestError::MoreNamesThanAdded)?;
        Ok(Command::Add { n, names })
    }

    pub fn into_removal(self) -> Result<Removal, RequestError> {
        let (n, names) = self.checked(RequestError::MoreNamesThanRemoved)?;
        Ok(Removal { n, names, seats: Vec::new() })
    }

    fn checked(self, too_many: RequestError) -> Result<(usize, Vec<Name>), RequestError> {
        let (Count(n), hostnames) = (self.n, self.hostnames.unwrap_or_default());
        if hostnames.len() > n {
            return Err(too_many);
        }
        let names = hostnames.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
        Ok((n, names))
    }
}

/// The replicas that /rep lists.
#[derive(Serialize, ToSchema)]
pub(crate) struct List {
    /// Number of replicas.
    #[serde(rename = "N")]
    n: usize,
    /// Hostnames in seat order.
    replicas: Vec<Name>,
}

impl List {
    pub fn new(replicas: Vec<Name>) -> Self {
        Self { n: replicas.len(), replicas }
    }
}

impl LiveLimits {
    /// Shares these limits.
    pub fn new(limits: Limits) -> Self {
        let live = Self(Arc::default());
        live.set(limits);
        live
    }

    /// Replaces the limits for later requests.
    pub fn set(&self, Limits { size, time }: Limits) {
        self.0.0.store(size, Ordering::Relaxed);
        self.0.1.store(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The current limits.
    pub fn get(&self) -> Limits {
        let (size, time) = (&self.0.0, &self.0.1);
        Limits {
            size: size.load(Ordering::Relaxed),
            time: Duration::from_millis(time.load(Ordering::Relaxed)),
        }
    }
}

/// Handles GET /rep: the hostnames of the replicas.
pub async fn rep(supervisor: &SupervisorHandle) -> Result<Response<Body>, Error> {
    Ok(list(supervisor.list().await?))
}

/// Handles POST /add: adds `n` replicas and returns the new list.
pub async fn add(
    supervisor: &SupervisorHandle,
    body: Payload,
    limits: Limits,
) -> Result<Response<Body>, Error> {
    let add = json::read::<ReplicaChange>(body, limits).await?.into_add()?;
    Ok(list(supervisor.call(add).await?.replicas))
}

/// Handles DELETE or POST /rm: removes `n` replicas and returns the new list.
pub async fn remove(
    supervisor: &SupervisorHandle,
    body: Payload,
    limits: Limits,
) -> Result<Response<Body>, Error> {
    let remove = json::read::<ReplicaChange>(body, limits).await?.into_removal()?;
    Ok(list(supervisor.call(Command::Remove(remove)).await?.replicas))
}

fn list(names: Vec<Name>) -> Response<Body> {
    json::response(StatusCode::OK, &json!(Success::new(List::new(names))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_add(body: &str) -> Result<(usize, Vec<Name>), String> {
        let change = json::parse::<ReplicaChange>(body.as_bytes()).and_then(ReplicaChange::into_add);
        match change.map_err(|error| error.to_string())? {
            Command::Add { n, names } => Ok((n, names)),
            other => panic!("{other:?} is no /add"),
        }
    }

    #[test]
    fn bodies_of_add_are_parsed() {
        let is = |body: &str, n, names: &[&str]| {
            let (added, named) = parse_add(body).unwrap();
            assert_eq!((added, named.iter().map(Name::as_str).collect::<Vec<_>>()), (n, names.to_vec()));
        };
        is(r#"{"n":2}"#, 2, &[]);
        is(r#"{"n":2,"hostnames":null}"#, 2, &[]);
        is(r#"{"n":4,"hostnames":["S5","S 4"],"more":[]}"#, 4, &["S5", "S 4"]);
        let deep = format!(r#"{{"n":1,"more":{}"#, "[".repeat(60_000));
        assert!(parse_add(&deep).unwrap_err().starts_with("The body is not JSON: "));
    }

    #[test]
    fn the_length_is_checked_before_the_names() {
        let error = |body: &str| parse_add(body).unwrap_err();
        let long = r#"{"n":1,"hostnames":["../x","a"]}"#;
        assert_eq!(error(long), "Length of hostname list is more than newly added instances");
        assert!(error(r#"{"n":1,"hostnames":["../x"]}"#).starts_with("Hostname '../x' is not allowed"));
        assert_eq!(error(r#"{"n":1,"hostnames":[1]}"#), "'hostnames[0]' is not a string");
    }
}
