//! Tests of placement as a whole: published rings, properties, and pinned maps.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Incarnation, Replica, SeatId, Weight};
use crate::name::Name;

mod excess;
mod golden;
mod pins;
mod properties;
mod tables;

pub(super) fn seat(n: u32) -> SeatId {
    SeatId::new(n).unwrap()
}

pub(super) fn weight(weight: u32) -> Weight {
    Weight::new(weight).unwrap()
}

/// Seats of weight 100.
pub(super) fn seats(numbers: impl IntoIterator<Item = u32>) -> BTreeMap<SeatId, Weight> {
    numbers.into_iter().map(|n| (seat(n), Weight::DEFAULT)).collect()
}

pub(super) fn replica(n: u32, incarnation: u64) -> Arc<Replica> {
    Arc::new(Replica {
        seat: seat(n),
        name: Name::server(n as usize),
        incarnation: Incarnation(incarnation),
        address: ([127, 0, 0, 1], 5000).into(),
    })
}
