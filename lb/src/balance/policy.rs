//! Which replica is a request's first choice.

/// `--policy`. Where a retry goes is always the walk's to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The key's own replica: the first of the walk.
    Hash,
    /// Each in turn, by weight, evenly mixed (nginx's smooth weighted round robin).
    RoundRobin,
    /// Of two drawn by weight the one with fewer requests in flight for its weight.
    LeastRequests,
    /// Of two drawn by weight the one whose latency, times the requests in flight, is lower (Finagle's).
    PeakEwma,
}

/// A replica that may be chosen.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Its seat's, 1…1,000.
    pub weight: u32,
    /// Requests of this router in flight to it.
    pub in_flight: usize,
    /// Of its reply heads, in seconds; `None` if none came yet.
    pub latency: Option<f64>,
    /// How much its turn is due: kept from one round-robin choice to the next, 0 at first.
    pub credit: i64,
}

impl Policy {
    /// The name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::RoundRobin => "round-robin",
            Self::LeastRequests => "least-requests",
            Self::PeakEwma => "peak-ewma",
        }
    }

    /// The index of the first choice; `None` if there is no candidate, or if the walk decides.
    pub fn pick(self, candidates: &mut [Candidate], rng: &mut fastrand::Rng) -> Option<usize> {
        match self {
            Self::Hash => None,
            Self::RoundRobin => in_turn(candidates),
            Self::LeastRequests => better_of_two(candidates, rng, Candidate::load),
            Self::PeakEwma => better_of_two(candidates, rng, Candidate::cost),
        }
    }
}

impl Candidate {
    /// In flight for its weight.
    fn load(&self) -> f64 {
        self.in_flight as f64 / f64::from(self.weight)
    }

    /// Seconds that a further request may take. Nobody knows how fast a new replica is: it gets one request and no
    /// second until that is answered, if there is another choice.
    fn cost(&self) -> f64 {
        match (self.latency, self.in_flight) {
            (Some(latency), _) => latency * (self.load() * 100.0 + 1.0),
            (None, 0) => 0.0,
            (None, waiting) => 1e9 + waiting as f64,
        }
    }
}

fn in_turn(candidates: &mut [Candidate]) -> Option<usize> {
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

/// An index by weight, other than `but`.
fn draw(candidates: &[Candidate], but: Option<usize>, rng: &mut fastrand::Rng) -> Option<usize> {
    let open = || candidates.iter().enumerate().filter(|(at, _)| Some(*at) != but);
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

    /// How often each is chosen when nothing stays in flight.
    fn shares(policy: Policy, candidates: &mut [Candidate], rounds: usize) -> Vec<usize> {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut shares = vec![0; candidates.len()];
        for _ in 0..rounds {
            shares[policy.pick(candidates, &mut rng).unwrap()] += 1;
        }
        shares
    }

    #[test]
    fn nobody_to_choose_from() {
        let mut rng = fastrand::Rng::with_seed(1);
        for policy in [Policy::Hash, Policy::RoundRobin, Policy::LeastRequests, Policy::PeakEwma] {
            assert_eq!(policy.pick(&mut [], &mut rng), None);
        }
    }

    #[test]
    fn round_robin_mixes_evenly() {
        let mut three = candidates(&[100, 300, 100]);
        let mut rng = fastrand::Rng::new();
        let order: Vec<_> = (0..10).map(|_| Policy::RoundRobin.pick(&mut three, &mut rng).unwrap()).collect();
        assert_eq!(order, [1, 0, 1, 2, 1, 1, 0, 1, 2, 1]);
    }

    #[test]
    fn the_busy_and_the_slow_are_avoided() {
        let mut three = candidates(&[100, 100, 100]);
        three[1].in_flight = 5;
        let shares_of_load = shares(Policy::LeastRequests, &mut three, 3000);
        assert_eq!(shares_of_load[1], 0, "it loses against either");
        three.iter_mut().for_each(|one| one.latency = Some(0.001));
        (three[1].in_flight, three[2].latency) = (0, Some(0.1));
        assert_eq!(shares(Policy::PeakEwma, &mut three, 3000)[2], 0);
        three[0].in_flight = 500;
        assert!(shares(Policy::PeakEwma, &mut three, 3000)[2] > 0, "a long queue is slow too");
        three[0].latency = None;
        assert_eq!(shares(Policy::PeakEwma, &mut three, 3000)[0], 0, "unknown, and not answered yet");
    }

    proptest! {
        #[test]
        fn weights_are_honoured(weights in prop::collection::vec(1u32..=1000, 1..8)) {
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
