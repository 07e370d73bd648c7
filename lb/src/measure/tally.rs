//! Counts since the start: requests by method and status, attempts by replica.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use awc::http::{Method, StatusCode};

use crate::ring::{Incarnation, Replica, Weight};

use super::histogram::Histogram;

/// The classes of methods. `other` is also the method of what was refused before one was read.
pub const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];

/// The classes of status codes; `none` where the client left before there was a reply.
pub const STATUSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Where 5xx stands.
const FAILED: usize = 5;

/// Replies, one count for each of [`STATUSES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replies(pub [u64; STATUSES.len()]);

/// What came of the requests of one worker, or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that have ended, by each of [`METHODS`].
    pub requests: [Replies; METHODS.len()],
    /// Those among them that no replica answered.
    pub own: Replies,
    /// From the request's head to the last byte of its reply; not of tunnels.
    pub durations: Histogram,
    /// Requests sent to a replica that have not ended, repeated ones too.
    pub in_flight: u64,
}

/// What one replica has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaTally {
    /// Requests sent to it, repeated ones too.
    pub attempts: u64,
    /// Those among them that failed, before the reply's head or behind it.
    pub failures: u64,
    /// Its replies that went to a client, to the end.
    pub replies: Replies,
    /// From the request to the head of its reply.
    pub durations: Histogram,
}

/// A replica that has a seat, or was the last to have it, and what it has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Who.
    pub replica: Replica,
    /// Its seat's weight.
    pub weight: Weight,
    /// Requests in flight to it.
    pub in_flight: u64,
    /// Since it came into the ring for the first time.
    pub tally: ReplicaTally,
    /// Whether it is there now: one that was drained by hand may come back, and counts on.
    pub in_ring: bool,
}

/// Who has, or had last, which seat.
pub type Replicas = BTreeMap<Incarnation, Measured>;

impl Replies {
    /// One more, with this status if it was answered.
    pub fn count(&mut self, status: Option<StatusCode>) {
        let class = status.map_or(0, |status| usize::from(status.as_u16() / 100));
        self.0[class.min(FAILED)] += 1;
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Those with 5xx.
    pub fn failed(&self) -> u64 {
        self.0[FAILED]
    }
}

impl Tally {
    /// Requests that have ended.
    pub fn total(&self) -> u64 {
        self.requests.iter().map(Replies::total).sum()
    }

    /// Those with 5xx.
    pub fn failed(&self) -> u64 {
        self.requests.iter().map(Replies::failed).sum()
    }
}

impl ReplicaTally {
    /// Attempts that failed, and replies with 5xx.
    pub fn errors(&self) -> u64 {
        self.failures + self.replies.failed()
    }
}

impl AddAssign<&Replies> for Replies {
    fn add_assign(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }
}

impl AddAssign<&Tally> for Tally {
    fn add_assign(&mut self, other: &Self) {
        for (replies, more) in self.requests.iter_mut().zip(&other.requests) {
            *replies += more;
        }
        self.own += &other.own;
        self.durations.add(&other.durations);
        self.in_flight += other.in_flight;
    }
}

impl AddAssign<&ReplicaTally> for ReplicaTally {
    fn add_assign(&mut self, other: &Self) {
        self.attempts += other.attempts;
        self.failures += other.failures;
        self.replies += &other.replies;
        self.durations.add(&other.durations);
    }
}

/// What another worker measured of the same replicas, too.
pub fn merge(replicas: &mut Replicas, other: &[Measured]) {
    for measured in other {
        let incarnation = measured.replica.incarnation;
        let Some(known) = replicas.get_mut(&incarnation) else {
            replicas.insert(incarnation, measured.clone());
            continue;
        };
        known.weight = measured.weight;
        known.in_flight += measured.in_flight;
        known.tally += &measured.tally;
        known.in_ring |= measured.in_ring;
    }
}

/// Where in [`METHODS`] a method stands.
pub fn method_class(method: &Method) -> usize {
    METHODS.iter().position(|name| *name == method.as_str()).unwrap_or(METHODS.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_bounded() {
        let of = |method: &str| METHODS[method_class(&Method::from_bytes(method.as_bytes()).unwrap())];
        assert_eq!(
            ["GET", "DELETE", "TRACE", "get", "other"].map(of),
            ["GET", "DELETE", "other", "other", "other"]
        );
        let mut replies = Replies::default();
        for status in [None, Some(101), Some(200), Some(204), Some(302), Some(404), Some(503), Some(999)] {
            replies.count(status.map(|status| StatusCode::from_u16(status).unwrap()));
        }
        assert_eq!((replies.0, replies.total(), replies.failed()), ([1, 1, 2, 1, 1, 2], 8, 2));
    }
}
