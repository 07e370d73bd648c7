//! The scheme `rendezvous`: every slot to the seat that scores highest there.

use std::collections::{BTreeMap, BinaryHeap};

use super::map::NONE;
use super::{HashPair, SeatId, Weight};

/// The seats by weight, each with its seed and its index: seats of one weight compare by hash, without a logarithm.
struct Contest(BTreeMap<Weight, Vec<(u64, u32)>>);

/// How good a seat is in a slot; the lowest is the best: w / −ln u upside down, as the bits of a positive `f64`, which
/// sort as the number does. Then the hash and the seat's index, for equal scores.
type Rank = (u64, u64, u32);

/// Per slot the index of its owner, when seat i may own at most `rooms[i]` slots (together at least all of them).
///
/// Weighted highest random weight (Thaler and Ravishankar 1998; the logarithm: Schindelhauer and Schomaker 2005):
/// the score of seat i in slot s is w / −ln u with u = 1 − (h + ½) / 2⁵², where h is the upper 52 bits of
/// mix(seed ⊕ mix(s)), the seed is Φ(i, 1) mod 2⁶⁴ and mix is the finalizer of SplitMix64 (Steele et al. 2014). So a
/// seat that joins or leaves moves its own slots and no other. `ln` is that of `libm`, the same on every platform.
///
/// Costs M·N hashes: with 65,537 slots 11 ms for 64 seats, 0.12 s for 1,000. (To keep the winners' scores and compute
/// the newcomer's only would not do under a cap: one newcomer changes the room of every seat.)
///
/// A seat over its cap gives up the slots where it scores lowest, each to its next best seat: a stable matching, as
/// in the scheme `ring`.
pub(super) fn owners(
    slots: u32,
    hash: HashPair,
    seats: &BTreeMap<SeatId, Weight>,
    rooms: &[u32],
) -> Vec<u32> {
    let contest = Contest::new(hash, seats);
    let mut held = vec![BinaryHeap::new(); rooms.len()];
    for slot in 0..slots {
        let mut claim = contest.best(slot).map(|rank| (rank, slot));
        while let Some((rank, slot)) = claim {
            let seat = rank.2 as usize;
            held[seat].push((rank, slot));
            let over = if held[seat].len() > rooms[seat] as usize { held[seat].pop() } else { None };
            claim = over.and_then(|(rank, slot)| Some((contest.next(slot, rank)?, slot)));
        }
    }
    let mut owners = vec![NONE; slots as usize];
    for ((_, _, seat), slot) in held.into_iter().flatten() {
        owners[slot as usize] = seat;
    }
    owners
}

impl Contest {
    fn new(hash: HashPair, seats: &BTreeMap<SeatId, Weight>) -> Self {
        let mut classes: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for ((seat, weight), index) in seats.iter().zip(0..) {
            classes.entry(*weight).or_default().push((hash.virtual_node(*seat, 1) as u64, index));
        }
        Self(classes)
    }

    /// The best seat of a slot.
    fn best(&self, slot: u32) -> Option<Rank> {
        let slot = mix(slot.into());
        // The first of equals, that is the lowest index.
        let lowest = |seats: &[(u64, u32)]| {
            seats.iter().map(|(seed, index)| (mix(seed ^ slot), *index)).min_by_key(|(hash, _)| *hash)
        };
        self.0.iter().filter_map(|(weight, seats)| Some(rank(*weight, lowest(seats)?))).min()
    }

    /// The best seat of a slot below `after`.
    fn next(&self, slot: u32, after: Rank) -> Option<Rank> {
        let slot = mix(slot.into());
        let seats = self.0.iter().flat_map(|(weight, seats)| seats.iter().map(move |seat| (*weight, seat)));
        seats
            .map(|(weight, (seed, index))| rank(weight, (mix(seed ^ slot), *index)))
            .filter(|rank| *rank > after)
            .min()
    }
}

fn rank(weight: Weight, (hash, index): (u64, u32)) -> Rank {
    let u = ((!hash >> 12) as f64 + 0.5) / (1_u64 << 52) as f64;
    ((-libm::log(u) / f64::from(weight.get())).to_bits(), hash, index)
}

/// The finalizer of SplitMix64.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{seats, weight};
    use super::*;

    #[test]
    fn mix_is_that_of_splitmix64() {
        // The first outputs of the reference program from state 1234567.
        let gamma = 0x9e37_79b9_7f4a_7c15_u64;
        let state = |n: u64| gamma.wrapping_mul(n).wrapping_add(1_234_567);
        assert_eq!([1, 2].map(|n| mix(state(n))), [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn ranks_follow_score_and_are_finite() {
        let rank = |w, hash| rank(weight(w), (hash, 0));
        assert!(rank(100, 0) < rank(100, 1 << 40));
        assert!(rank(100, 1 << 63) < rank(99, 1 << 63));
        for hash in [0, u64::MAX] {
            let score = f64::from_bits(rank(1000, hash).0);
            assert!(score > 0.0 && score.is_finite(), "{score}");
        }
    }

    #[test]
    fn a_seat_over_its_cap_keeps_the_slots_where_it_scores_highest() {
        let (slots, three) = (200, seats(1..=3));
        let contest = Contest::new(HashPair::Xxh3, &three);
        let rooms = [30, 90, 90];
        let capped = owners(slots, HashPair::Xxh3, &three, &rooms);
        for seat in 0..3 {
            let owned = capped.iter().filter(|owner| **owner == seat).count();
            assert!(owned <= rooms[seat as usize] as usize);
            // Whoever prefers this seat to its own was turned away by a full one that prefers all it holds.
            let rank_in = |slot, seat| ranking(&contest, slot).find(|rank| rank.2 == seat).unwrap();
            let worst = (0..slots)
                .filter(|slot| capped[*slot as usize] == seat)
                .map(|slot| rank_in(slot, seat))
                .max();
            for slot in 0..slots {
                let own = rank_in(slot, capped[slot as usize]);
                if rank_in(slot, seat) < own {
                    assert_eq!(owned, rooms[seat as usize] as usize);
                    assert!(Some(rank_in(slot, seat)) > worst, "slot {slot} and seat {seat}");
                }
            }
        }
    }

    /// The seats of a slot, the best first.
    fn ranking(contest: &Contest, slot: u32) -> impl Iterator<Item = Rank> {
        std::iter::successors(contest.best(slot), move |rank| contest.next(slot, *rank))
    }
}
