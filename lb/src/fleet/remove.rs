//! /rm: the choice of the seats, and their removal from the ring.

use std::cmp::Reverse;
use std::time::Duration;

use crate::ring::{Change, SeatId};

use super::action::Action;
use super::on_ring_reply::OnRingReply;
use super::state::Then;
use super::{CallId, CommandError, Fleet, Loads, Removal, Seat};

impl Fleet {
    /// Removes seats from the ring; answered when they have left it.
    pub(super) fn remove(&mut self, call: CallId, removal: &Removal, loads: &Loads) {
        match self.choose(removal, loads) {
            Ok(seats) => self.remove_seats(Some(call), seats),
            Err(error) => self.reply(call, Err(error)),
        }
    }

    /// The seats that an /rm would remove now: the named ones first, then vacant ones, then those with the fewest
    /// requests in flight, the fewest slots, the highest number.
    ///
    /// # Errors
    /// A name or seat does not exist or is given twice, or the fleet accepts no change; with `--strict-rm` also if `n`
    /// exceeds the number of seats.
    pub fn choose(&self, removal: &Removal, loads: &Loads) -> Result<Vec<SeatId>, CommandError> {
        let Removal { n, names, seats: wanted } = removal;
        self.check_managed(names)?;
        let mut seats: Vec<(SeatId, &Seat)> =
            self.seats.iter().filter(|(_, seat)| seat.joined()).map(|(id, seat)| (*id, seat)).collect();
        if *n > seats.len() && self.settings.strict_rm {
            return Err(CommandError::TooFew);
        }
        let mut chosen = Vec::new();
        for name in names {
            let at = seats.iter().position(|(_, seat)| self.find_member(seat, name).is_some());
            let (id, _) = seats.swap_remove(at.ok_or_else(|| CommandError::Unknown(name.clone()))?);
            chosen.push(id);
        }
        for wanted in wanted {
            let at = seats.iter().position(|(id, _)| id == wanted);
            let (id, _) = seats.swap_remove(at.ok_or(CommandError::NoSeat(*wanted))?);
            chosen.push(id);
        }
        seats.sort_by_key(|(id, seat)| {
            let (in_flight, slots) = loads.get(id).copied().unwrap_or_default();
            (self.serving(seat).is_some(), in_flight, slots, Reverse(*id))
        });
        chosen.extend(seats.into_iter().map(|(id, _)| id).take(n.saturating_sub(chosen.len())));
        Ok(chosen)
    }

    /// Removes these seats from the ring; `call`, if there is one, is answered when they have left it.
    pub(super) fn remove_seats(&mut self, call: Option<CallId>, seats: Vec<SeatId>) {
        let mut leaving = Vec::new();
        for id in &seats {
            let Some(mut seat) = self.seats.remove(id) else { continue };
            if let Some(external) = &seat.external {
                log::info!(name:% = external.name(), seat:% = id; "upstream removed");
                self.actions.push(Action::Assign { seat: *id, upstream: None });
            }
            if let Some(candidate) = seat.candidate() {
                self.stop(candidate, Duration::ZERO);
            }
            if let Some(member) = seat.occupant().and_then(|occupant| self.members.get_mut(&occupant)) {
                member.leave(Then::Stop, "rm", &mut self.actions);
                leaving.push(member.launch.incarnation);
            }
            leaving.extend(seat.cordoned().and_then(|cordoned| self.end_cordon(cordoned, "rm")));
            if let Some(call) = seat.take_call() {
                self.reply(call, Err(CommandError::NoSeat(*id)));
            }
        }
        call.into_iter().for_each(|call| self.finish_scaling(call));
        self.change_ring(Change::Leave(seats), OnRingReply::Left(call, leaving));
    }
}
