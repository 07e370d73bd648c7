//! The scheme `maglev`: seats fill a table of prime size in turns.

use std::collections::BTreeMap;

use super::map::NONE;
use super::{HashPair, SeatId, Weight};

/// Preference list of a seat: every `skip`-th slot, from `next` on.
#[derive(Clone, Copy)]
struct Preference {
    next: u32,
    skip: u32,
    weight: Weight,
    /// The seat takes its next turn in the first round t for which t · weight reaches this.
    due: u64,
}

/// Per slot, the index of the seat that owns it; `slots` must be prime.
///
/// Follows Eisenbud et al., NSDI 2016, listing 1, with offset Φ(i, 1) mod M and skip Φ(i, 2) mod (M − 1) + 1, seats in
/// ascending order. Weights follow Envoy's rule: a seat has a turn in round t = 1, 2, 3 … if t · w reaches its target,
/// which then grows by the largest weight. The number of slots thus follows the weight to within one turn.
///
/// 65,537 slots take 1.4 ms, with 64 seats and with 1,000.
pub(super) fn owners(slots: u32, hash: HashPair, seats: &BTreeMap<SeatId, Weight>) -> Vec<u32> {
    let number = |seat, j, m: u32| (hash.virtual_node(seat, j) % u128::from(m)) as u32;
    let preferences = seats.iter().map(|(seat, weight)| Preference {
        next: number(*seat, 1, slots),
        skip: number(*seat, 2, slots - 1) + 1,
        weight: *weight,
        due: 0,
    });
    fill(slots, preferences.collect())
}

fn fill(slots: u32, mut seats: Vec<Preference>) -> Vec<u32> {
    let mut owners = vec![NONE; slots as usize];
    let Some(heaviest) = seats.iter().map(|seat| u64::from(seat.weight.get())).max() else {
        return owners;
    };
    let mut free = slots;
    for round in 1.. {
        for (seat, index) in seats.iter_mut().zip(0..) {
            if round * u64::from(seat.weight.get()) < seat.due {
                continue;
            }
            if free == 0 {
                return owners;
            }
            seat.due += heaviest;
            while owners[seat.next as usize] != NONE {
                seat.advance(slots);
            }
            owners[seat.next as usize] = index;
            free -= 1;
        }
    }
    owners
}

impl Preference {
    fn advance(&mut self, slots: u32) {
        self.next += self.skip;
        if self.next >= slots {
            self.next -= slots;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of seats given as (offset, skip, weight).
    fn table(slots: u32, seats: &[(u32, u32, u32)]) -> Vec<u32> {
        let preference =
            |(next, skip, weight)| Preference { next, skip, weight: Weight::new(weight).unwrap(), due: 0 };
        fill(slots, seats.iter().copied().map(preference).collect())
    }

    #[test]
    fn the_table_matches_the_paper() {
        // NSDI 2016, table 1.
        assert_eq!(table(7, &[(3, 4, 1), (0, 2, 1), (3, 1, 1)]), [1, 0, 1, 0, 2, 2, 0]);
        assert_eq!(table(7, &[(3, 4, 1), (3, 1, 1)]), [0, 0, 0, 0, 1, 1, 1]);
    }

    #[test]
    fn the_tables_match_go_maglev() {
        assert_eq!(table(7, &[(2, 4, 1), (0, 5, 1), (1, 2, 1)]), [1, 2, 0, 2, 0, 1, 0]);
        assert_eq!(table(7, &[(2, 4, 1), (1, 2, 1)]), [0, 1, 0, 1, 0, 1, 0]);
    }

    #[test]
    fn the_tables_match_envoy() {
        // From maglev_lb_test.cc; offsets and skips are the xxh64 of the host names there.
        let six = [(2, 4, 1), (3, 6, 1), (0, 2, 1), (3, 3, 1), (1, 3, 1), (1, 5, 1)];
        assert_eq!(table(7, &six), [2, 4, 0, 1, 5, 0, 3]);
        let six = [(6, 6, 1), (5, 5, 1), (0, 2, 1), (3, 2, 1), (4, 1, 1), (4, 1, 1)];
        assert_eq!(table(7, &six), [2, 5, 0, 3, 4, 1, 0]);
        let even = [1, 0, 0, 1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1];
        assert_eq!(table(17, &[(1, 6, 1), (9, 14, 1)]), even);
        let weighted = [1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1];
        assert_eq!(table(17, &[(1, 6, 1), (9, 14, 2)]), weighted);
        let weighted = [1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0];
        assert_eq!(table(17, &[(1, 6, 8), (9, 14, 2)]), weighted);
    }

    #[test]
    fn slots_follow_the_weights() {
        let owned = |weights: &[u32]| {
            let seats = (1..).zip(weights).map(|(n, w)| (SeatId::new(n).unwrap(), Weight::new(*w).unwrap()));
            let owners = owners(65_537, HashPair::Xxh3, &seats.collect());
            (0..weights.len() as u32)
                .map(|seat| owners.iter().filter(|owner| **owner == seat).count())
                .collect()
        };
        let published: Vec<usize> = owned(&[1, 2]);
        assert_eq!(published, [21_846, 43_691]);
        assert_eq!(owned(&[200, 100, 100]), [32_768, 16_385, 16_384]);
        let equal = owned(&[100; 400]);
        assert_eq!((equal.iter().min(), equal.iter().max()), (Some(&163), Some(&164)));
    }
}
