//! Live changes of the settings, the weights and the target.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::ring::{SeatId, Weight};

use super::on_ring_reply::OnRingReply;
use super::{CallId, Command, Fleet, Loads, Removal, Settings};

impl Fleet {
    /// Applies new settings to everything that begins from now on; a deadline that is already set stays.
    pub(super) fn configure(&mut self, settings: Settings, now: Instant) {
        let soon = now + settings.heartbeat_interval;
        self.members.values_mut().for_each(|member| member.heartbeats.bring_forward(soon));
        let old = std::mem::replace(&mut self.settings, settings);
        self.apply_configured_weights(&old.weights);
        self.recorder.set_configured_weights(&self.settings.weights);
        self.configure_upstreams(&old.upstreams, now);
    }

    /// Applies the configured weights that have changed; the other seats keep their weight, also one set through the
    /// API.
    fn apply_configured_weights(&mut self, old: &BTreeMap<SeatId, Weight>) {
        let new = &self.settings.weights;
        let differ = old.keys().chain(new.keys()).filter(|seat| old.get(seat) != new.get(seat));
        let differ: BTreeSet<SeatId> = differ.filter(|seat| self.seats.contains_key(seat)).copied().collect();
        for id in differ {
            self.apply_configured_weight(id, self.weight_of(id).unwrap_or(Weight::DEFAULT));
        }
    }

    /// Gives a seat its new configured weight, if there is room: a weight that fits the configuration may not fit beside
    /// weights set through the API.
    pub(super) fn apply_configured_weight(&mut self, id: SeatId, weight: Weight) {
        if let Err(error) = self.check_room(&[(id, weight)]) {
            return log::error!(seat:% = id, weight:%, why:% = error; "seat not weighed");
        }
        let Some(seat) = self.seats.get_mut(&id) else { return };
        if !seat.joined() {
            seat.set_weight(weight); // it joins with this weight
        } else if weight != seat.weight() {
            self.weigh(vec![(id, weight)], OnRingReply::Seated);
        }
    }

    /// Brings the number of seats to `target`, as an /add or /rm would.
    pub(super) fn scale(&mut self, call: CallId, target: usize, loads: &Loads, now: Instant) {
        self.recorder.begin_scaling(call, target);
        match self.resize(target) {
            Some(command) => self.execute(call, command, loads, now),
            None => {
                self.finish_scaling(call);
                self.reply_list(call);
            }
        }
    }

    /// The /add or /rm that brings the number of seats to `target`; `None`: there is nothing to add or remove.
    pub(super) fn resize(&self, target: usize) -> Option<Command> {
        let joined = self.target();
        match self.seats.len() {
            present if present < target => Some(Command::Add { n: target - present, names: Vec::new() }),
            present if present > target && joined > 0 => {
                let n = (present - target).min(joined);
                Some(Command::Remove(Removal { n, ..Removal::default() }))
            }
            _ => None,
        }
    }

    /// The configured weight of a new seat; `None`: not configured.
    pub(super) fn weight_of(&self, seat: SeatId) -> Option<Weight> {
        self.settings.weights.get(&seat).copied()
    }
}
