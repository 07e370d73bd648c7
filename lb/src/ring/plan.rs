//! A plan: what a change of the seats would do to the keys, before it is made.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Layout, Ring, RingError, SeatId, Slot, SlotMap, Weight};

/// Seats that would leave, weigh something else and join, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposal {
    /// New seats.
    pub join: Vec<(SeatId, Weight)>,
    /// Seats of the ring.
    pub leave: Vec<SeatId>,
    /// Other weights of seats that stay.
    pub weights: Vec<(SeatId, Weight)>,
}

/// What a [`Proposal`] does. Compares slot maps, so it is exact: a key moves if the owner of its slot changes.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Plan {
    /// Of the ring that it was made for.
    pub epoch: u64,
    /// How many slots get another owner.
    pub slots_moved: u32,
    /// Their share of all slots, in percent.
    pub moved_percent: f64,
    /// The least that any layout must move to give each seat the share that its weight asks for, in percent.
    pub ideal_percent: f64,
    /// How many slots go from which seat to which, in ascending order.
    pub moves: Vec<Move>,
    /// How even the slots are before and after.
    pub peak_to_average: Balance,
    /// The seats that there would be, in ascending order.
    pub seats: Vec<Share>,
    /// The ring's digest after the change.
    pub digest: String,
    /// The ring's epoch once it has happened, if nothing else does.
    #[serde(skip)]
    pub epoch_after: u64,
    #[serde(skip)]
    layout: Layout,
    #[serde(skip)]
    before: SlotMap,
    #[serde(skip)]
    after: SlotMap,
}

/// Slots that go from one seat to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Move {
    /// Who owns them; `None` if there is no seat.
    pub from: Option<SeatId>,
    /// Who would; `None` if no seat is left.
    pub to: Option<SeatId>,
    /// How many.
    pub slots: u32,
}

/// The most slots that a seat owns against what its weight asks for; 1 is perfect, `None` without seats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Balance {
    /// Now.
    pub before: Option<f64>,
    /// After the change.
    pub after: Option<f64>,
}

/// A seat that there would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Share {
    /// Its number.
    pub seat: SeatId,
    /// Its weight.
    pub weight: Weight,
    /// How many slots it would own.
    pub slots: u32,
}

/// Where one key is, and where it would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fate {
    /// Its slot.
    pub slot: Slot,
    /// Who owns it; `None` if there is no seat.
    pub from: Option<SeatId>,
    /// Who would; the same if the key does not move.
    pub to: Option<SeatId>,
}

impl Plan {
    /// What `proposal` would do to `ring`.
    ///
    /// An error where [`Ring::join`] or [`Ring::weigh`] has one. Seats that do not exist leave nothing.
    pub fn new(ring: &Ring, proposal: &Proposal) -> Result<Self, RingError> {
        let mut changed = ring.clone();
        changed.leave(&proposal.leave);
        changed.weigh(&proposal.weights)?;
        let join: Vec<_> = proposal.join.iter().map(|(seat, weight)| (*seat, *weight, None)).collect();
        changed.join(&join)?;

        let layout = *ring.layout();
        let (before, after) = (ring.slot_map().clone(), changed.slot_map().clone());
        let moves = moves(&layout, &before, &after);
        let slots_moved = moves.iter().map(|moved| moved.slots).sum();
        Ok(Self {
            epoch: ring.epoch(),
            slots_moved,
            moved_percent: 100.0 * f64::from(slots_moved) / f64::from(layout.slots()),
            ideal_percent: 100.0 * least_moved(&fair_shares(ring), &fair_shares(&changed)),
            moves,
            peak_to_average: Balance { before: peak_to_average(ring), after: peak_to_average(&changed) },
            seats: shares(&changed).collect(),
            epoch_after: ring.epoch() + u64::from(changed.epoch() > ring.epoch()),
            digest: changed.digest(),
            layout,
            before,
            after,
        })
    }

    /// Who would own the slots: [`SlotMap::runs`] after the change.
    pub fn owners(&self) -> Vec<(Option<SeatId>, u32)> {
        self.after.runs()
    }

    /// What becomes of a key.
    pub fn fate(&self, key: &[u8]) -> Fate {
        let slot = self.layout.position(key).slot;
        Fate { slot, from: self.before.owner(slot), to: self.after.owner(slot) }
    }
}

fn moves(layout: &Layout, before: &SlotMap, after: &SlotMap) -> Vec<Move> {
    let mut moves = BTreeMap::new();
    for slot in (0..layout.slots()).map(Slot) {
        let (from, to) = (before.owner(slot), after.owner(slot));
        if from != to {
            *moves.entry((from, to)).or_insert(0) += 1;
        }
    }
    moves.into_iter().map(|((from, to), slots)| Move { from, to, slots }).collect()
}

fn shares(ring: &Ring) -> impl Iterator<Item = Share> {
    ring.seats().map(|state| Share { seat: state.seat, weight: state.weight, slots: state.slots })
}

/// What each seat's weight asks for, of 1.
fn fair_shares(ring: &Ring) -> BTreeMap<SeatId, f64> {
    let all: u32 = ring.seats().map(|state| state.weight.get()).sum();
    ring.seats().map(|state| (state.seat, f64::from(state.weight.get()) / f64::from(all))).collect()
}

fn peak_to_average(ring: &Ring) -> Option<f64> {
    let all = f64::from(ring.layout().slots());
    let loads = ring.seats().zip(fair_shares(ring).into_values());
    loads.map(|(state, fair)| f64::from(state.slots) / (all * fair)).max_by(f64::total_cmp)
}

/// What some lose is what others gain, unless one side has no seat.
fn least_moved(before: &BTreeMap<SeatId, f64>, after: &BTreeMap<SeatId, f64>) -> f64 {
    let gained = |from: &BTreeMap<SeatId, f64>, to: &BTreeMap<SeatId, f64>| -> f64 {
        to.iter().map(|(seat, share)| (share - from.get(seat).unwrap_or(&0.0)).max(0.0)).sum()
    };
    gained(before, after).max(gained(after, before))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{seat, weight};
    use super::*;

    fn ring(weights: &[u32]) -> Ring {
        let mut ring = Ring::new(Layout::maglev());
        let seats = (1..).zip(weights).map(|(n, w)| (seat(n), weight(*w), None));
        ring.join(&seats.collect::<Vec<_>>()).unwrap();
        ring
    }

    fn plan(ring: &Ring, join: &[u32], leave: &[u32]) -> Plan {
        let join = join.iter().map(|n| (seat(*n), Weight::DEFAULT)).collect();
        let leave = leave.iter().map(|n| seat(*n)).collect();
        Plan::new(ring, &Proposal { join, leave, weights: vec![] }).unwrap()
    }

    #[test]
    fn the_ideal_is_what_weights_ask_for() {
        let close = |percent: f64, expected: f64| assert!((percent - expected).abs() < 1e-9, "{percent}");
        close(plan(&ring(&[100, 100, 100]), &[4], &[]).ideal_percent, 25.0);
        close(plan(&ring(&[100, 100, 100, 100]), &[], &[2, 3]).ideal_percent, 50.0);
        close(plan(&ring(&[300, 100]), &[], &[1]).ideal_percent, 75.0);
        close(plan(&ring(&[300, 100]), &[3], &[1]).ideal_percent, 75.0);
        close(plan(&ring(&[100, 100]), &[3], &[]).ideal_percent, 100.0 / 3.0);
    }

    #[test]
    fn a_ring_without_seats_gives_and_takes_all() {
        let empty = Ring::new(Layout::default());
        let first = plan(&empty, &[1], &[]);
        assert_eq!(first.moves, [Move { from: None, to: Some(seat(1)), slots: 512 }]);
        assert_eq!((first.moved_percent, first.ideal_percent), (100.0, 100.0));
        assert_eq!(first.peak_to_average, Balance { before: None, after: Some(1.0) });
        let mut one = empty.clone();
        one.join(&[(seat(1), Weight::DEFAULT, None)]).unwrap();
        let last = plan(&one, &[], &[1]);
        assert_eq!(last.moves, [Move { from: Some(seat(1)), to: None, slots: 512 }]);
        assert_eq!((last.moved_percent, last.ideal_percent, last.seats), (100.0, 100.0, vec![]));
        assert_eq!(last.digest, empty.digest());
        assert_eq!(plan(&one, &[], &[]).slots_moved, 0);
    }

    #[test]
    fn what_cannot_join_has_no_plan() {
        let join = vec![(seat(1), Weight::DEFAULT)];
        let refused = Plan::new(&ring(&[100]), &Proposal { join, ..Proposal::default() });
        assert_eq!(refused, Err(RingError::SeatExists(seat(1))));
        let weights = vec![(seat(2), Weight::DEFAULT)];
        let refused = Plan::new(&ring(&[100]), &Proposal { weights, ..Proposal::default() });
        assert_eq!(refused, Err(RingError::NoSuchSeat(seat(2))));
    }
}
