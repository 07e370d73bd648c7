//! Policies that choose the first choice of a request.

/// `--policy`. Retries always follow the walk of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The first seat of the key's walk.
    Hash,
    /// Weighted round robin, interleaved smoothly as in nginx.
    RoundRobin,
    /// Of two candidates drawn by weight, the one with fewer requests in flight relative to its weight.
    LeastRequests,
    /// Of two candidates drawn by weight, the one with the lower product of latency and requests in flight, as in
    /// Finagle.
    PeakEwma,
}

/// A replica that may be chosen.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Weight of its seat, 1 to 1,000.
    pub weight: u32,
    /// Requests in flight from this router.
    pub in_flight: usize,
    /// Average latency of its reply heads in seconds; `None` before the first reply.
    pub latency: Option<f64>,
    /// Round-robin credit, kept from one choice to the next; 0 at first.
    pub credit: i64,
}

impl Policy {
    /// Every policy, the default first.
    pub const ALL: [Self; 4] = [Self::Hash, Self::RoundRobin, Self::LeastRequests, Self::PeakEwma];

    /// Name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::RoundRobin => "round-robin",
            Self::LeastRequests => "least-requests",
            Self::PeakEwma => "peak-ewma",
        }
    }

    /// The index of the chosen candidate; `None` if there are no candidates, or with [`Hash`](Self::Hash).
    pub fn pick(self, candidates: &mut [Candidate], rng: &mut fastrand::Rng) -> Option<usize> {
        match self {
            Self::Hash => None,
            Self::RoundRobin => smooth_round_robin(candidates),
            Self::LeastRequests => better_of_two(candidates, rng, Candidate::load),
            Self::PeakEwma => better_of_two(candidates, rng, Candidate::cost),
        }
    }
}

impl Candidate {
    /// Requests in flight relative to the weight.
    fn load(&self) -> f64 {
        self.in_flight as f64 / f64::from(self.weight)
    }

    /// Expected seconds of a further request. The latency of a new replica is unknown: it gets one request, and no
    /// second one until that is answered, if there is another choice.
    fn cost(&self) -> f64 {
        match (self.latency, self.in_flight) {
            (Some(latency), _) => latency * (self.load() * 100.0 + 1.0),
            (None, 0) => 0.0,
            (None, waiting) => 1e9 + waiting as f64,
        }
    }
}

fn smooth_round_robin(candidates: &mut [Candidate]) -> Option<usize> {
    let total: i64 = candidates.iter().map(|candidate| i64::from(candidate.weight)).sum();
    for candidate in candidates.iter_mut() {
        candidate.credit += i64::from(candidate.weight);
    }
    let (next, chosen) = candidates.iter_mut().enumerate().rev().max_by_key(|(_, one)| one.credit)?;
    chosen.credit -= total;
    Some(next)
}

fn better_of_two(
    candidates: &[Candidate],
    rng: &mut fastrand::Rng,
    cost: impl Fn(&Candidate) -> f64,
) -> Option<usize> {
    let one = draw(candidates, None, rng)?;
    let other = draw(candidates, Some(one), rng).unwrap_or(one);
    Some(if cost(&candidates[other]) < cost(&candidates[one]) { other } else { one })
}

/// Draws an index by weight, other than `excluded`; `None` if there is no other.
fn draw(candidates: &[Candidate], excluded: Option<usize>, rng: &mut fastrand::Rng) -> Option<usize> {
    let open = || candidates.iter().enumerate().filter(|(at, _)| Some(*at) != excluded);
    let total: u64 = open().map(|(_, candidate)| u64::from(candidate.weight)).sum();
    let mut drawn = (total > 0).then(|| rng.u64(..total))?;
    open().find_map(|(at, candidate)| match drawn.checked_sub(u64::from(candidate.weight)) {
        Some(left) => {
            drawn = left;
            None
        }
        None => Some(at),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidates(weights: &[u32]) -> Vec<Candidate> {
        let one = |weight: &u32| Candidate { weight: *weight, in_flight: 0, latency: None, credit: 0 };
        weights.iter().map(one).collect()
    }

    /// How often each candidate is chosen if nothing stays in flight.
    fn shares(policy: Policy, candidates: &mut [Candidate], rounds: usize) -> Vec<usize> {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut shares = vec![0; candidates.len()];
        for _ in 0..rounds {
            shares[policy.pick(candidates, &mut rng).unwrap()] += 1;
        }
        shares
    }

    #[test]
    fn without_candidates_there_is_no_choice() {
        let mut rng = fastrand::Rng::with_seed(1);
        for policy in Policy::ALL {
            assert_eq!(policy.pick(&mut [], &mut rng), None);
        }
    }

    #[test]
    fn round_robin_interleaves_by_weight() {
        let mut three = candidates(&[100, 300, 100]);
        let mut rng = fastrand::Rng::new();
        let order: Vec<_> = (0..10).map(|_| Policy::RoundRobin.pick(&mut three, &mut rng).unwrap()).collect();
        assert_eq!(order, [1, 0, 1, 2, 1, 1, 0, 1, 2, 1]);
    }

    #[test]
    fn busy_and_slow_candidates_are_avoided() {
        let mut three = candidates(&[100, 100, 100]);
        three[1].in_flight = 5;
        let shares_of_load = shares(Policy::LeastRequests, &mut three, 3000);
        assert_eq!(shares_of_load[1], 0, "it loses against either other candidate");
        three.iter_mut().for_each(|one| one.latency = Some(0.001));
        (three[1].in_flight, three[2].latency) = (0, Some(0.1));
        assert_eq!(shares(Policy::PeakEwma, &mut three, 3000)[2], 0);
        three[0].in_flight = 500;
        assert!(shares(Policy::PeakEwma, &mut three, 3000)[2] > 0, "a long queue counts as slow too");
        three[0].latency = None;
        assert_eq!(shares(Policy::PeakEwma, &mut three, 3000)[0], 0, "latency unknown, and no reply yet");
    }

    proptest! {
        #[test]
        fn choices_follow_the_weights(weights in prop::collection::vec(1u32..=1000, 1..8)) {
            let total: usize = weights.iter().map(|weight| *weight as usize).sum();
            let even = shares(Policy::RoundRobin, &mut candidates(&weights), total);
            prop_assert!(even.iter().zip(&weights).all(|(share, weight)| *share == *weight as usize), "{even:?}");
            let drawn = shares(Policy::LeastRequests, &mut candidates(&weights), 20_000);
            for (share, weight) in drawn.iter().zip(&weights) {
                let expected = 20_000.0 * f64::from(*weight) / total as f64;
                prop_assert!((*share as f64 - expected).abs() < 600.0, "{share} for {expected}");
            }
        }
    }
}
