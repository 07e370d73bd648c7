//! Live changes of the list of external servers, by a call or by a new configuration.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::fleet::runtime::Upstream;
use crate::name::Name;
use crate::ring::{Change, SeatId, Weight};

use super::action::Action;
use super::external::External;
use super::on_ring_reply::OnRingReply;
use super::{CallId, CommandError, Fleet, Ownership, Seat};

impl Fleet {
    /// Adds a server in the smallest free seat. Answered when requests reach it, or when none of its addresses
    /// answered: then its seat is vacant until one does.
    pub(super) fn add_upstream(&mut self, call: CallId, upstream: Upstream, now: Instant) {
        match self.seat_for(&upstream) {
            Err(error) => self.reply(call, Err(error)),
            Ok(id) => self.join_upstream(id, upstream, Some(call), now),
        }
    }

    /// The seat that a server would get now.
    ///
    /// # Errors
    /// The name or the address exists already, the limit of seats is reached, the layout has no room, or the list
    /// cannot be changed.
    pub fn seat_for(&self, upstream: &Upstream) -> Result<SeatId, CommandError> {
        self.may_change_upstreams()?;
        let externals = || self.seats.values().filter_map(|seat| seat.external.as_ref());
        if externals().any(|external| external.name().clashes(&upstream.name)) {
            return Err(CommandError::Exists(upstream.name.clone()));
        }
        let authority = upstream.authority();
        if let Some(same) = externals().find(|external| external.upstream().authority() == authority) {
            return Err(CommandError::UpstreamTwice { authority, name: same.name().clone() });
        }
        let id = (1..).filter_map(SeatId::new).find(|id| !self.seats.contains_key(id));
        let id = id.ok_or_else(|| CommandError::Exists(upstream.name.clone()))?;
        self.check_room(&[(id, upstream.weight)])?;
        Ok(id)
    }

    /// Removes a server from the ring with its seat; answered when no new request reaches it. Its requests in flight
    /// finish.
    pub(super) fn remove_upstream(&mut self, call: CallId, name: &Name) {
        match self.seat_of_upstream(name) {
            Err(error) => self.reply(call, Err(error)),
            Ok(id) => self.remove_seats(Some(call), vec![id]),
        }
    }

    /// The seat of a server.
    ///
    /// # Errors
    /// There is no such server, or the list cannot be changed.
    pub fn seat_of_upstream(&self, name: &Name) -> Result<SeatId, CommandError> {
        self.may_change_upstreams()?;
        self.find_upstream(name).ok_or_else(|| CommandError::NoUpstream(name.clone()))
    }

    fn find_upstream(&self, name: &Name) -> Option<SeatId> {
        let has = |seat: &Seat| seat.external.as_ref().is_some_and(|external| external.name() == name);
        self.seats.iter().find(|(_, seat)| has(seat)).map(|(id, _)| *id)
    }

    fn may_change_upstreams(&self) -> Result<(), CommandError> {
        match self.settings.ownership {
            Ownership::Managed => Err(CommandError::NotExternal),
            Ownership::External => self.check_active(),
        }
    }

    fn join_upstream(&mut self, id: SeatId, upstream: Upstream, call: Option<CallId>, now: Instant) {
        let Upstream { name, weight, .. } = &upstream;
        let (weight, address) = (*weight, upstream.authority());
        log::info!(name:%, seat:% = id, address:%, weight:%; "upstream added");
        self.make_external_seat(id, upstream, now);
        if let Some(seat) = self.seats.get_mut(&id) {
            call.into_iter().for_each(|call| seat.await_next(call));
            seat.external.iter_mut().for_each(External::set_new);
        }
        self.change_ring(Change::Join(vec![(id, weight, None)]), OnRingReply::Seated);
    }

    /// Applies a new configured list: it replaces the whole list in force, live changes included. A weight set through
    /// the API holds unless the configured weight has changed.
    pub(super) fn configure_upstreams(&mut self, old: &[Upstream], now: Instant) {
        let new = self.settings.upstreams.clone();
        if old == new || !self.lifecycle.is_active() {
            return self.resolve_upstreams();
        }
        let unlisted = |seat: &Seat| {
            let name = seat.external.as_ref().map(External::name);
            name.is_some_and(|name| new.iter().all(|upstream| upstream.name != *name))
        };
        let gone: Vec<SeatId> =
            self.seats.iter().filter(|(_, seat)| unlisted(seat)).map(|(id, _)| *id).collect();
        if !gone.is_empty() {
            self.remove_seats(None, gone);
        }
        self.apply_upstream_weights(old, &new);
        for upstream in new {
            if let Some(id) = self.find_upstream(&upstream.name) {
                self.change_upstream(id, upstream, now);
                continue;
            }
            match self.seat_for(&upstream) {
                Ok(id) => self.join_upstream(id, upstream, None, now),
                Err(error) => log::error!(name:% = upstream.name, why:% = error; "upstream not added"),
            }
        }
        self.resolve_upstreams();
    }

    /// Changes the address of a server: the server at the old address serves until the new one answers.
    fn change_upstream(&mut self, id: SeatId, upstream: Upstream, now: Instant) {
        let Some(seat) = self.seats.get_mut(&id) else { return };
        let Some(external) = &mut seat.external else { return };
        let Some(was) = external.set_upstream(upstream) else { return };
        let (name, address) = (external.name(), external.upstream().authority());
        log::info!(name:%, seat:% = id, address:%, was:%; "upstream has another address");
        if let Some(candidate) = seat.take_candidate() {
            self.members.remove(&candidate);
        }
        // While the seat is occupied, the resolver's result starts the successor.
        if seat.holder().is_none() {
            seat.plan(Duration::ZERO, now);
        }
    }

    /// Seats that become lighter come first, to make room for the heavier ones.
    fn apply_upstream_weights(&mut self, old: &[Upstream], new: &[Upstream]) {
        let old: BTreeMap<&Name, Weight> =
            old.iter().map(|upstream| (&upstream.name, upstream.weight)).collect();
        let mut changed: Vec<(SeatId, Weight, Weight)> = Vec::new();
        for Upstream { name, weight, .. } in new.iter().filter(|new| old.get(&new.name) != Some(&new.weight))
        {
            let Some(id) = self.find_upstream(name) else { continue };
            let Some(seat) = self.seats.get(&id).filter(|seat| seat.weight() != *weight) else { continue };
            changed.push((id, *weight, seat.weight()));
        }
        changed.sort_by_key(|(id, weight, was)| (weight > was, *id));
        for (id, weight, _) in changed {
            self.apply_configured_weight(id, weight);
        }
    }

    /// Requests a new resolution of every name.
    fn resolve_upstreams(&mut self) {
        let of = |(id, seat): (&SeatId, &Seat)| Some((*id, seat.external.as_ref()?.upstream().clone()));
        let assigned: Vec<(SeatId, Upstream)> = self.seats.iter().filter_map(of).collect();
        for (seat, upstream) in assigned {
            self.actions.push(Action::Assign { seat, upstream: Some(upstream) });
        }
    }
}
