//! What the routers said, put together: nothing that was counted is lost when one of them is late or ends.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::fleet::RouterId;
use crate::stats::counters::{Replicas, Tally, merge};

use crate::proxy::router::{Answer, Counts};

/// The latest answer of every router.
#[derive(Default)]
pub(crate) struct Aggregate {
    routers: BTreeMap<RouterId, (Answer, Duration)>,
    /// What routers counted that have ended.
    ended: (Tally, Counts, Replicas),
}

/// Everything that was counted. Nothing in `tally` and `counts` ever decreases, but what is in flight.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// All requests.
    pub tally: Tally,
    /// What the routers have done beside forwarding.
    pub counts: Counts,
    /// Who had each seat last, by any router's account.
    pub replicas: Replicas,
    /// What waits, by router.
    pub queues: BTreeMap<RouterId, Queues>,
}

/// What waits in or for one router.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queues {
    /// Requests that wait for an answer of the ring.
    pub lookups: u64,
    /// How long our last question waited for an answer: as long as any message to this router.
    pub answer_after: Duration,
}

impl Aggregate {
    /// A router's answer, unless a later one has overtaken it.
    pub fn told(&mut self, router: RouterId, answer: Answer, after: Duration) {
        let last = self.routers.entry(router).or_default();
        if answer.turn > last.0.turn {
            *last = (answer, after);
        }
    }

    /// A router has not answered for so long; what it said before counts.
    pub fn silent(&mut self, router: RouterId, after: Duration) {
        if let Some(last) = self.routers.get_mut(&router) {
            last.1 = after;
        }
    }

    /// A router has ended; so has what it had in flight.
    pub fn ended(&mut self, router: RouterId) {
        let Some((mut last, _)) = self.routers.remove(&router) else { return };
        last.tally.in_flight = 0;
        self.ended.0 += &last.tally;
        self.ended.1 += last.counts;
        for measured in &mut last.replicas {
            (measured.in_flight, measured.in_ring) = (0, false);
        }
        merge(&mut self.ended.2, &last.replicas);
    }

    pub fn totals(&self) -> Totals {
        let (tally, counts, replicas) = self.ended.clone();
        let mut totals = Totals { tally, counts, replicas, ..Totals::default() };
        for (router, (answer, after)) in &self.routers {
            totals.tally += &answer.tally;
            totals.counts += answer.counts;
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

    fn answer(turn: u64, requests: u64, in_flight: u64) -> Answer {
        let mut tally = Tally { in_flight, ..Tally::default() };
        tally.requests[0].0[2] = requests;
        Answer { turn, tally, counts: Counts { retries: requests, ..Counts::default() }, ..Answer::default() }
    }

    fn seen(gathered: &Aggregate) -> (u64, u64, u64) {
        let totals = gathered.totals();
        (totals.tally.total(), totals.counts.retries, totals.tally.in_flight)
    }

    #[test]
    fn counts_never_decrease() {
        let mut gathered = Aggregate::default();
        gathered.told(RouterId(1), answer(1, 10, 1), Duration::ZERO);
        gathered.told(RouterId(2), answer(1, 5, 2), Duration::ZERO);
        assert_eq!(seen(&gathered), (15, 15, 3));
        gathered.told(RouterId(1), answer(3, 12, 1), Duration::ZERO);
        gathered.told(RouterId(1), answer(2, 11, 1), Duration::ZERO);
        assert_eq!(seen(&gathered), (17, 17, 3), "the older answer came later");
        gathered.silent(RouterId(1), Duration::from_secs(1));
        assert_eq!(gathered.totals().queues[&RouterId(1)].answer_after, Duration::from_secs(1));
        gathered.ended(RouterId(1));
        gathered.ended(RouterId(1));
        assert_eq!(seen(&gathered), (17, 17, 2));
        gathered.told(RouterId(3), answer(1, 1, 0), Duration::ZERO);
        assert_eq!(seen(&gathered), (18, 18, 2));
    }
}
