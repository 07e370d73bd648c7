//! Other settings while we run, and another target.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::ring::{SeatId, Weight};

use super::action::Change;
use super::event::{CallId, Loads, Removal};
use super::on_ring_reply::OnRingReply;
use super::{Fleet, Settings};

impl Fleet {
    /// From now on these count; a deadline that is set already stays.
    pub(super) fn configure(&mut self, settings: Settings, now: Instant) {
        let soon = now + settings.heartbeat_interval;
        for next in self.members.values_mut().filter_map(|member| member.beats.next.as_mut()) {
            *next = soon.min(*next);
        }
        let old = std::mem::replace(&mut self.settings, settings);
        self.reweigh(&old.weights);
        if let Some(configured) = &mut self.recorder.configured {
            configured.weights.clone_from(&self.settings.weights);
        }
        self.configure_upstreams(&old.upstreams, now);
    }

    /// Gives the seats whose weight is said otherwise now that weight; of the others the API's stays.
    fn reweigh(&mut self, old: &BTreeMap<SeatId, Weight>) {
        let new = &self.settings.weights;
        let differ = old.keys().chain(new.keys()).filter(|seat| old.get(seat) != new.get(seat));
        let differ: BTreeSet<SeatId> = differ.filter(|seat| self.seats.contains_key(seat)).copied().collect();
        for id in differ {
            let weight = self.weight_of(id).unwrap_or(Weight::DEFAULT);
            // Beside weights that the API gave.
            if let Err(refusal) = self.check_room(&[(id, weight)]) {
                log::error!("seat not weighed seat={id} weight={weight} why={refusal}");
                continue;
            }
            let Some(seat) = self.seats.get_mut(&id) else { continue };
            let was = std::mem::replace(&mut seat.weight, weight);
            // One that has not joined yet joins with it.
            if seat.joined() && weight != was {
                log::info!("seat weighs seat={id} weight={weight} was={was}");
                self.change_ring(Change::Weigh { seat: id, weight, was }, OnRingReply::Seated);
            }
        }
    }

    /// Brings the number of seats to the target, as an /add or /rm would.
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
                self.scaled(call);
                self.reply_list(call);
            }
        }
    }

    /// The weight of a seat that is about to be made.
    pub(super) fn weight_of(&self, seat: SeatId) -> Option<Weight> {
        self.settings.weights.get(&seat).copied()
    }
}
