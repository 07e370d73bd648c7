//! Counters since the start: requests by method and status, routing decisions, attempts by replica.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use awc::http::{Method, StatusCode};

use crate::ring::{Incarnation, Replica, Weight};

use super::histogram::Histogram;

/// Classes of methods. Requests rejected before their method was read count as `other`.
pub const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];

/// Classes of status codes; `none` if the client left before there was a reply.
pub const STATUSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Index of 5xx in [`STATUSES`].
const FAILED: usize = 5;

/// Number of replies for each of [`STATUSES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusCounts(pub [u64; STATUSES.len()]);

/// Counters of the requests of one worker, or of all workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestCounters {
    /// Completed requests, for each of [`METHODS`].
    pub requests: [StatusCounts; METHODS.len()],
    /// Completed requests that the balancer answered itself; also counted in `requests`.
    pub own: StatusCounts,
    /// Time from the request head to the last byte of the reply; tunnels are not included.
    pub durations: Histogram,
    /// Attempts (retries included) that are in progress.
    pub in_flight: u64,
}

/// Counters of routing decisions since the router started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[schema(as = Routing)]
pub struct RoutingCounters {
    /// Attempts beyond the first one of their request.
    pub retries: u64,
    /// Further attempts that the retry budget refused.
    pub budget_exhausted: u64,
    /// Requests that skipped a replica because of the bounded load.
    pub spills: u64,
    /// Ejections of replicas, without the renewed ones after a failed probe.
    pub ejections: u64,
    /// Stalls of replicas: silent while others answer.
    pub stalls: u64,
    /// Readmissions of ejected or stalled replicas.
    pub readmissions: u64,
    /// Requests that failed and were not repeated although retries were left: a replica was lost while serving them (it
    /// died, hung or broke the connection), and a further attempt failed too.
    pub not_repeated: u64,
}

/// Counters of one replica.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaCounters {
    /// Attempts sent to it, retries included.
    pub attempts: u64,
    /// Attempts that failed, before or after the reply head.
    pub failures: u64,
    /// Replies that were forwarded completely to a client.
    pub replies: StatusCounts,
    /// Time from the request to the reply head.
    pub durations: Histogram,
}

/// Counters of a replica that occupies a seat, or was the last to occupy it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The replica that was measured.
    pub replica: Replica,
    /// Weight of its seat.
    pub weight: Weight,
    /// Attempts in progress.
    pub in_flight: u64,
    /// Counters since it first joined the ring.
    pub counters: ReplicaCounters,
    /// Whether it is in the ring now. A cordoned replica may return, and then continues its counters.
    pub in_ring: bool,
}

/// Counters of the present and of the last replica of each seat, by incarnation.
pub type Replicas = BTreeMap<Incarnation, Measured>;

impl StatusCounts {
    /// Counts one reply; `None` is a request that got no reply.
    pub fn count(&mut self, status: Option<StatusCode>) {
        let class = status.map_or(0, |status| usize::from(status.as_u16() / 100));
        self.0[class.min(FAILED)] += 1;
    }

    /// Number of all replies.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Number of replies with status 5xx.
    pub fn failed(&self) -> u64 {
        self.0[FAILED]
    }
}

impl RequestCounters {
    /// Number of completed requests.
    pub fn total(&self) -> u64 {
        self.requests.iter().map(StatusCounts::total).sum()
    }

    /// Number of completed requests with status 5xx.
    pub fn failed(&self) -> u64 {
        self.requests.iter().map(StatusCounts::failed).sum()
    }
}

impl ReplicaCounters {
    /// Number of failed attempts and of replies with status 5xx.
    pub fn errors(&self) -> u64 {
        self.failures + self.replies.failed()
    }
}

impl AddAssign<&StatusCounts> for StatusCounts {
    fn add_assign(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }
}

impl AddAssign<&RequestCounters> for RequestCounters {
    fn add_assign(&mut self, other: &Self) {
        for (replies, more) in self.requests.iter_mut().zip(&other.requests) {
            *replies += more;
        }
        self.own += &other.own;
        self.durations.add(&other.durations);
        self.in_flight += other.in_flight;
    }
}

impl AddAssign for RoutingCounters {
    fn add_assign(&mut self, other: Self) {
        // Without `..`: the compiler names a counter that is not added.
        let Self { retries, budget_exhausted, spills, ejections, stalls, readmissions, not_repeated } = other;
        self.retries += retries;
        self.budget_exhausted += budget_exhausted;
        self.spills += spills;
        self.ejections += ejections;
        self.stalls += stalls;
        self.readmissions += readmissions;
        self.not_repeated += not_repeated;
    }
}

impl AddAssign<&ReplicaCounters> for ReplicaCounters {
    fn add_assign(&mut self, other: &Self) {
        self.attempts += other.attempts;
        self.failures += other.failures;
        self.replies += &other.replies;
        self.durations.add(&other.durations);
    }
}

/// Adds the counters that another worker has for the same replicas.
pub fn merge(replicas: &mut Replicas, other: &[Measured]) {
    for measured in other {
        let incarnation = measured.replica.incarnation;
        let Some(known) = replicas.get_mut(&incarnation) else {
            replicas.insert(incarnation, measured.clone());
            continue;
        };
        known.weight = measured.weight;
        known.in_flight += measured.in_flight;
        known.counters += &measured.counters;
        known.in_ring |= measured.in_ring;
    }
}

/// Index of a method in [`METHODS`].
pub fn method_class(method: &Method) -> usize {
    METHODS.iter().position(|name| *name == method.as_str()).unwrap_or(METHODS.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_statuses_fall_into_fixed_classes() {
        let of = |method: &str| METHODS[method_class(&Method::from_bytes(method.as_bytes()).unwrap())];
        assert_eq!(
            ["GET", "DELETE", "TRACE", "get", "other"].map(of),
            ["GET", "DELETE", "other", "other", "other"]
        );
        let mut replies = StatusCounts::default();
        for status in [None, Some(101), Some(200), Some(204), Some(302), Some(404), Some(503), Some(999)] {
            replies.count(status.map(|status| StatusCode::from_u16(status).unwrap()));
        }
        assert_eq!((replies.0, replies.total(), replies.failed()), ([1, 1, 2, 1, 1, 2], 8, 2));
    }
}
