//! Adds up the reports of the routers. No count is lost when a router replies late or ends.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::fleet::RouterId;
use crate::stats::counters::{Replicas, RequestCounters, RoutingCounters, merge};

use crate::proxy::router::Measurement;

/// The latest report of every router, with its response time.
#[derive(Default)]
pub(crate) struct Aggregate {
    routers: BTreeMap<RouterId, (Measurement, Duration)>,
    /// The counters of routers that have ended.
    retired: (RequestCounters, RoutingCounters, Replicas),
}

/// The sum over all routers. Nothing in `counters` and `routing` ever decreases except the requests in flight.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Counters and durations of all requests.
    pub counters: RequestCounters,
    /// Retries, spills, ejections and other routing decisions.
    pub routing: RoutingCounters,
    /// By seat, the latest replica that any router reports.
    pub replicas: Replicas,
    /// Queue measurements by router.
    pub queues: BTreeMap<RouterId, Queues>,
}

/// Queue measurements of one router.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queues {
    /// Requests that wait for a reply of the ring.
    pub lookups: u64,
    /// The response time of the router to our last poll, as a sample of its mailbox delay; at most the poll's timeout.
    pub answer_after: Duration,
}

impl Aggregate {
    /// Stores a router's report unless a later one has overtaken it.
    pub fn record(&mut self, router: RouterId, answer: Measurement, after: Duration) {
        let last = self.routers.entry(router).or_default();
        if answer.sequence > last.0.sequence {
            *last = (answer, after);
        }
    }

    /// Notes that a router has not replied within `after`; its previous report still counts.
    pub fn record_timeout(&mut self, router: RouterId, after: Duration) {
        if let Some(last) = self.routers.get_mut(&router) {
            last.1 = after;
        }
    }

    /// Moves the counters of a router that has ended to the retired ones; its requests in flight have ended too.
    pub fn remove_router(&mut self, router: RouterId) {
        let Some((mut last, _)) = self.routers.remove(&router) else { return };
        last.counters.in_flight = 0;
        self.retired.0 += &last.counters;
        self.retired.1 += last.routing;
        for measured in &mut last.replicas {
            (measured.in_flight, measured.in_ring) = (0, false);
        }
        merge(&mut self.retired.2, &last.replicas);
    }

    /// The sum of the current and the retired reports.
    pub fn totals(&self) -> Totals {
        let (counters, routing, replicas) = self.retired.clone();
        let mut totals = Totals { counters, routing, replicas, ..Totals::default() };
        for (router, (answer, after)) in &self.routers {
            totals.counters += &answer.counters;
            totals.routing += answer.routing;
            merge(&mut totals.replicas, &answer.replicas);
            let queues = Queues { lookups: answer.lookups, answer_after: *after };
            totals.queues.insert(*router, queues);
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(sequence: u64, requests: u64, in_flight: u64) -> Measurement {
        let mut counters = RequestCounters { in_flight, ..RequestCounters::default() };
        counters.requests[0].0[2] = requests;
        Measurement {
            sequence,
            counters,
            routing: RoutingCounters { retries: requests, ..RoutingCounters::default() },
            ..Measurement::default()
        }
    }

    fn seen(aggregate: &Aggregate) -> (u64, u64, u64) {
        let totals = aggregate.totals();
        (totals.counters.total(), totals.routing.retries, totals.counters.in_flight)
    }

    #[test]
    fn counts_never_decrease() {
        let mut aggregate = Aggregate::default();
        aggregate.record(RouterId(1), report(1, 10, 1), Duration::ZERO);
        aggregate.record(RouterId(2), report(1, 5, 2), Duration::ZERO);
        assert_eq!(seen(&aggregate), (15, 15, 3));
        aggregate.record(RouterId(1), report(3, 12, 1), Duration::ZERO);
        aggregate.record(RouterId(1), report(2, 11, 1), Duration::ZERO);
        assert_eq!(seen(&aggregate), (17, 17, 3), "the older report arrived later");
        aggregate.record_timeout(RouterId(1), Duration::from_secs(1));
        assert_eq!(aggregate.totals().queues[&RouterId(1)].answer_after, Duration::from_secs(1));
        aggregate.remove_router(RouterId(1));
        aggregate.remove_router(RouterId(1));
        assert_eq!(seen(&aggregate), (17, 17, 2));
        aggregate.record(RouterId(3), report(1, 1, 0), Duration::ZERO);
        assert_eq!(seen(&aggregate), (18, 18, 2));
    }
}
