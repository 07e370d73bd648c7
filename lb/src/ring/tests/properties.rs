//! Properties that hold for every layout and every set of seats.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::{replica, weight};
use crate::ring::virtual_nodes::count;
use crate::ring::{
    Change, HashPair, Layout, PAGE, Plan, Probing, Proposal, Ring, Scheme, SeatId, Slot, SlotCap, Weight,
};

/// Number of keys that each plan is checked with.
const KEYS: usize = 5_000;

type Seats = BTreeMap<SeatId, Weight>;

fn caps() -> impl Strategy<Value = SlotCap> {
    select(vec!["off", "1", "1.10", "1.5"]).prop_map(|cap| cap.parse().unwrap())
}

fn rings() -> impl Strategy<Value = Layout> {
    let sizes = (select(vec![500u32, 512, 1021, 4096]), 1..=20u32);
    (sizes, hashes(), any::<bool>(), caps()).prop_map(
        |((slots, virtual_nodes), hash, quadratic, slot_cap)| {
            let quadratic = quadratic && slots.is_power_of_two();
            let probing = if quadratic { Probing::Quadratic } else { Probing::Linear };
            Layout::new(Scheme::Ring { virtual_nodes, probing, slot_cap }, slots, hash).unwrap()
        },
    )
}

fn tables() -> impl Strategy<Value = Layout> {
    let scheme =
        prop_oneof![caps().prop_map(|slot_cap| Scheme::Rendezvous { slot_cap }), Just(Scheme::Maglev),];
    let sizes = select(vec![13, 509, 1021]);
    (scheme, sizes, hashes()).prop_map(|(scheme, slots, hash)| Layout::new(scheme, slots, hash).unwrap())
}

fn hashes() -> impl Strategy<Value = HashPair> {
    select(HashPair::ALL.to_vec())
}

fn layouts() -> impl Strategy<Value = Layout> {
    prop_oneof![2 => rings(), 1 => tables()]
}

fn seats(max: usize) -> impl Strategy<Value = Seats> {
    let seat = (1..200u32).prop_map(|n| SeatId::new(n).unwrap());
    let weights = prop_oneof![3 => Just(100), 1 => 1..=300u32].prop_map(weight);
    btree_map(seat, weights, 1..=max)
}

/// A layout and seats that fit it.
fn placed() -> impl Strategy<Value = (Layout, Seats)> {
    placed_up_to(12)
}

fn placed_up_to(max: usize) -> impl Strategy<Value = (Layout, Seats)> {
    (layouts(), seats(max)).prop_filter("fits", |(layout, seats)| layout.slot_map(seats).is_ok())
}

fn slots(layout: &Layout) -> impl Iterator<Item = Slot> + use<> {
    (0..layout.slots()).map(Slot)
}

proptest! {
    #[test]
    fn the_map_does_not_depend_on_its_history(
        (layout, seats) in placed(),
        temporary in vec((201..210u32, 0..4usize), 0..6),
        order in any::<u64>(),
    ) {
        let mut ring = Ring::new(layout);
        let mut joining: Vec<_> = seats.iter().map(|(seat, weight)| (*seat, *weight, None)).collect();
        fastrand::Rng::with_seed(order).shuffle(&mut joining);
        let mut detours = temporary.into_iter();
        for seat in joining {
            ring.join(&[seat]).unwrap();
            // Another seat joins and leaves, and a seat of the set leaves and joins again.
            if let Some((other, back)) = detours.next() {
                let other = SeatId::new(other).unwrap();
                if ring.join(&[(other, Weight::DEFAULT, None)]).is_ok() {
                    ring.leave(&[other]);
                }
                let again = ring.seats().nth(back).map(|state| (state.seat, state.weight, None));
                if let Some(again) = again {
                    ring.leave(&[again.0]);
                    ring.join(&[again]).unwrap();
                }
            }
        }
        let mut at_once = Ring::new(layout);
        at_once.join(&seats.iter().map(|(seat, weight)| (*seat, *weight, None)).collect::<Vec<_>>()).unwrap();
        prop_assert_eq!(ring.slot_map(), at_once.slot_map());
        prop_assert_eq!(ring.slot_map(), &layout.slot_map(&seats).unwrap());
        prop_assert_eq!(ring.digest(), at_once.digest());
    }

    #[test]
    fn no_seat_owns_more_than_its_cap((layout, seats) in placed()) {
        let slot_cap = layout.scheme().slot_cap();
        let weights: u64 = seats.values().map(|weight| u64::from(weight.get())).sum();
        let map = layout.slot_map(&seats).unwrap();
        prop_assert_eq!(map.seats().map(|(_, owned)| owned).sum::<u32>(), layout.slots());
        if let Some(cap) = slot_cap.per_mille() {
            for ((seat, owned), weight) in map.seats().zip(seats.values()) {
                let share = u64::from(cap) * u64::from(layout.slots()) * u64::from(weight.get());
                prop_assert!(u64::from(owned) <= share.div_ceil(1000 * weights), "seat {seat} owns {owned}");
            }
        }
    }

    #[test]
    fn a_walk_meets_every_seat_once((layout, seats) in placed(), start in any::<u32>()) {
        let map = layout.slot_map(&seats).unwrap();
        let start = start % layout.slots();
        let walk: Vec<_> = map.walk(Slot(start)).collect();
        // A slow implementation of the definition: owners clockwise, then seats without a slot, ascending.
        let mut expected = Vec::new();
        let clockwise = (0..layout.slots()).map(|step| map.owner(Slot((start + step) % layout.slots())).unwrap());
        for seat in clockwise.chain(seats.keys().copied()) {
            if !expected.contains(&seat) {
                expected.push(seat);
            }
        }
        prop_assert_eq!(walk.len(), seats.len());
        prop_assert_eq!(walk, expected);
    }

    #[test]
    fn vacate_and_occupy_move_nothing(
        (layout, seats) in placed(), changes in subsequence((0..12usize).collect::<Vec<_>>(), 0..12),
    ) {
        let mut ring = Ring::new(layout);
        let joining: Vec<_> = seats.iter().map(|(seat, weight)| (*seat, *weight, Some(replica(seat.get(), 1)))).collect();
        ring.join(&joining).unwrap();
        let (map, digest) = (ring.slot_map().clone(), ring.digest());
        let vacant: BTreeSet<_> = changes.iter().filter_map(|nth| joining.get(*nth)).map(|(seat, ..)| *seat).collect();
        for (seat, epoch) in vacant.iter().zip(2..) {
            prop_assert_eq!(ring.vacate(*seat), Some(replica(seat.get(), 1)));
            prop_assert_eq!(ring.epoch(), epoch);
        }
        prop_assert_eq!(ring.slot_map(), &map);
        for slot in slots(&layout).step_by(37) {
            // The other seats keep their order, so that keys of occupied seats do not move.
            let occupied = map.walk(slot).filter(|seat| !vacant.contains(seat));
            let found = ring.lookup(slot, 0, usize::MAX).into_iter().map(|replica| replica.seat);
            prop_assert!(found.eq(occupied), "slot {}", slot);
        }
        for seat in &vacant {
            ring.occupy(*seat, replica(seat.get(), 2)).unwrap();
        }
        prop_assert_eq!(ring.slot_map(), &map);
        prop_assert_eq!(ring.digest(), digest);
        for (state, (seat, ..)) in ring.seats().zip(&joining) {
            let incarnation = if vacant.contains(seat) { 2 } else { 1 };
            prop_assert_eq!(state.occupant, Some(&replica(seat.get(), incarnation)));
        }
    }

    #[test]
    fn equal_digests_mean_equal_maps(a in placed(), b in placed()) {
        let ring = |(layout, seats): &(Layout, Seats)| {
            let mut ring = Ring::new(*layout);
            ring.join(&seats.iter().map(|(seat, weight)| (*seat, *weight, None)).collect::<Vec<_>>()).unwrap();
            ring
        };
        prop_assert_eq!(ring(&a).digest() == ring(&b).digest(), a == b);
    }
}

proptest! {
    // Large maps or many keys, so fewer of them.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_plan_moves_exactly_the_keys_that_move(
        (layout, seats) in placed(), join in btree_map(150..210u32, 1..=300u32, 0..4), leave in vec(1..210u32, 0..4),
        heavier in vec((any::<prop::sample::Index>(), 1..=1000u32), 0..3), keys in vec(any::<Vec<u8>>(), 20),
    ) {
        let mut ring = Ring::new(layout);
        ring.join(&seats.iter().map(|(seat, weight)| (*seat, *weight, None)).collect::<Vec<_>>()).unwrap();
        let id = |n| SeatId::new(n).unwrap();
        let leave: Vec<_> = leave.into_iter().map(id).collect();
        let stay: Vec<_> = seats.keys().filter(|seat| !leave.contains(seat)).copied().collect();
        let heavier = heavier.into_iter().filter(|_| !stay.is_empty());
        let proposal = Proposal {
            join: join.into_iter().map(|(n, w)| (id(n), weight(w))).collect(),
            weights: heavier.map(|(which, w)| (*which.get(&stay), weight(w))).collect(),
            leave,
        };
        let keys = keys.into_iter().chain((0..KEYS).map(|n| format!("key {n}").into_bytes())).collect::<Vec<_>>();
        let (epoch, digest) = (ring.epoch(), ring.digest());
        let plan = Plan::new(&ring, &proposal);
        prop_assert_eq!((ring.epoch(), ring.digest()), (epoch, digest));

        let owner = |ring: &Ring, key: &[u8]| ring.slot_map().owner(ring.position(key).slot);
        let before: Vec<_> = keys.iter().map(|key| owner(&ring, key)).collect();
        let old_map = ring.slot_map().clone();
        ring.leave(&proposal.leave);
        let weighed = ring.weigh(&proposal.weights);
        let joined = weighed.is_ok().then(|| ring.join(&proposal.join.iter().map(|(seat, w)| (*seat, *w, None)).collect::<Vec<_>>()));
        let outcome = joined.unwrap_or(weighed);
        prop_assert_eq!(plan.as_ref().err(), outcome.as_ref().err());
        let Ok(plan) = plan else { return Ok(()) };
        for (key, from) in keys.iter().zip(before) {
            let change = plan.owner_change(key);
            prop_assert_eq!((change.slot, change.from, change.to), (ring.position(key).slot, from, owner(&ring, key)));
        }
        let moved = slots(&layout).filter(|slot| old_map.owner(*slot) != ring.slot_map().owner(*slot)).count();
        prop_assert_eq!(plan.slots_moved as usize, moved);
        prop_assert_eq!(plan.moves.iter().map(|one| one.slots).sum::<u32>(), plan.slots_moved);
        prop_assert!(plan.moves.iter().all(|one| one.from != one.to));
        prop_assert_eq!((plan.epoch, plan.digest), (epoch, ring.digest()));
        prop_assert!(plan.seats.iter().zip(ring.seats()).all(|(share, seat)| share.weight == seat.weight));
        let planned = plan.seats.iter().map(|share| (share.seat, share.slots));
        prop_assert!(planned.eq(ring.slot_map().seats()));
    }

    #[test]
    fn without_probing_and_cap_only_the_keys_of_the_leaving_seat_move(
        seats in seats(12), leaving in any::<prop::sample::Index>(),
        hash in select(vec![HashPair::Md5, HashPair::Xxh3]),
    ) {
        let scheme = Scheme::Ring { virtual_nodes: 9, probing: Probing::Linear, slot_cap: SlotCap::OFF };
        let layout = Layout::new(scheme, 1 << 14, hash).unwrap();
        let nodes = seats.iter().flat_map(|(seat, weight)| (1..=count(9, *weight)).map(|j| (*seat, j)));
        let homes: Vec<_> = nodes.map(|(seat, j)| hash.virtual_node(seat, j) % (1 << 14)).collect();
        prop_assume!(homes.iter().collect::<BTreeSet<_>>().len() == homes.len());

        let before = layout.slot_map(&seats).unwrap();
        let leaving = *leaving.get(&seats.keys().copied().collect::<Vec<_>>());
        let rest = seats.into_iter().filter(|(seat, _)| *seat != leaving).collect();
        let after = layout.slot_map(&rest).unwrap();
        for ((slot, from), (_, to)) in before.owners().zip(after.owners()) {
            prop_assert!(from == to || from == leaving, "{slot}: {from} to {to}");
            // The slots of the leaving seat go to the next seat of their walk.
            if from == leaving {
                prop_assert_eq!(Some(to), before.walk(slot).nth(1));
            }
        }
    }
}

#[test]
fn slots_follow_the_weights() {
    // Over twenty sets of four seats, one three times as heavy: half of all slots, within the variance of the hash.
    let scheme = Scheme::Ring { virtual_nodes: 40, probing: Probing::Linear, slot_cap: SlotCap::OFF };
    let layout = Layout::new(scheme, 1 << 12, HashPair::Xxh3).unwrap();
    let owned: u32 = (0..20)
        .map(|n| {
            let seats = [(1, 300), (2, 100), (3, 100), (4, 100)];
            let seats = seats.map(|(seat, w)| (SeatId::new(4 * n + seat).unwrap(), weight(w))).into();
            layout.slot_map(&seats).unwrap().seats().next().unwrap().1
        })
        .sum();
    let share = f64::from(owned) / f64::from(20 << 12);
    assert!((0.48..0.52).contains(&share), "{share}");
}

/// The change of the ring that a number stands for, among those that fit.
fn change(ring: &Ring, number: u32, incarnation: u64) -> Change {
    let states: Vec<_> =
        ring.seats().map(|state| (state.seat, state.occupant.is_some(), state.weight)).collect();
    let (kind, at) = (number % 6, number as usize / 6);
    let Some((seat, is_occupied, of)) = states.get(at % states.len().max(1)).copied() else {
        return Change::Weigh(Vec::new());
    };
    let new = || Some(replica(seat.get(), incarnation));
    match kind {
        0 if is_occupied => Change::Vacate(seat),
        0 | 1 if !is_occupied => Change::Occupy(new().unwrap()),
        1 => Change::Handover(new().unwrap()),
        2 => Change::Weigh(vec![(seat, weight(if of == weight(100) { 37 } else { 100 }))]),
        3 => Change::Leave(vec![seat]),
        4 => {
            let free =
                (1..).filter_map(SeatId::new).find(|free| states.iter().all(|(seat, ..)| seat != free));
            let free = free.unwrap();
            let occupant = (at % 3 > 0).then(|| replica(free.get(), incarnation));
            Change::Join(vec![(free, Weight::DEFAULT, occupant)])
        }
        _ => Change::Cordon(seat),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A router keeps the leases of the slots that a change does not name.
    #[test]
    fn the_first_replicas_of_a_slot_change_only_if_the_change_names_it(
        (layout, seats) in placed_up_to(20),
        changes in vec(any::<u32>(), 1..6),
    ) {
        let mut ring = Ring::new(layout);
        let occupied = |seat: &SeatId| Some(replica(seat.get(), seat.get().into()));
        let joining: Vec<_> = seats.iter().map(|(seat, weight)| (*seat, *weight, occupied(seat))).collect();
        ring.join(&joining).unwrap();
        for (at, number) in changes.into_iter().enumerate() {
            let before: Vec<_> = slots(&layout).map(|slot| ring.lookup(slot, 0, PAGE)).collect();
            let change = change(&ring, number, 1000 + at as u64);
            let Ok(applied) = ring.apply(change.clone()) else { continue };
            for (slot, before) in slots(&layout).zip(before) {
                prop_assert!(
                    applied.slots.contains(slot) || ring.lookup(slot, 0, PAGE) == before,
                    "{change:?} changes slot {slot}"
                );
            }
        }
    }
}

#[test]
fn a_change_of_one_seat_among_many_names_few_slots() {
    let layout = Layout::new(Layout::default().scheme(), 65_536, HashPair::Xxh3).unwrap();
    let mut ring = Ring::new(layout);
    let seats = (1..=1000).map(|n| (SeatId::new(n).unwrap(), Weight::DEFAULT, Some(replica(n, n.into()))));
    ring.join(&seats.collect::<Vec<_>>()).unwrap();
    let seat = SeatId::new(500).unwrap();
    for change in [
        Change::Cordon(seat),
        Change::Occupy(replica(500, 500)),
        Change::Handover(replica(500, 1001)),
        Change::Vacate(seat),
        Change::Weigh(vec![(seat, weight(200))]),
        Change::Leave(vec![seat]),
    ] {
        let applied = ring.apply(change.clone()).unwrap();
        let named: usize = applied.slots.ranges().map(|range| range.len()).sum();
        assert!((1..65_536 / 20).contains(&named), "{change:?} names {named} slots");
    }
}
