//! Rolling replacement by a call: every replica is replaced in its seat, one after the other.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use crate::ring::{Incarnation, SeatId};

use crate::fleet::action::Action;
use crate::fleet::{CallId, CommandError, Fleet, Ownership, Progress, Seat, Transition};

/// State of a rolling replacement.
pub(crate) struct ManualRollout {
    /// The replicas that had seats at its beginning, and still have them.
    left: BTreeSet<Incarnation>,
    total: usize,
    /// The seat whose replica is being replaced.
    seat: SeatId,
}

impl ManualRollout {
    pub fn progress(&self) -> Progress {
        Progress { done: self.total - self.left.len(), total: self.total }
    }
}

impl Fleet {
    /// Starts a rolling replacement; answered at once. Vacant and cordoned seats are left as they are.
    pub(crate) fn start_manual_rollout(&mut self, call: CallId) {
        if let Err(error) = self.check_manual_rollout() {
            return self.reply(call, Err(error));
        }
        let joined = self.seats.iter().filter(|(_, seat)| seat.joined());
        let occupied: Vec<_> = joined.filter_map(|(id, seat)| Some((*id, seat.occupant()?))).collect();
        if let Some((seat, _)) = occupied.first() {
            let left: BTreeSet<_> = occupied.iter().map(|(_, occupant)| *occupant).collect();
            self.manual_rollout = Some(ManualRollout { total: left.len(), left, seat: *seat });
            self.publish_manual_rollout(None, "running", None);
        }
        self.reply_list(call);
    }

    fn check_manual_rollout(&self) -> Result<(), CommandError> {
        if self.settings.ownership == Ownership::External {
            return Err(CommandError::NotReplaceable);
        }
        match self.manual_rollout.as_ref().map(ManualRollout::progress) {
            Some(Progress { done, total }) => Err(CommandError::Rolling { done, total }),
            None => self.check_active(),
        }
    }

    /// Counts the replaced replicas, and plans the next replacement when the fleet is settled. A replica that dies,
    /// leaves or is cordoned meanwhile needs no replacement any more.
    pub(crate) fn continue_manual_rollout(&mut self, now: Instant) {
        let Some(rollout) = &mut self.manual_rollout else { return };
        let before = rollout.left.len();
        let occupants: BTreeSet<_> = self.seats.values().filter_map(Seat::occupant).collect();
        rollout.left.retain(|incarnation| occupants.contains(incarnation));
        let left = rollout.left.len();
        if left < before {
            self.publish_manual_rollout(Some("running"), if left == 0 { "done" } else { "running" }, None);
        }
        let settled = self.is_settled();
        let Some(rollout) = &mut self.manual_rollout else { return };
        let is_next = |occupant: Incarnation| rollout.left.contains(&occupant);
        match self.seats.iter_mut().find(|(_, seat)| seat.occupant().is_some_and(is_next)) {
            None => self.manual_rollout = None,
            Some((id, seat)) if settled => {
                rollout.seat = *id;
                seat.plan(Duration::ZERO, now);
            }
            Some(_) => {}
        }
    }

    /// Aborts the rolling replacement: a new replica did not get ready, or nothing is launched any more.
    pub(crate) fn abort_manual_rollout(&mut self, why: &dyn fmt::Display) {
        self.publish_manual_rollout(Some("running"), "stopped", Some(why.to_string()));
        let Some(rollout) = self.manual_rollout.take() else { return };
        // The next replacement may be planned but not launched yet.
        let next = |seat: &&mut Seat| seat.occupant().is_some_and(|of| rollout.left.contains(&of));
        for seat in self.seats.values_mut().filter(next).filter(|seat| !seat.is_awaited()) {
            seat.restart.cancel();
        }
    }

    fn publish_manual_rollout(&mut self, was: Option<&'static str>, now: &'static str, why: Option<String>) {
        let Some(rollout) = &self.manual_rollout else { return };
        let (seat, progress) = (rollout.seat, rollout.progress());
        let Progress { done, total } = progress;
        match &why {
            Some(why) => log::warn!(done:%, of:% = total, seat:%, why:%; "rolling replacement {now}"),
            None => log::info!(done:%, of:% = total, seat:%; "rolling replacement {now}"),
        }
        self.actions.push(Action::Publish(Transition {
            name: "rolling",
            seat,
            replica: None,
            incarnation: None,
            was,
            now: Some(now),
            why,
            progress: Some(progress),
        }));
    }
}
