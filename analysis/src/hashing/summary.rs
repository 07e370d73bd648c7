//! Summarizes the trials of a scheme.

use super::sweep::Trial;
use crate::stats::quantile;

/// Summary of the trials of one scheme; see [`Trial`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Peak-to-average of requests.
    pub peak: Quantiles,
    /// Median peak-to-average of slots.
    pub slot_peak: f64,
    /// Mean share moved by a join, divided by the ideal.
    pub join: f64,
    /// Mean share moved by a leave, divided by the ideal.
    pub leave: f64,
    /// Mean share (0–1) of all requests that move needlessly.
    pub needless: f64,
    /// Mean of the needless share divided by the ideal.
    pub excess: f64,
}

/// The median of some values, and the range of their middle 90 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantiles {
    /// The 5th percentile.
    pub low: f64,
    /// The 50th percentile.
    pub median: f64,
    /// The 95th percentile.
    pub high: f64,
}

impl Summary {
    /// Summarizes trials of one scheme.
    pub fn of(trials: &[Trial]) -> Self {
        let all = |of: fn(&Trial) -> f64| trials.iter().map(of);
        let mean = |of: fn(&Trial) -> f64| mean(all(of));
        Self {
            peak: Quantiles::of(all(|trial| trial.peak)),
            slot_peak: Quantiles::of(all(|trial| trial.slot_peak)).median,
            join: mean(|trial| trial.join),
            leave: mean(|trial| trial.leave),
            needless: mean(|trial| trial.needless),
            excess: mean(|trial| trial.excess),
        }
    }
}

impl Quantiles {
    /// Quantiles of values in any order; all 0 if there are none.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |share| quantile(&values, share);
        Self { low: at(0.05), median: at(0.5), high: at(0.95) }
    }

    /// Low, median and high.
    pub const fn values(self) -> [f64; 3] {
        [self.low, self.median, self.high]
    }
}

/// Mean of the values; 0 if there are none.
pub fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_leave_a_twentieth_on_each_side() {
        let quantiles = Quantiles::of((1..=100).rev().map(f64::from));
        assert_eq!(quantiles.values(), [5.0, 50.0, 95.0]);
        assert_eq!(Quantiles::of([].into_iter()).values(), [0.0; 3]);
        assert_eq!(mean([1.0, 2.0].into_iter()), 1.5);
        assert_eq!(mean([].into_iter()), 0.0);
    }
}
