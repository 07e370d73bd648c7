//! Statistics of request counts and of latencies.

use std::time::Duration;

use statrs::distribution::{ChiSquared, Continuous, ContinuousCDF, Normal};

/// How evenly requests are spread over replicas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Mean number of requests per replica.
    pub mean: f64,
    /// Population standard deviation of the counts.
    pub deviation: f64,
    /// The largest count divided by the mean; 1 is perfectly even.
    pub peak_to_average: f64,
    /// Pearson's χ² against an even split.
    pub chi_square: f64,
    /// Probability that an even mapping of random keys spreads at least as unevenly; `None` for a single replica.
    pub p_value: Option<f64>,
}

/// Latency percentiles, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// The 50th percentile (median).
    pub p50: f64,
    /// The 90th percentile.
    pub p90: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The 99.9th percentile.
    pub p999: f64,
    /// The longest latency.
    pub max: f64,
}

impl Spread {
    /// The spread of these counts; `None` if they are empty or all zero.
    pub fn of(counts: &[u32]) -> Option<Self> {
        let peak = f64::from(*counts.iter().max().filter(|peak| **peak > 0)?);
        let n = counts.len() as f64;
        let mean = counts.iter().copied().map(f64::from).sum::<f64>() / n;
        let squares: f64 = counts.iter().map(|count| (f64::from(*count) - mean).powi(2)).sum();
        let chi_square = squares / mean;
        let p_value = ChiSquared::new(n - 1.0).ok().map(|even| even.sf(chi_square));
        let deviation = (squares / n).sqrt();
        Some(Self { mean, deviation, peak_to_average: peak / mean, chi_square, p_value })
    }
}

impl Latency {
    /// Percentiles of reply times in any order; `None` if there are none.
    pub fn of(times: &[Duration]) -> Option<Self> {
        let mut times: Vec<f64> = times.iter().map(|time| 1000.0 * time.as_secs_f64()).collect();
        times.sort_by(f64::total_cmp);
        let max = *times.last()?;
        let at = |share| quantile(&times, share);
        Some(Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max })
    }
}

/// The value that this share (0–1) of the sorted values does not exceed, by nearest rank: always a measured value.
/// 0 if there are none.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or_default()
}

/// The expected peak-to-average of a perfect mapping of `keys` random keys to `n` replicas:
/// 1 + e_n·√(n / keys), where e_n is the expected maximum of n standard normals.
pub fn perfect_peak_to_average(n: usize, keys: u32) -> f64 {
    1.0 + expected_maximum(n) * (n as f64 / f64::from(keys)).sqrt()
}

/// Expected maximum of `n` standard normals: ∫ x·n·φ(x)·Φ(x)ⁿ⁻¹ dx, by Simpson's rule over ±10; 1.03 at 4, 2.51 at 100.
pub fn expected_maximum(n: usize) -> f64 {
    const STEPS: u32 = 2000;
    let (normal, n) = (Normal::standard(), n.max(1) as f64);
    let density = |x: f64| x * n * normal.pdf(x) * normal.cdf(x).powf(n - 1.0);
    let width = 20.0 / f64::from(STEPS);
    let sum: f64 = (0..=STEPS)
        .map(|step| {
            let weight = if step == 0 || step == STEPS { 1.0 } else { f64::from(2 + 2 * (step % 2)) };
            weight * density(-10.0 + f64::from(step) * width)
        })
        .sum();
    sum * width / 3.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-4
    }

    #[test]
    fn spread_of_known_counts() {
        let spread = Spread::of(&[2, 4, 4, 4, 5, 5, 7, 9]).unwrap();
        assert_eq!((spread.mean, spread.deviation, spread.peak_to_average), (5.0, 2.0, 1.8));
        assert_eq!(spread.chi_square, 6.4);
        assert_eq!(Spread::of(&[0, 0]), None);
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[7]).unwrap().p_value, None);
    }

    /// The 95 % points are from published tables.
    #[test]
    fn chi_square_matches_published_tables() {
        for (replicas, point) in [(2, 3.8415), (3, 5.9915), (6, 11.0705)] {
            let p = ChiSquared::new(f64::from(replicas - 1)).unwrap().sf(point);
            assert!(close(p, 0.05), "{replicas} {p}");
        }
        // 60 throws of a die: 11, 7, 14, 8, 12, 8 has χ² = 3.8 and, at five degrees of freedom, p = 0.5786.
        let die = Spread::of(&[11, 7, 14, 8, 12, 8]).unwrap();
        assert!(close(die.chi_square, 3.8) && close(die.p_value.unwrap(), 0.5786), "{die:?}");
    }

    /// Expected maxima of normal samples (Harter 1961).
    #[test]
    fn expected_maximum_matches_published_values() {
        let table = [(1, 0.0), (2, 0.56419), (3, 0.84628), (4, 1.02938), (10, 1.53875), (100, 2.50759)];
        for (n, expected) in table {
            assert!(close(expected_maximum(n), expected), "{n} {}", expected_maximum(n));
        }
        assert!(close(perfect_peak_to_average(3, 10_000), 1.014658));
    }

    #[test]
    fn quantiles_are_measured_values() {
        let times: Vec<_> = (1..=1000).rev().map(Duration::from_millis).collect();
        let latency = Latency::of(&times).unwrap();
        assert_eq!(latency, Latency { p50: 500.0, p90: 900.0, p99: 990.0, p999: 999.0, max: 1000.0 });
        assert_eq!(Latency::of(&times[..1]).unwrap().p50, 1000.0);
        assert_eq!(Latency::of(&[]), None);
    }
}
