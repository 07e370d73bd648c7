//! Plans: the effect of a change of the seats on the keys, computed before it is made.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Layout, Ring, RingError, SeatId, Slot, SlotMap, Weight};

/// A change of the seats: seats leave, then weights change, then seats join.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposal {
    /// New seats with their weights.
    pub join: Vec<(SeatId, Weight)>,
    /// Seats that leave; unknown ones are ignored.
    pub leave: Vec<SeatId>,
    /// New weights of seats that stay.
    pub weights: Vec<(SeatId, Weight)>,
}

/// The effect of a [`Proposal`], computed exactly by comparing slot maps: a key moves if the owner of its slot changes.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Plan {
    /// Epoch of the ring that the plan was made for.
    pub epoch: u64,
    /// Number of slots that get another owner.
    pub slots_moved: u32,
    /// Their share of all slots, in percent.
    pub moved_percent: f64,
    /// The share that must move in any layout to give each seat its share by weight, in percent.
    pub ideal_percent: f64,
    /// Number of slots that move, per pair of old and new owner, in ascending order.
    pub moves: Vec<Move>,
    /// Peak-to-average of the slots before and after.
    pub peak_to_average: Balance,
    /// The seats after the change, in ascending order.
    pub seats: Vec<Share>,
    /// Digest of the ring after the change.
    pub digest: String,
    /// Epoch of the ring after the change, if no other change comes first.
    #[serde(skip)]
    pub epoch_after: u64,
    #[serde(skip)]
    layout: Layout,
    #[serde(skip)]
    before: SlotMap,
    #[serde(skip)]
    after: SlotMap,
}

/// Slots that move from one seat to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Move {
    /// The present owner; `None` if there is no seat.
    pub from: Option<SeatId>,
    /// The owner after the change; `None` if no seat is left.
    pub to: Option<SeatId>,
    /// Number of slots.
    pub slots: u32,
}

/// Largest ratio of a seat's slots to its share by weight; 1 is perfect, `None` without seats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Balance {
    /// Value before the change.
    pub before: Option<f64>,
    /// Value after the change.
    pub after: Option<f64>,
}

/// A seat after the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Share {
    /// Number of the seat.
    pub seat: SeatId,
    /// Weight of the seat.
    pub weight: Weight,
    /// Number of slots that it owns.
    pub slots: u32,
}

/// The owner of one key before and after the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Fate)]
pub struct OwnerChange {
    /// Slot of the key.
    pub slot: Slot,
    /// The present owner; `None` if there is no seat.
    pub from: Option<SeatId>,
    /// The owner after the change; equal to `from` if the key does not move.
    pub to: Option<SeatId>,
}

impl Plan {
    /// Computes the effect of `proposal` on `ring`.
    ///
    /// # Errors
    /// The errors of [`Ring::join`] and [`Ring::weigh`].
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

    /// The owners after the change, as [`SlotMap::runs`].
    pub fn owners(&self) -> Vec<(Option<SeatId>, u32)> {
        self.after.runs()
    }

    /// The owner of a key before and after the change.
    pub fn owner_change(&self, key: &[u8]) -> OwnerChange {
        let slot = self.layout.position(key).slot;
        OwnerChange { slot, from: self.before.owner(slot), to: self.after.owner(slot) }
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

/// The share by weight of each seat; the sum is 1.
fn fair_shares(ring: &Ring) -> BTreeMap<SeatId, f64> {
    let all: u32 = ring.seats().map(|state| state.weight.get()).sum();
    ring.seats().map(|state| (state.seat, f64::from(state.weight.get()) / f64::from(all))).collect()
}

fn peak_to_average(ring: &Ring) -> Option<f64> {
    let all = f64::from(ring.layout().slots());
    let loads = ring.seats().zip(fair_shares(ring).into_values());
    loads.map(|(state, fair)| f64::from(state.slots) / (all * fair)).max_by(f64::total_cmp)
}

/// The share that must move: the gains of some seats are the losses of others, unless one side has no seat.
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
    fn the_ideal_follows_the_weights() {
        let close = |percent: f64, expected: f64| assert!((percent - expected).abs() < 1e-9, "{percent}");
        close(plan(&ring(&[100, 100, 100]), &[4], &[]).ideal_percent, 25.0);
        close(plan(&ring(&[100, 100, 100, 100]), &[], &[2, 3]).ideal_percent, 50.0);
        close(plan(&ring(&[300, 100]), &[], &[1]).ideal_percent, 75.0);
        close(plan(&ring(&[300, 100]), &[3], &[1]).ideal_percent, 75.0);
        close(plan(&ring(&[100, 100]), &[3], &[]).ideal_percent, 100.0 / 3.0);
    }

    #[test]
    fn the_first_and_the_last_seat_move_all_slots() {
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
    fn an_invalid_proposal_has_no_plan() {
        let join = vec![(seat(1), Weight::DEFAULT)];
        let rejected = Plan::new(&ring(&[100]), &Proposal { join, ..Proposal::default() });
        assert_eq!(rejected, Err(RingError::SeatExists(seat(1))));
        let weights = vec![(seat(2), Weight::DEFAULT)];
        let rejected = Plan::new(&ring(&[100]), &Proposal { weights, ..Proposal::default() });
        assert_eq!(rejected, Err(RingError::NoSuchSeat(seat(2))));
    }
}
