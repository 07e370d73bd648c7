//! Figures of a distribution.

/// How evenly requests are spread over replicas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Requests per replica.
    pub mean: f64,
    /// Standard deviation of the counts (of all replicas, not of a sample).
    pub deviation: f64,
    /// The largest count over the mean: 1 is even.
    pub peak_to_average: f64,
}

impl Spread {
    /// The spread of these counts, or `None` if nothing was counted.
    pub fn of(counts: &[u32]) -> Option<Self> {
        let peak = f64::from(*counts.iter().max().filter(|peak| **peak > 0)?);
        let n = counts.len() as f64;
        let mean = counts.iter().copied().map(f64::from).sum::<f64>() / n;
        let variance = counts.iter().map(|count| (f64::from(*count) - mean).powi(2)).sum::<f64>() / n;
        Some(Self { mean, deviation: variance.sqrt(), peak_to_average: peak / mean })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_figures() {
        let spread = Spread::of(&[2, 4, 4, 4, 5, 5, 7, 9]).unwrap();
        assert_eq!(spread, Spread { mean: 5.0, deviation: 2.0, peak_to_average: 1.8 });
        assert_eq!(Spread::of(&[0, 0]), None);
        assert_eq!(Spread::of(&[]), None);
    }
}
