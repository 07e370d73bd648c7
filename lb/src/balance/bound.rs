//! Bounded load: limits the requests in flight per replica, so that a hot key does not overload its replica.

/// `--bounded-load` and `--bounded-load-floor`, for one router.
///
/// A replica may get another request if afterwards it has no more in flight than its fair share times `load`, or than
/// `floor`. For p routers together this means: a replica of weight w has at most `load`·T·w/W + floor + p requests in
/// flight, where T is the number of all requests in flight and W the weight of all replicas that may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Factor in per mille, at least 1,000.
    pub load: u32,
    /// Number of requests in flight per replica that is always allowed, so that light traffic never spills.
    pub floor: usize,
}

impl Bound {
    /// The bound of one of `routers` routers, which share the floor.
    pub fn new(load: u32, floor: usize, routers: usize) -> Self {
        Self { load, floor: floor.div_ceil(routers.max(1)) }
    }

    /// The largest number of requests in flight that a replica may have including the next one. `in_flight` is the
    /// number of the router including that request; `weight` is that of the replica, of a `total` over all candidates.
    pub fn limit(&self, in_flight: usize, weight: u64, total: u64) -> usize {
        let share = u128::from(self.load) * in_flight as u128 * u128::from(weight);
        let fair = share.div_ceil(1000 * u128::from(total.max(1)));
        usize::try_from(fair).unwrap_or(usize::MAX).max(self.floor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_limit_is_the_fair_share_or_the_floor() {
        let bound = Bound::new(1250, 16, 2);
        assert_eq!(bound.floor, 8);
        assert_eq!(bound.limit(1, 100, 300), 8);
        assert_eq!(bound.limit(30, 100, 300), 13, "ceil(12.5)");
        assert_eq!(bound.limit(30, 200, 300), 25);
        assert_eq!(bound.limit(30, 100, 100), 38);
    }

    proptest! {
        /// Requests arrive for slots of any skew and end in any order; each takes the first replica with room.
        #[test]
        fn there_is_always_room_and_the_bound_always_holds(
            weights in prop::collection::vec(1u64..=1000, 1..12),
            load in 1000u32..=3000,
            floor in 0usize..20,
            steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 1..400),
        ) {
            let bound = Bound { load, floor };
            let total: u64 = weights.iter().sum();
            let mut loads = vec![0usize; weights.len()];
            let mut in_flight = Vec::new();
            for (ends, which) in steps {
                if ends && !in_flight.is_empty() {
                    let replica: usize = in_flight.swap_remove(which.index(in_flight.len()));
                    loads[replica] -= 1;
                    continue;
                }
                // The cube makes the first seats hot.
                let first = which.index(weights.len().pow(3)) / weights.len().pow(2);
                let limit = |replica: usize| bound.limit(in_flight.len() + 1, weights[replica], total);
                let mut walk = (first..first + weights.len()).map(|at| at % weights.len());
                let chosen = walk.find(|replica| loads[*replica] < limit(*replica));
                prop_assert!(chosen.is_some(), "a factor of at least 1 always leaves room");
                let chosen = chosen.unwrap();
                loads[chosen] += 1;
                in_flight.push(chosen);
                let fair = f64::from(load) / 1000.0 * in_flight.len() as f64 * weights[chosen] as f64 / total as f64;
                prop_assert!(loads[chosen] <= (fair.ceil() as usize).max(floor));
            }
        }
    }
}
