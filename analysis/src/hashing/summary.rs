//! What many trials say of a scheme.

use super::sweep::Trial;
use crate::stats::quantile;

/// Of one scheme.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Peak-to-average of requests.
    pub peak: Middle,
    /// Median peak-to-average of slots.
    pub slot_peak: f64,
    /// Mean over the ideal; see [`Trial`].
    pub join: f64,
    /// Mean over the ideal.
    pub leave: f64,
    /// Mean share of all requests, 0…1.
    pub needless: f64,
    /// Mean over the ideal.
    pub excess: f64,
}

/// The median of some values, and the range of the middle 90 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Middle {
    /// A twentieth is below.
    pub low: f64,
    /// Half is below.
    pub median: f64,
    /// A twentieth is above.
    pub high: f64,
}

impl Summary {
    /// Of its trials.
    pub fn of(trials: &[Trial]) -> Self {
        let all = |of: fn(&Trial) -> f64| trials.iter().map(of);
        let mean = |of: fn(&Trial) -> f64| mean(all(of));
        Self {
            peak: Middle::of(all(|trial| trial.peak)),
            slot_peak: Middle::of(all(|trial| trial.slot_peak)).median,
            join: mean(|trial| trial.join),
            leave: mean(|trial| trial.leave),
            needless: mean(|trial| trial.needless),
            excess: mean(|trial| trial.excess),
        }
    }
}

impl Middle {
    /// Of these values, in any order; zeros of none.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |share| quantile(&values, share);
        Self { low: at(0.05), median: at(0.5), high: at(0.95) }
    }

    /// From low to high.
    pub const fn values(self) -> [f64; 3] {
        [self.low, self.median, self.high]
    }
}

/// 0 of none.
pub fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_leaves_a_twentieth_on_each_side() {
        let middle = Middle::of((1..=100).rev().map(f64::from));
        assert_eq!(middle.values(), [5.0, 50.0, 95.0]);
        assert_eq!(Middle::of([].into_iter()).values(), [0.0; 3]);
        assert_eq!(mean([1.0, 2.0].into_iter()), 1.5);
        assert_eq!(mean([].into_iter()), 0.0);
    }
}
