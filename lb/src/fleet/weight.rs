//! What a seat weighs: its share of the slots. With `--runtime docker` it is recorded, else it holds until the process ends.

use std::collections::BTreeMap;

use crate::ring::{SeatId, Weight};

use super::action::Change;
use super::event::CallId;
use super::on_ring_reply::OnRingReply;
use super::{Fleet, Refusal, Seat};

impl Fleet {
    /// Gives a seat another weight; answered when every router goes by it.
    pub(super) fn weigh(&mut self, call: CallId, id: SeatId, weight: Weight) {
        if let Err(refusal) = self.check_weights(&[(id, weight)]) {
            return self.reply(call, Err(refusal));
        }
        let Some(seat) = self.seats.get_mut(&id) else { return };
        let was = std::mem::replace(&mut seat.weight, weight);
        if weight == was {
            return self.reply_list(call);
        }
        log::info!("seat weighs seat={id} weight={weight} was={was}");
        self.change_ring(Change::Weigh { seat: id, weight, was }, OnRingReply::Weighed(call));
    }

    /// Whether these seats of the ring may have these weights now.
    pub fn check_weights(&self, weights: &[(SeatId, Weight)]) -> Result<(), Refusal> {
        self.may_act()?;
        let joined = |id: &SeatId| self.seats.get(id).is_some_and(Seat::joined);
        match weights.iter().find(|(id, _)| !joined(id)) {
            Some((id, _)) => Err(Refusal::NoSeat(*id)),
            None => self.check_room(weights),
        }
    }

    /// Whether the layout has room for these seats beside the others, those of unanswered calls among them.
    pub(super) fn check_room(&self, changed: &[(SeatId, Weight)]) -> Result<(), Refusal> {
        let mut weights: BTreeMap<_, _> = self.seats.iter().map(|(id, seat)| (*id, seat.weight)).collect();
        weights.extend(changed.iter().copied());
        Ok(self.settings.layout.check_room(&weights)?)
    }
}
