//! Marks replicas as unavailable by their health: stalls, ejections, readmissions.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::balance::{Health, may_eject_one_more};
use crate::ring::Incarnation;

use super::change::{Change, ChangeKind};
use super::{Endpoint, Endpoints};

impl Endpoints {
    /// Changes the health of a replica, and recomputes the available weight if its availability changes.
    pub(super) fn change_health(&mut self, endpoint: &Endpoint, change: impl FnOnce(&mut Health)) {
        let before = endpoint.is_unavailable();
        change(&mut endpoint.health.borrow_mut());
        if endpoint.is_unavailable() != before {
            self.recompute_available_weight();
        }
    }

    /// Ejects a replica if its health requires it and at most half of the replicas are unavailable then.
    pub(super) fn maybe_eject(&mut self, endpoint: &Endpoint, now: Instant) -> Option<Change> {
        if !endpoint.health.borrow().should_eject() || endpoint.gone.get() {
            return None;
        }
        let is_other = |other: &&Rc<Endpoint>| other.incarnation() != endpoint.incarnation();
        let others = self.seated.iter().filter(is_other).filter(|other| other.is_unavailable()).count();
        if !may_eject_one_more(others, self.seated.len()) {
            return Some(ChangeKind::Spared.of(endpoint.incarnation()));
        }
        Some(self.eject(endpoint, ChangeKind::Ejected, now))
    }

    /// The probe of an ejected replica has ended: readmits it if the probe succeeded, else ejects it again for longer.
    pub(super) fn probe_finished(&mut self, endpoint: &Endpoint, good: bool, now: Instant) -> Change {
        if !good {
            return self.eject(endpoint, ChangeKind::EjectedAgain, now);
        }
        self.change_health(endpoint, |health| health.readmit(now));
        ChangeKind::Readmitted.of(endpoint.incarnation())
    }

    /// Replaces the list of suspect replicas (in ascending order), and checks them for stalls: without new requests
    /// nothing else does.
    pub fn suspect(&mut self, suspects: &[Incarnation], now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        // `latest` includes drained replicas, which may return.
        for endpoint in self.latest.values() {
            let suspect = suspects.binary_search(&endpoint.incarnation()).is_ok();
            if endpoint.suspect.replace(suspect) != suspect {
                changes.push(ChangeKind::Suspect(suspect).of(endpoint.incarnation()));
            }
        }
        self.recompute_available_weight();
        changes.extend(self.detect_stalls(Endpoint::is_suspect, now));
        changes
    }

    /// Checks the seated replicas that `which` selects for stalls.
    pub(super) fn detect_stalls(&mut self, which: fn(&Endpoint) -> bool, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        for at in 0..self.seated.len() {
            let endpoint = self.seated[at].clone();
            if which(&endpoint) {
                changes.extend(self.detect_stall(&endpoint, now));
            }
        }
        changes
    }

    /// Marks a replica as stalled if it is silent while another one answers: it gets no new requests, and those that
    /// wait may start a hedge. For a suspect replica the existence of another healthy one is enough.
    pub(super) fn detect_stall(&mut self, endpoint: &Endpoint, now: Instant) -> Option<Change> {
        let suspect = endpoint.is_suspect();
        let silent = endpoint.health.borrow().silent_since(&endpoint.latency(), suspect, now)?;
        let answers = |other: &Rc<Endpoint>| {
            other.health.borrow().last_reply().is_some_and(|at| at > silent)
                || suspect && !other.is_last_resort()
        };
        let others_answer = self.seated.iter().any(answers);
        if !others_answer || !may_eject_one_more(self.unavailable_count(), self.seated.len()) {
            return None;
        }
        self.change_health(endpoint, Health::stall);
        let silence = now.saturating_duration_since(silent);
        Some(ChangeKind::Stalled(silence).of(endpoint.incarnation()))
    }

    /// After a change of seats: readmits replicas until at most half of them are unavailable, in the order of
    /// `ejected_until`.
    pub(super) fn enforce_max_ejected(&mut self, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        while let Some(others) = self.unavailable_count().checked_sub(1)
            && !may_eject_one_more(others, self.seated.len())
        {
            let unavailable = self.seated.iter().filter(|endpoint| endpoint.is_unavailable());
            let Some(first) = unavailable.min_by_key(|endpoint| endpoint.health.borrow().ejected_until())
            else {
                break;
            };
            let was_ejected = first.health.borrow().is_ejected();
            first.health.borrow_mut().readmit(now);
            changes.push(ChangeKind::ForciblyReadmitted { was_ejected }.of(first.incarnation()));
        }
        self.recompute_available_weight();
        changes
    }

    /// `kind`: the change to announce, with the time until the next probe.
    fn eject(&mut self, endpoint: &Endpoint, kind: fn(Duration) -> ChangeKind, now: Instant) -> Change {
        let jitter = self.rng.f64();
        self.change_health(endpoint, |health| health.eject(jitter, now));
        let until = endpoint.health.borrow().ejected_until();
        let pause = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        kind(pause).of(endpoint.incarnation())
    }

    fn unavailable_count(&self) -> usize {
        self.seated.iter().filter(|endpoint| endpoint.is_unavailable()).count()
    }

    fn recompute_available_weight(&mut self) {
        let available = self.seated.iter().filter(|endpoint| !endpoint.is_last_resort());
        self.available_weight = available.map(|endpoint| u64::from(endpoint.weight().get())).sum();
    }
}
