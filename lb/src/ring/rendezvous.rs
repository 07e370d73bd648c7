//! The scheme `rendezvous`: each slot belongs to the seat with the highest score for it.

use std::collections::{BTreeMap, BinaryHeap};

use super::map::NONE;
use super::{HashPair, SeatId, Weight};

/// The seats grouped by weight, each with its seed and its index. Seats of equal weight can be compared by hash,
/// without a logarithm.
struct SeatsByWeight(BTreeMap<Weight, Vec<(u64, u32)>>);

/// Rank of a seat for a slot; the lowest rank wins. The first part is the inverse of the score w / −ln u, as the bits
/// of a positive `f64`, which sort like the number; hash and index of the seat decide between equal scores.
type Rank = (u64, u64, u32);

/// Per slot, the index of the seat that owns it. Seat i owns at most `rooms[i]` slots; the sum of `rooms` must be at
/// least the number of slots.
///
/// Weighted highest random weight (Thaler and Ravishankar 1998; the logarithm: Schindelhauer and Schomaker 2005):
/// the score of seat i in slot s is w / −ln u with u = 1 − (h + ½) / 2⁵², where h is the upper 52 bits of
/// mix(seed ⊕ mix(s)), the seed is Φ(i, 1) mod 2⁶⁴ and mix is the finalizer of SplitMix64 (Steele et al. 2014). A seat
/// that joins or leaves therefore moves no slots but its own. `ln` comes from `libm`, so it is equal on every platform.
///
/// The cost is M·N hashes: with 65,537 slots 11 ms for 64 seats, 0.12 s for 1,000. Keeping the winners' scores, and
/// computing only those of a new seat, would not work with a cap, because a new seat changes the room of every seat.
///
/// A seat above its cap gives up the slots where its score is lowest, each to the seat with the next best score: a
/// stable matching, as in the scheme `ring`.
pub(super) fn owners(
    slots: u32,
    hash: HashPair,
    seats: &BTreeMap<SeatId, Weight>,
    rooms: &[u32],
) -> Vec<u32> {
    let seats = SeatsByWeight::new(hash, seats);
    let mut held = vec![BinaryHeap::new(); rooms.len()];
    for slot in 0..slots {
        let mut claim = seats.best(slot).map(|rank| (rank, slot));
        while let Some((rank, slot)) = claim {
            let seat = rank.2 as usize;
            held[seat].push((rank, slot));
            let over = if held[seat].len() > rooms[seat] as usize { held[seat].pop() } else { None };
            claim = over.and_then(|(rank, slot)| Some((seats.next(slot, rank)?, slot)));
        }
    }
    let mut owners = vec![NONE; slots as usize];
    for ((_, _, seat), slot) in held.into_iter().flatten() {
        owners[slot as usize] = seat;
    }
    owners
}

impl SeatsByWeight {
    fn new(hash: HashPair, seats: &BTreeMap<SeatId, Weight>) -> Self {
        let mut classes: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for ((seat, weight), index) in seats.iter().zip(0..) {
            classes.entry(*weight).or_default().push((hash.virtual_node(*seat, 1) as u64, index));
        }
        Self(classes)
    }

    /// The best rank for a slot; `None` without seats.
    fn best(&self, slot: u32) -> Option<Rank> {
        let slot = mix(slot.into());
        // Of equal hashes the first one is found, which has the lowest index.
        let lowest = |seats: &[(u64, u32)]| {
            seats.iter().map(|(seed, index)| (mix(seed ^ slot), *index)).min_by_key(|(hash, _)| *hash)
        };
        self.0.iter().filter_map(|(weight, seats)| Some(rank(*weight, lowest(seats)?))).min()
    }

    /// The best rank for a slot among those worse than `after`; `None` if there is none.
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
    fn mix_matches_splitmix64() {
        // The first outputs of the reference program from state 1234567.
        let gamma = 0x9e37_79b9_7f4a_7c15_u64;
        let state = |n: u64| gamma.wrapping_mul(n).wrapping_add(1_234_567);
        assert_eq!([1, 2].map(|n| mix(state(n))), [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn ranks_follow_the_score_and_are_finite() {
        let rank = |w, hash| rank(weight(w), (hash, 0));
        assert!(rank(100, 0) < rank(100, 1 << 40));
        assert!(rank(100, 1 << 63) < rank(99, 1 << 63));
        for hash in [0, u64::MAX] {
            let score = f64::from_bits(rank(1000, hash).0);
            assert!(score > 0.0 && score.is_finite(), "{score}");
        }
    }

    #[test]
    fn a_seat_above_its_cap_keeps_the_slots_with_its_highest_scores() {
        let (slots, three) = (200, seats(1..=3));
        let by_weight = SeatsByWeight::new(HashPair::Xxh3, &three);
        let rooms = [30, 90, 90];
        let capped = owners(slots, HashPair::Xxh3, &three, &rooms);
        for seat in 0..3 {
            let owned = capped.iter().filter(|owner| **owner == seat).count();
            assert!(owned <= rooms[seat as usize] as usize);
            // If a slot ranks this seat above its owner, this seat is full, and ranks better for all slots it holds.
            let rank_in = |slot, seat| ranking(&by_weight, slot).find(|rank| rank.2 == seat).unwrap();
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

    /// The ranks for a slot, the best first.
    fn ranking(seats: &SeatsByWeight, slot: u32) -> impl Iterator<Item = Rank> {
        std::iter::successors(seats.best(slot), move |rank| seats.next(slot, *rank))
    }
}
