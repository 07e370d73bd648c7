//! Results of the requests: of each, and the summary of a fault.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::fault::Fault;

/// Result of one request.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Time from when it was due to its last byte or its failure.
    pub took: Duration,
    /// Whether the reply was complete and correct.
    pub result: Result<(), Failure>,
}

/// Reason why a reply is not the correct one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// Origin of the reply: name of a replica, or `lb`.
    pub origin: String,
    /// Status of the reply, or the error in it.
    pub reason: String,
}

/// Summary of all requests of a fault.
#[derive(Debug)]
pub struct Summary {
    pub fault: Fault,
    pub requests: usize,
    pub failed: usize,
    /// Times of all requests, failed ones included.
    pub p50: Duration,
    pub p99: Duration,
    pub max: Duration,
    /// Failures with their counts, the most frequent first.
    pub failures: Vec<(Failure, usize)>,
}

impl Summary {
    /// Summarizes the outcomes.
    pub fn of(fault: Fault, outcomes: &[Outcome]) -> Self {
        let mut times: Vec<_> = outcomes.iter().map(|outcome| outcome.took).collect();
        times.sort_unstable();
        let mut counts = BTreeMap::new();
        for failure in outcomes.iter().filter_map(|outcome| outcome.result.as_ref().err()) {
            *counts.entry(failure.clone()).or_default() += 1;
        }
        let mut failures: Vec<(Failure, usize)> = counts.into_iter().collect();
        failures.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Self {
            fault,
            requests: outcomes.len(),
            failed: failures.iter().map(|(_, count)| count).sum(),
            p50: percentile(&times, 50),
            p99: percentile(&times, 99),
            max: percentile(&times, 100),
            failures,
        }
    }

    /// Whether the limits of the fault are met.
    pub fn meets_target(&self) -> bool {
        let target = self.fault.target();
        self.failed <= target.failed && target.p99.is_none_or(|p99| self.p99 <= p99)
    }
}

/// Percentile by nearest rank; zero without values.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_follow_the_nearest_rank() {
        let times: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        let ms = |percent| percentile(&times, percent).as_millis();
        assert_eq!((ms(50), ms(99), ms(100)), (100, 198, 200));
        assert_eq!(percentile(&times[..1], 50), times[0]);
        assert_eq!(percentile(&[], 99), Duration::ZERO);
    }

    #[test]
    fn failures_are_counted_by_origin_and_reason() {
        let failure = |origin: &str, reason: &str| Failure { origin: origin.into(), reason: reason.into() };
        let outcome = |result| Outcome { took: Duration::from_millis(1), result };
        let outcomes: Vec<_> =
            [Ok(()), Err(failure("a", "500")), Err(failure("lb", "502")), Err(failure("lb", "502"))]
                .into_iter()
                .map(outcome)
                .collect();
        let summary = Summary::of(Fault::Error, &outcomes);
        assert_eq!((summary.requests, summary.failed), (4, 3));
        assert_eq!(summary.failures, [(failure("lb", "502"), 2), (failure("a", "500"), 1)]);
        assert!(summary.meets_target());
        assert!(!Summary::of(Fault::Kill, &outcomes).meets_target());
    }
}
