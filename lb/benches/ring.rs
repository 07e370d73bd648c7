//! Cost of placement: a look-up on the request path, and the rebuild of the slot map when seats change.

use std::collections::BTreeMap;
use std::sync::Arc;

use divan::{Bencher, black_box};
use lb::name::Name;
use lb::ring::{
    Change, HashPair, Incarnation, Layout, Probing, Replica, Ring, RingError, Scheme, SeatId, SlotCap, Weight,
};

/// A fleet of `seats` on `slots`, with nine virtual nodes per seat.
#[derive(Clone, Copy, Debug)]
struct Size {
    seats: u32,
    slots: u32,
}

const SIZES: [Size; 2] = [Size { seats: 3, slots: 512 }, Size { seats: 1000, slots: 65_536 }];

/// 36 bytes, like a UUID.
const KEY: &[u8] = b"6f1ed002-ab5b-4d18-9c0e-3a7f5d2c8e41";

fn main() {
    divan::main();
}

impl Size {
    fn layout(self, slot_cap: SlotCap) -> Result<Layout, RingError> {
        let scheme = Scheme::Ring { virtual_nodes: 9, probing: Probing::Linear, slot_cap };
        Layout::new(scheme, self.slots, HashPair::Xxh3)
    }

    fn seats(self) -> impl Iterator<Item = SeatId> {
        (1..=self.seats).filter_map(SeatId::new)
    }

    fn ring(self) -> Result<Ring, RingError> {
        let mut ring = Ring::new(self.layout(SlotCap::DEFAULT)?);
        let occupied = |seat: SeatId| Replica {
            seat,
            name: Name::server(seat.get() as usize),
            incarnation: Incarnation(u64::from(seat.get())),
            address: ([127, 0, 0, 1], 5000).into(),
        };
        let seats = self.seats().map(|seat| (seat, Weight::DEFAULT, Some(Arc::new(occupied(seat)))));
        ring.join(&seats.collect::<Vec<_>>())?;
        Ok(ring)
    }
}

/// Hashes a key and finds the first eight occupied seats from its slot.
#[divan::bench(args = SIZES)]
fn lookup(bencher: Bencher, size: Size) {
    let ring = size.ring().expect("the sizes above fit");
    bencher.bench_local(|| ring.lookup(ring.position(black_box(KEY)).slot, 0, 8));
}

/// Changes the weight of one seat: rebuilds the slot map and finds the slots whose leases are recalled.
#[divan::bench(args = SIZES)]
fn weigh(bencher: Bencher, size: Size) {
    let mut ring = size.ring().expect("the sizes above fit");
    let (seat, mut weights) = (SeatId::new(1).expect("1 is valid"), [90, 100].into_iter().cycle());
    bencher.bench_local(|| {
        let weight = weights.next().and_then(Weight::new).expect("90 and 100 are valid");
        ring.apply(Change::Weigh(vec![(seat, weight)]))
    });
}

/// Hashes a key and finds its slot.
#[divan::bench(args = HashPair::ALL)]
fn position(bencher: Bencher, hash: HashPair) {
    let default = Layout::default();
    let layout = Layout::new(default.scheme(), default.slots(), hash).expect("any hash pair is valid");
    bencher.bench_local(|| layout.position(black_box(KEY)));
}

/// Builds the slot map of all seats, with the slot cap of 1.10.
#[divan::bench(args = SIZES)]
fn rebuild(bencher: Bencher, size: Size) {
    bench_rebuild(bencher, size, SlotCap::DEFAULT);
}

/// Builds the slot map of all seats, without a slot cap.
#[divan::bench(args = SIZES)]
fn rebuild_without_cap(bencher: Bencher, size: Size) {
    bench_rebuild(bencher, size, SlotCap::OFF);
}

fn bench_rebuild(bencher: Bencher, size: Size, cap: SlotCap) {
    let layout = size.layout(cap).expect("the sizes above are valid");
    let seats: BTreeMap<_, _> = size.seats().map(|seat| (seat, Weight::DEFAULT)).collect();
    bencher.bench_local(|| layout.slot_map(black_box(&seats)));
}

/// Builds the slot map of the other layouts, with 65,537 slots.
#[divan::bench(args = [(Layout::rendezvous(), 64), (Layout::rendezvous(), 1000), (Layout::maglev(), 64), (Layout::maglev(), 1000)])]
fn rebuild_tables(bencher: Bencher, (layout, seats): (Layout, u32)) {
    let seats: BTreeMap<_, _> =
        (1..=seats).filter_map(SeatId::new).map(|seat| (seat, Weight::DEFAULT)).collect();
    bencher.bench_local(|| layout.slot_map(black_box(&seats)));
}
