//! Weights of seats: their share of the slots. With `--runtime docker` they are recorded, else they hold until the
//! process ends.

use std::collections::BTreeMap;

use crate::ring::{Change, SeatId, Weight};

use super::on_ring_reply::OnRingReply;
use super::{CallId, CommandError, Fleet, Seat};

impl Fleet {
    /// Changes the weights of seats; answered when every router has acknowledged.
    pub(super) fn set_weights(&mut self, call: CallId, mut weights: Vec<(SeatId, Weight)>) {
        if let Err(error) = self.check_weights(&weights) {
            return self.reply(call, Err(error));
        }
        weights.retain(|(id, weight)| self.seats.get(id).is_some_and(|seat| seat.weight() != *weight));
        match weights.is_empty() {
            true => self.reply_list(call),
            false => self.weigh(weights, OnRingReply::Weighed(call)),
        }
    }

    /// Changes the weights of seats of the ring, all in one epoch.
    pub(super) fn weigh(&mut self, weights: Vec<(SeatId, Weight)>, after: OnRingReply) {
        self.change_ring(Change::Weigh(weights.clone()), after);
        for (id, weight) in weights {
            let Some(seat) = self.seats.get_mut(&id) else { continue };
            let was = seat.set_weight(weight);
            log::info!(seat:% = id, weight:%, was:%; "seat weighs");
        }
    }

    /// Checks that these seats of the ring may have these weights now.
    ///
    /// # Errors
    /// A seat does not exist, the layout has no room, or the fleet accepts no change.
    pub fn check_weights(&self, weights: &[(SeatId, Weight)]) -> Result<(), CommandError> {
        self.check_active()?;
        let joined = |id: &SeatId| self.seats.get(id).is_some_and(Seat::joined);
        match weights.iter().find(|(id, _)| !joined(id)) {
            Some((id, _)) => Err(CommandError::NoSeat(*id)),
            None => self.check_room(weights),
        }
    }

    /// Checks that the layout has room for these seats beside the others, those of unanswered calls included.
    pub(super) fn check_room(&self, changed: &[(SeatId, Weight)]) -> Result<(), CommandError> {
        let mut weights: BTreeMap<_, _> = self.seats.iter().map(|(id, seat)| (*id, seat.weight())).collect();
        weights.extend(changed.iter().copied());
        Ok(self.settings.layout.check_room(&weights)?)
    }
}
