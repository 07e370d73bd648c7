//! Weights of seats: their share of the slots. With `--runtime docker` they are recorded, else they hold until the
//! process ends.

use std::collections::BTreeMap;

use crate::ring::{SeatId, Weight};

use super::action::Change;
use super::event::CallId;
use super::on_ring_reply::OnRingReply;
use super::{CommandError, Fleet, Seat};

impl Fleet {
    /// Changes the weight of a seat; answered when every router has acknowledged.
    pub(super) fn set_weight(&mut self, call: CallId, id: SeatId, weight: Weight) {
        if let Err(error) = self.check_weights(&[(id, weight)]) {
            return self.reply(call, Err(error));
        }
        let Some(seat) = self.seats.get_mut(&id) else { return };
        let was = std::mem::replace(&mut seat.weight, weight);
        if weight == was {
            return self.reply_list(call);
        }
        log::info!("seat weighs seat={id} weight={weight} was={was}");
        self.change_ring(Change::Weigh { seat: id, weight, was }, OnRingReply::Weighed(call));
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
        let mut weights: BTreeMap<_, _> = self.seats.iter().map(|(id, seat)| (*id, seat.weight)).collect();
        weights.extend(changed.iter().copied());
        Ok(self.settings.layout.check_room(&weights)?)
    }
}
