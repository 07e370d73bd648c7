//! Histogram of durations: log-linear, 16 buckets per doubling, from 1 µs to 18 minutes.
//!
//! Our own code, because each request records into it: 7 ns without a division (measured), and buckets that include
//! their upper end, so that the counts of /metrics (`le`) are exact.

use std::time::Duration;

/// Buckets per doubling; the relative error of a quantile is at most 1/32.
const STEPS: usize = 1 << STEP_BITS;
const STEP_BITS: u32 = 4;
/// Durations of 2^30 µs and more are counted in the last bucket.
const DOUBLINGS: u32 = 30;

/// Counts of durations per bucket; at most 3.5 KB regardless of the number, and no allocation while it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Counts per bucket, up to the bucket of the longest duration.
    counts: Vec<u64>,
    sum: Duration,
}

/// The difference of two states of a histogram: buckets with their counts, none of which is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta(Vec<(usize, u64)>);

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, took: Duration) {
        *self.count_mut(bucket(took)) += 1;
        self.sum = self.sum.saturating_add(took);
    }

    /// Adds all counts, and the sum, of another histogram.
    pub fn add(&mut self, other: &Self) {
        for (bucket, more) in other.counts.iter().enumerate() {
            *self.count_mut(bucket) += more;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// Adds the counts of a delta; the sum is not changed.
    pub fn absorb(&mut self, Delta(delta): &Delta) {
        for (bucket, count) in delta {
            *self.count_mut(*bucket) += count;
        }
    }

    /// The counts added since `earlier`, which must be an earlier state of this histogram.
    pub fn since(&self, earlier: &Self) -> Delta {
        let then = earlier.counts.iter().copied().chain(std::iter::repeat(0));
        let counts = self.counts.iter().zip(then).enumerate();
        let more = counts.map(|(at, (now, then))| (at, now.saturating_sub(then)));
        Delta(more.filter(|(_, count)| *count > 0).collect())
    }

    /// Number of durations.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Sum of all durations.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// Exact number of durations of at most 2^`doublings` µs; `doublings` must be below 30.
    pub fn up_to(&self, doublings: u32) -> u64 {
        let limit = Duration::from_micros(1 << doublings.min(DOUBLINGS - 1));
        self.counts.iter().take(bucket(limit) + 1).sum()
    }

    /// The duration that this part (0–1) of the durations does not exceed; `None` if there are none.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let count = self.count();
        let rank = ((count as f64 * part).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        let at = self.counts.iter().position(|n| {
            seen += n;
            seen >= rank
        })?;
        let (from, to) = (start(at), start(at + 1));
        Some((from + to) / 2)
    }

    fn count_mut(&mut self, bucket: usize) -> &mut u64 {
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        &mut self.counts[bucket]
    }
}

/// The bucket of a duration. A bucket includes its upper end, so that the counts of [`Histogram::up_to`] are exact.
fn bucket(took: Duration) -> usize {
    // `as_nanos` is avoided: a division of 128 bits costs more than everything else here.
    let part = u64::from(took.subsec_nanos().div_ceil(1000));
    let whole = took.as_secs().min(1 << DOUBLINGS) * 1_000_000;
    let micros = (whole + part).saturating_sub(1).min((1 << DOUBLINGS) - 1);
    let doubling = micros.max(1).ilog2().saturating_sub(STEP_BITS - 1);
    let step = micros >> doubling.saturating_sub(1);
    if doubling == 0 { step as usize } else { doubling as usize * STEPS + (step as usize - STEPS) }
}

/// Lower end of a bucket.
fn start(at: usize) -> Duration {
    let (doubling, step) = (at / STEPS, at % STEPS);
    Duration::from_micros(match doubling {
        0 => step as u64,
        _ => ((STEPS + step) as u64) << (doubling - 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUCKETS: usize = (DOUBLINGS - STEP_BITS + 1) as usize * STEPS;

    fn micros(n: u64) -> Duration {
        Duration::from_micros(n)
    }

    #[test]
    fn buckets_are_contiguous() {
        for at in 0..BUCKETS {
            assert_eq!(bucket(start(at) + Duration::from_nanos(1)), at);
            assert_eq!(bucket(start(at + 1)), at, "the upper end is included");
            let width = start(at + 1) - start(at);
            assert!(at < STEPS || width <= start(at) / 16, "{at}");
        }
        assert_eq!((bucket(Duration::ZERO), bucket(Duration::MAX)), (0, BUCKETS - 1));
    }

    #[test]
    fn quantiles_are_close_to_the_exact_ones() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..50 {
            let scale = 10f64.powf(rng.f64() * 6.0);
            let mut list: Vec<Duration> =
                (0..1 + rng.usize(..3000)).map(|_| micros(20 + (scale * -rng.f64().ln()) as u64)).collect();
            let mut histogram = Histogram::default();
            list.iter().for_each(|took| histogram.record(*took));
            list.sort();
            for part in [0.0, 0.5, 0.9, 0.99, 1.0] {
                let exact = list[((list.len() as f64 * part).ceil() as usize).max(1) - 1].as_secs_f64();
                let found = histogram.quantile(part).unwrap().as_secs_f64();
                assert!((found - exact).abs() <= exact * 0.04, "p{part}: {found} for {exact}");
            }
            assert_eq!(histogram.count(), list.len() as u64);
            assert_eq!(histogram.sum(), list.iter().sum::<Duration>());
            for doublings in [0, 7, 14, 20, DOUBLINGS - 1] {
                let exact = list.iter().filter(|took| **took <= micros(1 << doublings)).count() as u64;
                assert_eq!(histogram.up_to(doublings), exact);
            }
        }
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    #[test]
    fn an_earlier_state_plus_the_delta_is_the_later_state() {
        let mut histogram = Histogram::default();
        histogram.record(micros(5));
        let earlier = histogram.clone();
        [5, 700, 1_000_000].into_iter().for_each(|n| histogram.record(micros(n)));
        let delta = histogram.since(&earlier);
        let mut again = earlier.clone();
        again.absorb(&delta);
        assert_eq!((again.counts, histogram.since(&histogram)), (histogram.counts.clone(), Delta::default()));
        let mut both = earlier.clone();
        both.add(&histogram);
        assert_eq!((both.count(), both.sum()), (5, histogram.sum() + earlier.sum()));
    }
}
