//! External servers (`--runtime static`): the state of the server of a seat, and the choice of its address.
//!
//! The seat of an external server is in the ring as long as its upstream is configured; it is vacant while no address
//! of the server answers heartbeats. Each launch tries the next address. If the name of a server no longer resolves to
//! the address in use, the next address takes the seat over once it answers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::fleet::runtime::Upstream;
use crate::name::Name;
use crate::ring::SeatId;

use super::action::Action;
use super::{Answer, CommandError, Fleet, Phase, Seat, Transition};

/// Whether the balancer runs the replicas itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// The balancer runs them: a dead replica is replaced under a new name, by the rules of restart intensity.
    Managed,
    /// They are external servers: a dead one keeps its name and seat, and is tried again every heartbeat interval.
    External,
}

/// The external server of a seat.
pub(super) struct External {
    /// The upstream as configured.
    upstream: Upstream,
    /// Addresses of the last resolution; empty before the first one.
    addresses: Vec<SocketAddr>,
    /// Failed attempts since the seat was last occupied.
    failures: usize,
    /// The server was added live, and no attempt has ended yet. The call succeeds also if the seat stays vacant.
    new: bool,
    /// The kind of failure that was last logged; `None`: none since the server last answered.
    failure: Option<Failure>,
    /// The last resolution of the name failed, while its server answered.
    unresolved: bool,
}

/// Why an attempt to fill a seat failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// The name has no address.
    Unresolved,
    /// The address does not answer heartbeats.
    Unanswered,
}

/// Why a seat is vacant.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Vacancy {
    /// Why the seat became vacant.
    pub reason: String,
    /// Why the last attempt to fill the seat failed; equal to `reason` before the first attempt.
    pub last_error: String,
}

/// A failed attempt to fill a seat, or the death of its replica.
pub(super) struct Loss {
    /// Whether requests were routed to the replica.
    pub served: bool,
    /// Address of the replica; `None` if the launch gave it none.
    pub address: Option<SocketAddr>,
    /// Cause of the vacancy.
    pub why: String,
}

impl External {
    pub fn new(upstream: Upstream) -> Self {
        let addresses = Vec::new();
        Self { upstream, addresses, failures: 0, new: false, failure: None, unresolved: false }
    }

    /// The upstream as configured.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// The configured name.
    pub fn name(&self) -> &Name {
        &self.upstream.name
    }

    /// Whether the name had several addresses in the last resolution.
    pub fn has_several_addresses(&self) -> bool {
        self.addresses.len() > 1
    }

    /// Marks the server as added live, until its first attempt has ended.
    pub fn set_new(&mut self) {
        self.new = true;
    }

    /// Replaces the upstream. If its `HOST:PORT` changes, nothing is known of the new address yet, and the former
    /// `HOST:PORT` is returned.
    pub fn set_upstream(&mut self, upstream: Upstream) -> Option<String> {
        let before = std::mem::replace(&mut self.upstream, upstream).authority();
        if before == self.upstream.authority() {
            return None;
        }
        self.addresses.clear();
        (self.failures, self.failure) = (0, None);
        Some(before)
    }

    /// The server occupies its seat: clears the failures of the attempts before.
    pub fn clear_failures(&mut self) {
        (self.failures, self.new, self.failure) = (0, false, None);
    }

    /// Applies the result of a resolution; returns whether it has addresses. A server that answers (`occupied`) keeps its
    /// address after an error: DNS may be unavailable. If no server answers, the launch reports the error.
    fn resolved(&mut self, seat: SeatId, addresses: Result<Vec<SocketAddr>, String>, occupied: bool) -> bool {
        let name = &self.upstream.name;
        match addresses {
            Err(why) => {
                if occupied && !std::mem::replace(&mut self.unresolved, true) {
                    log::warn!(name:%, seat:%, address = "kept", why:%; "upstream does not resolve");
                }
                false
            }
            Ok(addresses) => {
                if std::mem::take(&mut self.unresolved) {
                    log::info!(name:%, seat:%; "upstream resolves again");
                }
                self.addresses = addresses;
                true
            }
        }
    }
}

impl Fleet {
    /// Makes a vacant seat for an external server; its first launch is due at once.
    pub(super) fn make_external_seat(&mut self, id: SeatId, upstream: Upstream, now: Instant) {
        let mut seat = Seat::new(upstream.weight);
        seat.external = Some(External::new(upstream.clone()));
        seat.plan(Duration::ZERO, now);
        self.seats.insert(id, seat);
        self.actions.push(Action::Assign { seat: id, upstream: Some(upstream) });
    }

    /// The name of an external server was resolved, or could not be
    /// ([`RuntimeEvent::Resolved`](super::RuntimeEvent::Resolved)).
    pub(super) fn resolved(
        &mut self,
        seat_id: SeatId,
        id: &str,
        addresses: Result<Vec<SocketAddr>, String>,
        now: Instant,
    ) {
        let Some(seat) = self.seats.get_mut(&seat_id) else { return };
        let occupied = seat.occupant().is_some();
        // A result for a former upstream of the seat is ignored.
        let external = seat.external.as_mut().filter(|external| external.upstream.authority() == id);
        let Some(external) = external else { return };
        if !external.resolved(seat_id, addresses, occupied) {
            return;
        }
        let (name, to) = (external.upstream.name.clone(), external.addresses.clone());
        let candidate = seat.candidate().and_then(|of| self.members.get(&of)?.address());
        if candidate.is_some_and(|address| !to.contains(&address))
            && let Some(stale) = seat.take_candidate()
        {
            self.members.remove(&stale);
            seat.plan(Duration::ZERO, now);
        }
        let Some(member) = seat.occupant().and_then(|occupant| self.members.get_mut(&occupant)) else {
            return;
        };
        let Some(address) = member.address() else { return };
        if to.contains(&address) {
            member.set_id(id);
            seat.restart.cancel();
            return;
        }
        if seat.candidate().is_none() && seat.restart.due().is_none() {
            log::info!(name:%, seat:% = seat_id, from:% = address, to:?; "upstream moves");
            seat.external.iter_mut().for_each(|external| external.failures = 0);
            seat.plan(Duration::ZERO, now);
        }
    }

    /// Plans the next attempt: at once while untried addresses are left, else after a heartbeat interval.
    pub(super) fn external_lost(&mut self, seat_id: SeatId, name: &Name, loss: &Loss, now: Instant) {
        let interval = self.settings.heartbeat_interval;
        let Some(seat) = self.seats.get_mut(&seat_id) else { return };
        let (occupant, candidate) = (seat.occupant(), seat.candidate());
        let Some(external) = &mut seat.external else { return };
        let current = occupant.and_then(|of| self.members.get(&of)?.address());
        if current.is_some_and(|current| external.addresses.contains(&current)) {
            return; // the name resolves to the address of the live server again
        }
        if candidate.is_some() {
            return;
        }
        if loss.served {
            external.failures = 0;
            seat.plan(Duration::ZERO, now);
            return;
        }
        external.failures += 1;
        let untried = external.failures % external.addresses.len().max(1) != 0;
        if loss.address.is_some() && untried {
            seat.plan(Duration::ZERO, now);
            return;
        }
        let failure = if loss.address.is_some() { Failure::Unanswered } else { Failure::Unresolved };
        let is_new = external.failure.replace(failure) != Some(failure);
        let added = std::mem::take(&mut external.new);
        seat.plan(interval, now);
        if is_new {
            let why = &loss.why;
            log::warn!(name:%, seat:% = seat_id, why:%; "upstream unreachable");
            self.actions.push(Action::Publish(Transition {
                name: "unreachable",
                seat: seat_id,
                replica: Some(name.clone()),
                incarnation: None,
                was: None,
                now: Some(if occupant.is_some() { "occupied" } else { "vacant" }),
                why: Some(why.clone()),
                progress: None,
            }));
        }
        let Some(call) = seat.take_call() else { return };
        let result = if added {
            let (about, vacancy) = (Some((seat_id, name.clone())), seat.vacancy());
            Ok(Answer { replicas: self.names(), about, vacancy, rolling: None })
        } else {
            Err(CommandError::NotReady { name: name.clone(), reason: loss.why.clone() })
        };
        self.reply(call, result);
    }

    /// Forgets an external server that has left the ring; the server itself keeps running.
    pub(super) fn release_external(&mut self, incarnation: crate::ring::Incarnation) {
        let Some(member) = self.members.remove(&incarnation) else { return };
        if member.phase() == Phase::Draining {
            log::info!(name:% = member.launch.name, incarnation:%; "upstream released");
            self.actions.push(member.transition("phase", Some(member.phase().as_str()), None, None));
        }
    }
}
