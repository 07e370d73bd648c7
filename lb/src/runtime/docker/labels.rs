//! Labels of a container, by which the next balancer recognises it.

use std::collections::HashMap;

use super::super::Launch;
use crate::ring::{Incarnation, SeatId};

/// The cluster that it belongs to.
pub(super) const CLUSTER: &str = "lb.cluster";
/// The process that made it.
pub(super) const BALANCER: &str = "lb.balancer";
const SEAT: &str = "lb.seat";
const NAME: &str = "lb.name";
const INCARNATION: &str = "lb.incarnation";
const SPEC: &str = "lb.spec";
/// Id of the image that a container was made of. A copy of the container (`docker commit`) has another one.
pub(super) const IMAGE: &str = "lb.image";
/// The record of the target, on an anchor.
pub(super) const RECORD: &str = "lb.record";
/// The version of the record; the highest counts.
const VERSION: &str = "lb.record.version";

/// The labels that all containers of this process have in common.
pub(super) struct Labels {
    cluster: String,
    spec: String,
    image: String,
    balancer: String,
    /// Labels for other tools (compose).
    other_tools: HashMap<String, String>,
}

impl Labels {
    /// The common labels of this process.
    pub fn new(cluster: &str, spec: String, image: String, other_tools: HashMap<String, String>) -> Self {
        let balancer = format!("{:016x}", fastrand::u64(..));
        Self { cluster: cluster.to_owned(), spec, image, balancer, other_tools }
    }

    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The labels of a container.
    pub fn of(&self, launch: &Launch) -> HashMap<String, String> {
        let labels = [
            (CLUSTER, self.cluster.clone()),
            (BALANCER, self.balancer.clone()),
            (SPEC, self.spec.clone()),
            (IMAGE, self.image.clone()),
            (SEAT, launch.seat.to_string()),
            (NAME, launch.name.to_string()),
            (INCARNATION, launch.incarnation.to_string()),
        ];
        let own = labels.into_iter().map(|(key, value)| (key.to_owned(), value));
        own.chain(self.other_tools.clone()).collect()
    }

    /// The labels of an anchor. It lacks [`BALANCER`], so that it is not removed as a container of an abandoned
    /// launch.
    pub fn of_anchor(&self, version: u64, record: &str) -> HashMap<String, String> {
        let labels = [
            (CLUSTER, self.cluster.clone()),
            (IMAGE, self.image.clone()),
            (VERSION, version.to_string()),
            (RECORD, record.to_owned()),
        ];
        let own = labels.into_iter().map(|(key, value)| (key.to_owned(), value));
        own.chain(self.other_tools.clone()).collect()
    }

    /// Whether a container was made from another specification than the present one.
    pub fn outdated(&self, labels: &HashMap<String, String>) -> bool {
        labels.get(SPEC) != Some(&self.spec)
    }

    /// Whether this process made a container.
    pub fn made(&self, labels: &HashMap<String, String>) -> bool {
        labels.get(BALANCER) == Some(&self.balancer)
    }
}

/// The version of an anchor's record; `None`: not an anchor.
pub(super) fn version(labels: &HashMap<String, String>) -> Option<u64> {
    labels.get(VERSION)?.parse().ok()
}

/// The launch arguments of a container; `None`: no balancer made it.
pub(super) fn launch(labels: &HashMap<String, String>) -> Option<Launch> {
    let of = |key: &str| labels.get(key).map(String::as_str);
    Some(Launch {
        seat: SeatId::new(of(SEAT)?.parse().ok()?)?,
        name: of(NAME)?.parse().ok()?,
        incarnation: Incarnation(of(INCARNATION)?.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_round_trip() {
        let labels =
            |spec: &str| Labels::new("c", spec.into(), "i".into(), HashMap::from([("x".into(), "y".into())]));
        let (labels, twin, other) = (labels("s"), labels("s"), labels("t"));
        let launch = Launch {
            seat: SeatId::new(7).unwrap(),
            name: "a b".parse().unwrap(),
            incarnation: Incarnation(u64::MAX),
        };
        let written = labels.of(&launch);
        assert_eq!(super::launch(&written), Some(launch));
        assert!(labels.made(&written) && !twin.made(&written));
        assert!(!twin.outdated(&written) && other.outdated(&written));
        assert_eq!(written["x"], "y");
        for (key, bad) in [(SEAT, "0"), (NAME, "a/b"), (INCARNATION, "-1")] {
            let mut other = written.clone();
            other.insert(key.to_owned(), bad.to_owned());
            assert_eq!(super::launch(&other), None, "{key}");
            other.remove(key);
            assert_eq!(super::launch(&other), None, "{key}");
        }
    }
}
