//! Rolling replacement by hand: every replica is replaced in its seat, one after the other.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use crate::ring::{Incarnation, SeatId};

use crate::fleet::action::Action;
use crate::fleet::event::CallId;
use crate::fleet::{Fleet, Ownership, Progress, Refusal, Seat, Transition};

/// What is left of it.
pub(crate) struct Rolling {
    /// The replicas of its beginning that still have their seats.
    pub left: BTreeSet<Incarnation>,
    total: usize,
    /// The seat that it is at.
    seat: SeatId,
}

impl Rolling {
    pub fn progress(&self) -> Progress {
        Progress { done: self.total - self.left.len(), total: self.total }
    }
}

impl Fleet {
    /// Begins; answered at once. Vacant and drained seats are left as they are.
    pub(crate) fn roll(&mut self, call: CallId) {
        if let Err(refusal) = self.may_roll() {
            return self.reply(call, Err(refusal));
        }
        let joined = self.seats.iter().filter(|(_, seat)| seat.joined());
        let occupied: Vec<_> = joined.filter_map(|(id, seat)| Some((*id, seat.occupant?))).collect();
        if let Some((seat, _)) = occupied.first() {
            let left: BTreeSet<_> = occupied.iter().map(|(_, occupant)| *occupant).collect();
            self.rolling = Some(Rolling { total: left.len(), left, seat: *seat });
            self.tell_rolling(None, "running", None);
        }
        self.reply_list(call);
    }

    fn may_roll(&self) -> Result<(), Refusal> {
        if self.settings.ownership == Ownership::Foreign {
            return Err(Refusal::NotOurs);
        }
        match self.rolling.as_ref().map(Rolling::progress) {
            Some(Progress { done, total }) => Err(Refusal::Rolling { done, total }),
            None => self.may_act(),
        }
    }

    /// Counts what is done, and plans the next replacement when everything else is at rest. Whoever dies, leaves or is
    /// drained meanwhile needs no replacement any more.
    pub(crate) fn roll_on(&mut self, now: Instant) {
        let Some(rolling) = &mut self.rolling else { return };
        let before = rolling.left.len();
        let occupants: BTreeSet<_> = self.seats.values().filter_map(|seat| seat.occupant).collect();
        rolling.left.retain(|incarnation| occupants.contains(incarnation));
        let left = rolling.left.len();
        if left < before {
            self.tell_rolling(Some("running"), if left == 0 { "done" } else { "running" }, None);
        }
        let rests = self.is_settled();
        let Some(rolling) = &mut self.rolling else { return };
        let is_next = |occupant: Incarnation| rolling.left.contains(&occupant);
        match self.seats.iter_mut().find(|(_, seat)| seat.occupant.is_some_and(is_next)) {
            None => self.rolling = None,
            Some((id, seat)) if rests => {
                rolling.seat = *id;
                seat.restart.plan(Duration::ZERO, now);
            }
            Some(_) => {}
        }
    }

    /// Stops: a new replica did not get ready, or nothing is launched any more.
    pub(crate) fn stop_rolling(&mut self, why: &dyn fmt::Display) {
        self.tell_rolling(Some("running"), "stopped", Some(why.to_string()));
        let Some(rolling) = self.rolling.take() else { return };
        // The next one may wait for its turn to be launched.
        let next = |seat: &&mut Seat| seat.occupant.is_some_and(|of| rolling.left.contains(&of));
        for seat in self.seats.values_mut().filter(next).filter(|seat| seat.replacing.is_none()) {
            seat.restart.cancel();
        }
    }

    fn tell_rolling(&mut self, was: Option<&'static str>, now: &'static str, why: Option<String>) {
        let Some(rolling) = &self.rolling else { return };
        let (seat, progress) = (rolling.seat, rolling.progress());
        let Progress { done, total } = progress;
        match &why {
            Some(why) => log::warn!("rolling replacement {now} done={done} of={total} seat={seat} why={why}"),
            None => log::info!("rolling replacement {now} done={done} of={total} seat={seat}"),
        }
        self.actions.push(Action::Tell(Transition {
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
