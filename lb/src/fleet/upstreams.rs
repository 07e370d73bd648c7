//! The list of external servers changed while the balancer runs: by a call, or by another configuration.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::name::Name;
use crate::ring::{SeatId, Weight};
use crate::runtime::Upstream;

use super::action::{Action, Change};
use super::event::CallId;
use super::external::External;
use super::on_ring_reply::OnRingReply;
use super::{Fleet, Ownership, Refusal, Seat};

impl Fleet {
    /// Adds a server in the smallest free seat. Answered when requests reach it, or when no address of it answered: then
    /// its seat is vacant until one does.
    pub(super) fn add_upstream(&mut self, call: CallId, upstream: Upstream, now: Instant) {
        match self.seat_for(&upstream) {
            Err(refusal) => self.reply(call, Err(refusal)),
            Ok(id) => self.join_upstream(id, upstream, Some(call), now),
        }
    }

    /// The seat that a server would get now.
    pub fn seat_for(&self, upstream: &Upstream) -> Result<SeatId, Refusal> {
        self.may_change_upstreams()?;
        let externals = || self.seats.values().filter_map(|seat| seat.external.as_ref());
        if externals().any(|external| external.upstream.name.clashes(&upstream.name)) {
            return Err(Refusal::Exists(upstream.name.clone()));
        }
        let authority = upstream.authority();
        let same = externals().find(|external| external.upstream.authority() == authority);
        if let Some(External { upstream: Upstream { name, .. }, .. }) = same {
            return Err(Refusal::UpstreamTwice { authority, name: name.clone() });
        }
        let id = (1..).filter_map(SeatId::new).find(|id| !self.seats.contains_key(id));
        let id = id.ok_or_else(|| Refusal::Exists(upstream.name.clone()))?;
        self.check_room(&[(id, upstream.weight)])?;
        Ok(id)
    }

    /// Takes a server out of the ring with its seat; answered when no new request reaches it. What it has in flight ends.
    pub(super) fn remove_upstream(&mut self, call: CallId, name: &Name) {
        match self.seat_of_upstream(name) {
            Err(refusal) => self.reply(call, Err(refusal)),
            Ok(id) => self.take_out(Some(call), vec![id]),
        }
    }

    /// The seat of a server.
    pub fn seat_of_upstream(&self, name: &Name) -> Result<SeatId, Refusal> {
        self.may_change_upstreams()?;
        self.find_upstream(name).ok_or_else(|| Refusal::NoUpstream(name.clone()))
    }

    fn find_upstream(&self, name: &Name) -> Option<SeatId> {
        let has =
            |seat: &Seat| seat.external.as_ref().is_some_and(|external| external.upstream.name == *name);
        self.seats.iter().find(|(_, seat)| has(seat)).map(|(id, _)| *id)
    }

    fn may_change_upstreams(&self) -> Result<(), Refusal> {
        match self.settings.ownership {
            Ownership::Ours => Err(Refusal::NotExternal),
            Ownership::Foreign => self.may_act(),
        }
    }

    fn join_upstream(&mut self, id: SeatId, upstream: Upstream, call: Option<CallId>, now: Instant) {
        let Upstream { name, weight, .. } = &upstream;
        let (weight, address) = (*weight, upstream.authority());
        log::info!("upstream added name={name} seat={id} address={address} weight={weight}");
        self.make_external_seat(id, upstream, now);
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.replacing = call;
            seat.external.iter_mut().for_each(|external| external.new = true);
        }
        self.change_ring(Change::Join(vec![(id, weight, None)]), OnRingReply::Seated);
    }

    /// Another list of servers is configured: it replaces the whole list in force, live changes included. A weight that
    /// the API gave holds unless the weight in the list is another one than before.
    pub(super) fn configure_upstreams(&mut self, old: &[Upstream], now: Instant) {
        let new = self.settings.upstreams.clone();
        if old == new || self.frozen.is_some() {
            return self.resolve_upstreams();
        }
        let unlisted = |seat: &Seat| {
            let name = seat.external.as_ref().map(|external| &external.upstream.name);
            name.is_some_and(|name| new.iter().all(|upstream| upstream.name != *name))
        };
        let gone: Vec<SeatId> =
            self.seats.iter().filter(|(_, seat)| unlisted(seat)).map(|(id, _)| *id).collect();
        if !gone.is_empty() {
            self.take_out(None, gone);
        }
        self.weigh_upstreams(old, &new);
        for upstream in new {
            if let Some(id) = self.find_upstream(&upstream.name) {
                self.change_upstream(id, upstream, now);
                continue;
            }
            match self.seat_for(&upstream) {
                Ok(id) => self.join_upstream(id, upstream, None, now),
                Err(refusal) => log::error!("upstream not added name={} why={refusal}", upstream.name),
            }
        }
        self.resolve_upstreams();
    }

    /// The same name with another address: the server at the old one serves until the new one answers.
    fn change_upstream(&mut self, id: SeatId, upstream: Upstream, now: Instant) {
        let Some(seat) = self.seats.get_mut(&id) else { return };
        let Some(external) = &mut seat.external else { return };
        let (was, is) = (external.upstream.authority(), upstream.authority());
        let name = upstream.name.clone();
        external.upstream = upstream;
        if was == is {
            return;
        }
        log::info!("upstream has another address name={name} seat={id} address={is} was={was}");
        external.addresses.clear();
        (external.failures, external.trouble) = (0, None);
        if let Some(candidate) = seat.candidate.take() {
            self.members.remove(&candidate);
        }
        // While the seat is occupied the answer of the resolver starts the successor.
        if seat.occupant.is_none() && seat.drained.is_none() {
            seat.restart.plan_unbounded(Duration::ZERO, now);
        }
    }

    /// Lighter seats first: so there is room for the heavier ones.
    fn weigh_upstreams(&mut self, old: &[Upstream], new: &[Upstream]) {
        let old: BTreeMap<&Name, Weight> =
            old.iter().map(|upstream| (&upstream.name, upstream.weight)).collect();
        let mut changed: Vec<(SeatId, Weight, Weight)> = Vec::new();
        for Upstream { name, weight, .. } in new.iter().filter(|new| old.get(&new.name) != Some(&new.weight))
        {
            let Some(id) = self.find_upstream(name) else { continue };
            let Some(seat) = self.seats.get(&id).filter(|seat| seat.weight != *weight) else { continue };
            changed.push((id, *weight, seat.weight));
        }
        changed.sort_by_key(|(id, weight, was)| (weight > was, *id));
        for (id, weight, was) in changed {
            if let Err(refusal) = self.check_room(&[(id, weight)]) {
                log::error!("seat not weighed seat={id} weight={weight} why={refusal}");
                continue;
            }
            let Some(seat) = self.seats.get_mut(&id) else { continue };
            seat.weight = weight;
            log::info!("seat weighs seat={id} weight={weight} was={was}");
            self.change_ring(Change::Weigh { seat: id, weight, was }, OnRingReply::Seated);
        }
    }

    /// Every name is resolved again.
    fn resolve_upstreams(&mut self) {
        let of = |(id, seat): (&SeatId, &Seat)| Some((*id, seat.external.as_ref()?.upstream.clone()));
        let assigned: Vec<(SeatId, Upstream)> = self.seats.iter().filter_map(of).collect();
        for (seat, upstream) in assigned {
            self.actions.push(Action::Assign { seat, upstream: Some(upstream) });
        }
    }
}
