//! Latency of a replica's reply heads: a moving average that rises to every peak at once and decays slowly.

use std::time::{Duration, Instant};

/// Time constant of the decay after a peak.
const DECAY: Duration = Duration::from_secs(10);
/// The share of each reply in the mean: the mean of about the last 16 replies.
const MEAN_SHARE: f64 = 1.0 / 16.0;

/// Peak EWMA, as in Finagle: it reacts to a slowdown at once, and to a recovery slowly.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latency {
    seconds: f64,
    /// Exponentially weighted mean by reply, in seconds. Unlike the peak it forgets a single burst of late replies after
    /// some tens of replies in time.
    mean: f64,
    at: Option<Instant>,
}

impl Latency {
    /// Takes the latency of one reply head into account.
    pub fn observe(&mut self, took: Duration, now: Instant) {
        let took = took.as_secs_f64();
        let decay_factor = self.decay_factor(now);
        self.seconds = took.max(self.seconds * decay_factor + took * (1.0 - decay_factor));
        self.mean = if self.at.is_none() { took } else { self.mean + (took - self.mean) * MEAN_SHARE };
        self.at = Some(now);
    }

    /// The latency in seconds at `now`; `None` before the first reply. It decays without replies, so that a slow
    /// replica is tried again.
    pub fn seconds(&self, now: Instant) -> Option<f64> {
        self.at.map(|_| self.seconds * self.decay_factor(now))
    }

    /// The mean latency of the latest replies in seconds; 0 before the first reply.
    pub fn mean_seconds(&self) -> f64 {
        self.mean
    }

    fn decay_factor(&self, now: Instant) -> f64 {
        let elapsed = self.at.map_or(Duration::MAX, |at| now.saturating_duration_since(at));
        (-elapsed.as_secs_f64() / DECAY.as_secs_f64()).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_forgets_a_burst_of_late_replies_within_some_tens_of_replies() {
        let now = Instant::now();
        let mut latency = Latency::default();
        assert_eq!(latency.mean_seconds(), 0.0);
        (0..100).for_each(|_| latency.observe(Duration::from_secs(3), now));
        assert!(latency.mean_seconds() > 2.99);
        (0..64).for_each(|_| latency.observe(Duration::from_millis(10), now));
        assert!(latency.mean_seconds() < 0.1, "{}", latency.mean_seconds());
        assert_eq!(latency.seconds(now), Some(3.0));
    }

    #[test]
    fn a_peak_counts_at_once_and_decays() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let mut latency = Latency::default();
        assert_eq!(latency.seconds(start), None);
        latency.observe(ms(10), start);
        assert_eq!(latency.seconds(start), Some(0.01));
        latency.observe(ms(500), start + ms(1));
        assert_eq!(latency.seconds(start + ms(1)), Some(0.5));
        latency.observe(ms(10), start + ms(2));
        let after_one = latency.seconds(start + ms(2)).unwrap();
        assert!((0.49..0.5).contains(&after_one), "{after_one}");
        let mut now = start;
        for _ in 0..6000 {
            now += ms(10);
            latency.observe(ms(10), now);
        }
        let settled = latency.seconds(now).unwrap();
        assert!((0.0099..0.0125).contains(&settled), "{settled}");
        assert!(latency.seconds(now + DECAY * 10).unwrap() < 1e-5);
    }
}
