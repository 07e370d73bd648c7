//! Replacement of one live replica by a call: the new one is ready before the old one leaves. Dead and hung replicas
//! (`--replace-after`) are replaced in `death` and `heartbeats`.

use std::sync::Arc;
use std::time::Instant;

use crate::name::Name;
use crate::ring::{Change, Incarnation, Replica, SeatId};

use super::member::Member;
use super::on_ring_reply::OnRingReply;
use super::state::Then;
use super::{CallId, CommandError, Fleet, Ownership, Phase, Seat};

impl Fleet {
    /// Starts a new replica for the seat of another. Answered when the new one has taken over, or did not get ready:
    /// then everything is as before. For a cordoned replica that has died, the vacant seat is filled.
    pub(super) fn replace(&mut self, call: CallId, name: Name, now: Instant) {
        let (seat_id, phase) = match self.find_replaceable(&name) {
            Ok(found) => found,
            Err(error) => return self.reply(call, Err(error)),
        };
        if phase == Phase::Dead {
            return self.restart_cordoned(call, seat_id, now);
        }
        if let Some(seat) = self.seats.get_mut(&seat_id) {
            seat.replace(call, now);
        }
    }

    fn find_replaceable(&self, name: &Name) -> Result<(SeatId, Phase), CommandError> {
        if self.settings.ownership == Ownership::External {
            return Err(CommandError::NotReplaceable);
        }
        let (id, _, _, phase) = self.find_replica(name)?;
        let wanted = "only one that is ready, suspect or drained can be replaced";
        match phase {
            Phase::Ready | Phase::Suspect | Phase::Draining | Phase::Dead => Ok((id, phase)),
            _ => Err(CommandError::NotNow { name: name.clone(), phase, wanted }),
        }
    }

    /// Fills the seat of a cordoned replica that has died.
    pub(super) fn restart_cordoned(&mut self, call: CallId, seat_id: SeatId, now: Instant) {
        let Some(seat) = self.seats.get_mut(&seat_id) else { return };
        seat.vacate();
        seat.set_next_name(None);
        seat.replace(call, now);
    }

    /// Gives the seat to the successor at once; the previous replica finishes its requests in flight.
    pub(super) fn hand_over(&mut self, from: Incarnation, to: Arc<Replica>, now: Instant) {
        if let Some(member) = self.members.get_mut(&from) {
            member.leave(Then::Stop, "replaced", &mut self.actions);
        }
        let successor = to.incarnation;
        self.change_ring(Change::Handover(to), OnRingReply::HandedOver { from, to: successor });
        // The seat is served throughout, so /rep lists it without a gap.
        self.ready(successor, now);
    }

    /// Gives the vacant seat to the successor of a cordoned replica, which, if it lives, finishes its requests in
    /// flight.
    pub(super) fn hand_over_cordoned(&mut self, cordoned: Incarnation, to: Arc<Replica>) {
        let successor = to.incarnation;
        match self.end_cordon(cordoned, "replaced") {
            Some(from) => {
                self.change_ring(Change::Handover(to), OnRingReply::HandedOver { from, to: successor });
            }
            None => self.change_ring(Change::Occupy(to), OnRingReply::Occupied(successor)),
        }
    }

    /// A replica serves in its seat: answers the call that waited for it.
    pub(super) fn answer_replacing(&mut self, incarnation: Incarnation) {
        let serves = |member: &&Member| matches!(member.phase(), Phase::Ready | Phase::Suspect);
        let Some(member) = self.members.get(&incarnation).filter(serves) else { return };
        let about = (member.launch.seat, member.launch.name.clone());
        let seat = self.seats.get_mut(&about.0).filter(|seat| seat.occupant() == Some(incarnation));
        if let Some(call) = seat.and_then(Seat::take_call) {
            self.reply_about(call, Some(about));
        }
    }

    /// Answers the calls that wait for a replica of these seats with an error: none will be started.
    pub(super) fn fail_replacing(&mut self, which: impl Fn(&Seat) -> bool, error: &CommandError) {
        let waiting = self.seats.values_mut().filter(|seat| which(seat));
        let calls: Vec<CallId> = waiting.filter_map(Seat::take_call).collect();
        for call in calls {
            self.reply(call, Err(error.clone()));
        }
    }
}
