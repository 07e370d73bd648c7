//! Crash of the balancer: it is killed at some moment and started again. The new one must have the old target, or the
//! one of the calls that were under way.

use std::collections::BTreeSet;

use super::*;

/// The numbers of seats that a restart may restore.
#[derive(Default)]
pub(super) struct AllowedTargets {
    /// The target by the answered calls.
    target: i64,
    /// Change of the target by each unanswered call.
    unanswered: BTreeMap<CallId, i64>,
}

impl AllowedTargets {
    pub fn begin(&mut self, fleet: &Fleet) {
        *self = Self { target: fleet.target() as i64, unanswered: BTreeMap::new() };
    }

    pub fn called(&mut self, call: CallId, change: i64) {
        self.unanswered.insert(call, change);
    }

    /// An /rm is decided at once, and may be answered at once.
    pub fn removes(&mut self, call: CallId, seats: usize) {
        match self.unanswered.get_mut(&call) {
            Some(change) => *change = -(seats as i64),
            None => self.target -= seats as i64,
        }
    }

    pub fn answered(&mut self, call: CallId, done: bool) {
        let change = self.unanswered.remove(&call).unwrap_or(0);
        self.target += if done { change } else { 0 };
    }

    fn allows(&self, target: usize) -> bool {
        let sums = self.unanswered.values().fold(BTreeSet::from([self.target]), |sums, change| {
            sums.iter().flat_map(|sum| [*sum, sum + change]).collect()
        });
        sums.contains(&(target as i64))
    }
}

/// Seat, weight, and whether its replica is cordoned.
type Seats = Vec<(SeatId, Weight, bool)>;

impl Simulation {
    /// Kills the balancer and starts another one.
    pub(super) fn crash(&mut self) {
        let quiet = self.calls.is_empty();
        let before = self.seats();
        let found = self.world.crash();
        self.note(format!("> crash, found {found:?}, record {:?}", self.world.records.stored));
        self.fleet = Fleet::new(self.settings.clone(), self.world.rng.fork());
        self.calls.clear();
        self.launches.clear();
        (self.rolled, self.serving) = (false, 0);
        if let Some(record) = self.world.records.stored.clone() {
            self.dispatch(Event::Restored(record));
        }
        self.dispatch(Event::Listed(found));
        if !std::mem::take(&mut self.world.records.failing) {
            let (target, AllowedTargets { target: answered, unanswered }) =
                (self.fleet.target(), &self.allowed);
            let allowed = self.allowed.allows(target);
            assert!(
                allowed,
                "{target} seats after a restart, {answered} were answered, under way {unanswered:?}"
            );
            if quiet {
                assert_eq!(self.seats(), before, "seats, weights, drained ones after a restart");
            }
        }
        self.allowed.begin(&self.fleet);
    }

    fn seats(&self) -> Seats {
        let joined = self.fleet.seats.iter().filter(|(_, seat)| seat.joined());
        joined.map(|(id, seat)| (*id, seat.weight(), seat.cordoned().is_some())).collect()
    }
}
