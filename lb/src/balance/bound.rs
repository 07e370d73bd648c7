//! Bounded load: how much of what is in flight one replica may have, so that a hot key does not sink its replica.

/// `--bounded-load` and its floor, for one router.
///
/// A request may go to a replica if with it the replica has no more in flight than its fair share times `load`, or than
/// `floor`. What that makes of p routers together: a replica of weight w has at most `load`·T·w/W + floor + p in flight,
/// T being all that is in flight and W the weight of all replicas that may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The factor, in per mille: at least 1,000.
    pub load: u32,
    /// Requests in flight to one replica that are never too many: light traffic never spills.
    pub floor: usize,
}

impl Bound {
    /// `--bounded-load-floor` is for all routers together; each gets its part.
    pub fn new(load: u32, floor: usize, routers: usize) -> Self {
        Self { load, floor: floor.div_ceil(routers.max(1)) }
    }

    /// The most that a replica may have in flight once the next request is assigned. `in_flight`: of the router, with
    /// that request; `weight`: the replica's, of `total` over all that may be chosen.
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
    fn the_floor_and_the_share() {
        let bound = Bound::new(1250, 16, 2);
        assert_eq!(bound.floor, 8);
        assert_eq!(bound.limit(1, 100, 300), 8);
        assert_eq!(bound.limit(30, 100, 300), 13, "ceil(12.5)");
        assert_eq!(bound.limit(30, 200, 300), 25);
        assert_eq!(bound.limit(30, 100, 100), 38);
    }

    proptest! {
        /// Requests come for slots of any skew and end in any order; each takes the first of its walk that has room.
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
                prop_assert!(chosen.is_some(), "a factor of 1 or more always leaves room");
                let chosen = chosen.unwrap();
                loads[chosen] += 1;
                in_flight.push(chosen);
                let fair = f64::from(load) / 1000.0 * in_flight.len() as f64 * weights[chosen] as f64 / total as f64;
                prop_assert!(loads[chosen] <= (fair.ceil() as usize).max(floor));
            }
        }
    }
}
