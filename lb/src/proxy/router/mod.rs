//! RouterActor: one per HTTP worker; looks up the walk of a request's slot in the ring and forwards the request.
//!
//! # Layout
//! In the order in which a request passes:
//! - `handle`: what other modules may do with a router · `actor`: RouterActor and its messages
//! - `forward`: one request, from its key to its reply · `request_id`: X-Request-Id
//! - `slot`: the key of a request and its slot · `hot_keys`: the most frequent keys
//! - `walk`: the walk of the slot, and the next replica along it · `leases`: which answers of the ring are valid
//! - `endpoints`: the replicas: choice, ejection, stalls
//! - `attempts`: the attempts of a request that wait for a reply head · `in_flight`: the outcome of one of them
//! - `replica_client`: sends the attempts, on the pool of [`client`](super::client)
//!
//! Beside it: `state` (the parts of a router), `statistics`, `notices` (to the supervisor), `request_log` (the log record
//! of a request), `explain` (reports the choice without a request).

mod actor;
mod attempts;
mod endpoints;
mod explain;
mod forward;
mod handle;
mod hot_keys;
mod in_flight;
mod leases;
mod notices;
mod replica_client;
mod request_id;
mod request_log;
mod slot;
mod state;
mod statistics;
#[cfg(test)]
mod tests;
mod walk;

use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_http::Payload;
use awc::http::uri::PathAndQuery;
use awc::http::{Method, StatusCode};
use bytes::Bytes;

use super::client::{ReplayBody, Waiting};
use super::key::KeySources;
use crate::balance::{Bound, Policy};
use crate::http1::fields::Fields;
use crate::proxy::redaction::KeyRedactor;
use crate::statuses::Statuses;

pub use crate::control::router_link::{Explain, RouterExplanation, Skip};
use endpoints::Limits;
pub use handle::RouterHandle;
pub use hot_keys::{COUNTERS, Generation, HotKeySnapshot, HotKeyTracker, Label};
pub use in_flight::InFlight;
pub use request_log::{
    ClientRequest, FirstChoiceSkipped, RequestInfo, RequestLog, RequestLogger, RequestObserver,
};
pub use statistics::Measurement;

/// Configuration of the routers. A request keeps the settings with which it began.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Sources of the request key.
    pub key: KeySources,
    /// Redacts keys in logs and in the API.
    pub key_redactor: KeyRedactor,
    /// Chooses the replica of the first attempt.
    pub policy: Policy,
    /// Bounded load: a replica's share of the requests in flight; `None`: unbounded.
    pub bound: Option<Bound>,
    /// Maximum number of attempts of a request beyond the first.
    pub retries: u32,
    /// Retry budget: further attempts of all requests, in percent of the requests.
    pub retry_budget: u32,
    /// Maximum time from the request to the last byte of its reply; `None`: unlimited.
    pub request_timeout: Option<Duration>,
    /// Maximum number of requests in flight of one router; more are refused with [`Error::Overloaded`].
    pub max_in_flight: usize,
    /// Status codes of replies that count as failures of the replica.
    pub eject_on: Statuses,
    /// Settings of the connections to the replicas.
    pub client: super::client::Settings,
}

/// A request as it is sent to a replica, without hop-by-hop fields.
pub struct Request {
    /// Method of the request.
    pub method: Method,
    /// Path and query as received, not decoded.
    pub target: PathAndQuery,
    /// End-to-end fields, `Host` among them if the client sent one.
    pub(crate) fields: Fields,
    /// The protocols of an offer to upgrade, as in the field `Upgrade`; `None` if there is none.
    pub(crate) offer: Option<Vec<u8>>,
    /// The client's address: the peer's, or the one that trusted proxies report.
    pub client: IpAddr,
    /// Body of the request; `None` if it has none.
    pub body: Option<ReplayBody>,
    /// The request on its connection, for replies 103.
    pub waiting: Waiting,
    /// Log record of the request.
    pub request_log: Rc<RequestLog>,
}

/// A replica's reply as received.
pub struct Reply {
    /// Status code of the reply.
    pub status: StatusCode,
    /// Reason phrase as received.
    pub reason: Bytes,
    /// Header fields, without `Transfer-Encoding`.
    pub(crate) fields: Fields,
    /// Body; yields an error if it was cut short.
    pub payload: Payload,
    /// Counts the request as in flight; dropped after the last byte of the body.
    pub in_flight: InFlight,
}

/// Reasons why a request gets no reply.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No seat is occupied.
    #[error("no replica is ready")]
    NoReplica,
    /// The router has `--max-in-flight` requests in flight.
    #[error("too many requests in flight")]
    Overloaded,
    /// The last attempt failed with this error.
    #[error("{0}")]
    Replica(super::client::Error),
    /// `--request-timeout` expired before a reply head.
    #[error("no reply within {0:?} (--request-timeout)")]
    TooLong(Duration),
    /// The client disconnected before there was a reply.
    #[error("the client has left")]
    ClientLeft,
    /// The balancer is stopping.
    #[error("the balancer is stopping")]
    Stopping,
}

impl Settings {
    /// The settings that restrict the choice of a replica.
    fn limits(&self) -> Limits {
        Limits { policy: self.policy, bound: self.bound, max_in_flight: self.max_in_flight }
    }
}

/// The time of tokio's clock, which tests can pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
