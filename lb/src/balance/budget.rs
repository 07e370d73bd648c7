//! The retry budget: limits the attempts beyond the first that a router makes.

use std::time::{Duration, Instant};

/// Time constant with which earned retries decay.
const MEMORY: Duration = Duration::from_secs(10);

/// Retries per second that need not be earned, so that light traffic can retry too.
const FLOOR: f64 = 10.0;

/// Balance of retries. Every request earns a fraction of a retry, every retry costs one, and the balance decays, so
/// that a quiet hour does not pay for a retry storm: retries are at most `percent` of the requests of the last seconds,
/// plus 10 per second. Finagle and Linkerd have the same rule and the same constants.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    per_request: f64,
    balance: f64,
    at: Instant,
}

impl Budget {
    /// A budget of `percent` retries per hundred requests, with a full floor.
    pub fn new(percent: u32, now: Instant) -> Self {
        Self { per_request: f64::from(percent) / 100.0, balance: FLOOR * MEMORY.as_secs_f64(), at: now }
    }

    /// Changes the percentage; the balance stays.
    pub fn configure(&mut self, percent: u32) {
        self.per_request = f64::from(percent) / 100.0;
    }

    /// Earns the fraction of a retry for one request.
    pub fn earn(&mut self, now: Instant) {
        self.decay(now);
        self.balance += self.per_request;
    }

    /// Pays for one retry; returns `false` and changes nothing if the budget is exhausted.
    pub fn spend(&mut self, now: Instant) -> bool {
        self.decay(now);
        let affordable = self.balance >= 1.0;
        if affordable {
            self.balance -= 1.0;
        }
        affordable
    }

    /// Lets the balance decay towards the balance of the floor alone.
    fn decay(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        let decay_factor = (-elapsed / MEMORY.as_secs_f64()).exp();
        self.balance = self.balance * decay_factor + FLOOR * MEMORY.as_secs_f64() * (1.0 - decay_factor);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_idle_router_may_retry_and_an_outage_exhausts_it() {
        let now = Instant::now();
        let mut budget = Budget::new(20, now);
        let burst = (0..1000).filter(|_| budget.spend(now)).count();
        assert_eq!(burst, 100);
        assert!(!budget.spend(now));
        assert!(budget.spend(now + Duration::from_secs(1)), "the floor refills it");
    }

    #[test]
    fn a_quiet_time_does_not_pay_for_a_retry_storm() {
        let mut now = Instant::now();
        let mut budget = Budget::new(20, now);
        for _ in 0..60_000 {
            now += Duration::from_millis(1);
            budget.earn(now);
        }
        now += Duration::from_secs(300);
        let burst = (0..10_000).filter(|_| budget.spend(now)).count();
        assert!((99..=100).contains(&burst), "{burst}");
    }

    #[test]
    fn a_changed_percentage_keeps_the_balance() {
        let now = Instant::now();
        let mut budget = Budget::new(20, now);
        let spent = |budget: &mut Budget| (0..1000).filter(|_| budget.spend(now)).count();
        (0..50).for_each(|_| budget.earn(now));
        budget.configure(0);
        (0..50).for_each(|_| budget.earn(now));
        assert_eq!(spent(&mut budget), 110);
        budget.configure(100);
        (0..50).for_each(|_| budget.earn(now));
        assert_eq!(spent(&mut budget), 50);
    }

    proptest! {
        /// Even if every request fails, retries stay within the percentage and the floor, for any traffic.
        #[test]
        fn retries_stay_within_the_share(percent in 0u32..=100, gaps in prop::collection::vec(0u64..20_000, 1..3000)) {
            let start = Instant::now();
            let (mut now, mut budget, mut retries) = (start, Budget::new(percent, start), 0u32);
            for gap in &gaps {
                now += Duration::from_micros(*gap);
                budget.earn(now);
                while budget.spend(now) {
                    retries += 1;
                }
            }
            let seconds = (now - start).as_secs_f64();
            let limit = gaps.len() as f64 * f64::from(percent) / 100.0 + FLOOR * (MEMORY.as_secs_f64() + seconds);
            prop_assert!(f64::from(retries) <= limit + 1.0, "{retries} of {limit}");
        }
    }
}
