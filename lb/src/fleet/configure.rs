//! Live changes of the settings, the weights and the target.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::ring::{SeatId, Weight};

use super::action::Change;
use super::event::{CallId, Loads, Removal};
use super::on_ring_reply::OnRingReply;
use super::{Fleet, Settings};

impl Fleet {
    /// Applies new settings to everything that begins from now on; a deadline that is already set stays.
    pub(super) fn configure(&mut self, settings: Settings, now: Instant) {
        let soon = now + settings.heartbeat_interval;
        for next in self.members.values_mut().filter_map(|member| member.heartbeats.next.as_mut()) {
            *next = soon.min(*next);
        }
        let old = std::mem::replace(&mut self.settings, settings);
        self.apply_configured_weights(&old.weights);
        if let Some(configured) = &mut self.recorder.configured {
            configured.weights.clone_from(&self.settings.weights);
        }
        self.configure_upstreams(&old.upstreams, now);
    }

    /// Applies the configured weights that have changed; the other seats keep their weight, also one set through the
    /// API.
    fn apply_configured_weights(&mut self, old: &BTreeMap<SeatId, Weight>) {
        let new = &self.settings.weights;
        let differ = old.keys().chain(new.keys()).filter(|seat| old.get(seat) != new.get(seat));
        let differ: BTreeSet<SeatId> = differ.filter(|seat| self.seats.contains_key(seat)).copied().collect();
        for id in differ {
            let weight = self.weight_of(id).unwrap_or(Weight::DEFAULT);
            // A weight that fits the configuration may not fit beside weights set through the API.
            if let Err(error) = self.check_room(&[(id, weight)]) {
                log::error!("seat not weighed seat={id} weight={weight} why={error}");
                continue;
            }
            let Some(seat) = self.seats.get_mut(&id) else { continue };
            let was = std::mem::replace(&mut seat.weight, weight);
            // A seat that has not joined yet joins with this weight.
            if seat.joined() && weight != was {
                log::info!("seat weighs seat={id} weight={weight} was={was}");
                self.change_ring(Change::Weigh { seat: id, weight, was }, OnRingReply::Seated);
            }
        }
    }

    /// Brings the number of seats to `target`, as an /add or /rm would.
    pub(super) fn scale(&mut self, call: CallId, target: usize, loads: &Loads, now: Instant) {
        let joined = self.target();
        self.recorder.scaling = Some((call, target));
        match self.seats.len() {
            present if present < target => self.add(call, target - present, Vec::new(), now),
            present if present > target && joined > 0 => {
                let n = (present - target).min(joined);
                self.remove(call, &Removal { n, ..Removal::default() }, loads);
            }
            _ => {
                self.finish_scaling(call);
                self.reply_list(call);
            }
        }
    }

    /// The configured weight of a new seat; `None`: not configured.
    pub(super) fn weight_of(&self, seat: SeatId) -> Option<Weight> {
        self.settings.weights.get(&seat).copied()
    }
}
