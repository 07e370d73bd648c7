//! The assignment's rings, compared with vectors that two independent programs computed from its text.

use super::{seat, seats};
use crate::ring::virtual_nodes::VirtualNodes;
use crate::ring::{HashPair, Layout, Probing, Scheme, SlotCap};

/// Expected rings of seats 1..=N, N = 1…6, with one kind of probing.
struct Golden {
    probing: Probing,
    /// The slots of the nine virtual nodes of each seat; they do not depend on the seats that follow.
    virtual_nodes: [[usize; 9]; 6],
    /// Per N, how many of 512 successive keys each seat gets.
    shares: [&'static [u32]; 6],
    /// Per N, the seats of [`KEYS`].
    lookups: [[u32; 13]; 6],
}

const KEYS: [u32; 13] = [0, 1, 2, 3, 7, 15, 31, 100_000, 123_456, 132_574, 500_000, 777_777, 999_999];

const LINEAR: Golden = Golden {
    probing: Probing::Linear,
    virtual_nodes: [
        [29, 34, 41, 50, 61, 74, 89, 106, 125],
        [32, 37, 44, 53, 64, 77, 92, 109, 128],
        [38, 42, 49, 58, 69, 82, 97, 114, 133],
        [45, 51, 56, 65, 76, 90, 104, 121, 140],
        [54, 59, 66, 75, 85, 98, 113, 130, 149],
        [67, 70, 78, 86, 96, 110, 124, 141, 160],
    ],
    shares: [
        &[512],
        &[488, 24],
        &[428, 24, 60],
        &[412, 24, 56, 20],
        &[392, 24, 48, 20, 28],
        &[372, 24, 48, 20, 28, 20],
    ],
    lookups: LOOKUPS,
};

const QUADRATIC: Golden = Golden {
    probing: Probing::Quadratic,
    virtual_nodes: [
        [29, 34, 41, 50, 61, 74, 89, 106, 125],
        [32, 37, 44, 53, 64, 77, 92, 109, 128],
        [38, 42, 49, 58, 69, 82, 97, 114, 133],
        [45, 52, 56, 65, 76, 90, 104, 121, 140],
        [54, 59, 66, 75, 85, 98, 113, 130, 149],
        [67, 70, 79, 86, 96, 110, 124, 141, 160],
    ],
    shares: [
        &[512],
        &[488, 24],
        &[428, 24, 60],
        &[412, 16, 56, 28],
        &[392, 16, 48, 28, 28],
        &[372, 16, 48, 28, 28, 20],
    ],
    lookups: LOOKUPS,
};

/// Both kinds of probing agree on these keys.
const LOOKUPS: [[u32; 13]; 6] = [
    [1; 13],
    [1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    [1, 1, 1, 2, 3, 1, 1, 1, 1, 3, 3, 1, 1],
    [1, 1, 1, 2, 3, 1, 1, 1, 1, 3, 3, 1, 1],
    [1, 1, 1, 2, 3, 1, 1, 1, 5, 3, 3, 1, 1],
    [1, 1, 1, 2, 3, 1, 1, 1, 5, 3, 3, 1, 1],
];

#[test]
fn virtual_nodes_match_the_vectors() {
    for golden in [LINEAR, QUADRATIC] {
        let hash = HashPair::Polynomial;
        let nodes = VirtualNodes { slots: 512, per_seat: 9, hash, probing: golden.probing };
        for n in 1..=6 {
            let mut expected = vec![u32::MAX; 512];
            for (index, slots) in (0..n).zip(golden.virtual_nodes) {
                slots.into_iter().for_each(|slot| expected[slot] = index);
            }
            assert_eq!(nodes.place(&seats(1..=n)), expected, "{} {n}", golden.probing);
        }
    }
}

#[test]
fn keys_and_shares_match_the_vectors() {
    for golden in [LINEAR, QUADRATIC] {
        let scheme = Scheme::Ring { virtual_nodes: 9, probing: golden.probing, slot_cap: SlotCap::OFF };
        let layout = Layout::new(scheme, 512, HashPair::Polynomial).unwrap();
        for ((n, shares), lookups) in (1..=6).zip(golden.shares).zip(golden.lookups) {
            let map = layout.slot_map(&seats(1..=n)).unwrap();
            let owner = |key: u32| map.owner(layout.position(key.to_string().as_bytes()).slot).unwrap();
            assert_eq!(KEYS.map(|key| owner(key).get()), lookups, "{layout} {n}");
            let owners: Vec<_> = (0..512).map(owner).collect();
            let share = |n| owners.iter().filter(|owner| **owner == seat(n)).count() as u32;
            assert_eq!((1..=n).map(share).collect::<Vec<_>>(), shares, "{layout} {n}");
        }
    }
}

#[test]
fn the_assignment_preset_is_the_linear_ring_and_gives_server_1_most_requests() {
    let layout = Layout::assignment();
    let map = layout.slot_map(&seats(1..=3)).unwrap();
    let first = (0..512u32).filter(|key| {
        map.owner(layout.position(key.to_string().as_bytes()).slot) == Some(seat(1)) //
    });
    assert_eq!(first.count(), 428, "84 %");
}
