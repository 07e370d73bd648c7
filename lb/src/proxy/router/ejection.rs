//! Marks replicas as unavailable by their health: stalls, ejections, readmissions.

use std::rc::Rc;
use std::time::Instant;

use crate::balance::{Health, may_eject_one_more};
use crate::fleet::RouterEvent;
use crate::ring::Incarnation;

use super::endpoint::Endpoint;
use super::lease::Router;
use super::{Counts, now};

impl Router {
    /// Changes the health of a replica, and recomputes the available weight if its availability changes.
    pub fn update_health(&self, endpoint: &Endpoint, change: impl FnOnce(&mut Health)) {
        let before = endpoint.is_unavailable();
        change(&mut endpoint.health.borrow_mut());
        if endpoint.is_unavailable() != before {
            self.recompute_available_weight();
        }
    }

    /// Ejects a replica if its health requires it and at most half of the replicas are unavailable then. The notice
    /// makes the supervisor check the replica earlier.
    pub fn maybe_eject(&self, endpoint: &Endpoint) {
        if !endpoint.health.borrow().should_eject() || endpoint.gone.get() {
            return;
        }
        let others = self.unavailable_count() - usize::from(endpoint.is_unavailable());
        let incarnation = endpoint.incarnation;
        if !may_eject_one_more(others, self.seated.borrow().len()) {
            return log::debug!("replica spared incarnation={incarnation} why=half_is_ejected");
        }
        self.eject(endpoint);
        self.count(|counts| counts.ejections += 1);
        self.notify(RouterEvent::Ejected(incarnation));
        // Requests that wait for this replica may start a hedge.
        self.pool.wake_all();
    }

    /// The probe of an ejected replica has ended: readmits it if the probe succeeded, else ejects it again for longer.
    pub fn probe_finished(&self, endpoint: &Endpoint, good: bool) {
        if !good {
            return self.eject(endpoint);
        }
        log::info!("replica readmitted router={} incarnation={}", self.id.0, endpoint.incarnation);
        self.notify(RouterEvent::Readmitted(endpoint.incarnation));
        self.count(|counts| counts.readmissions += 1);
        self.update_health(endpoint, |health| health.readmit(now()));
    }

    /// Replaces the list of suspect replicas (in ascending order), and checks them for stalls: without new requests nothing else does.
    pub fn suspects(&self, suspects: &[Incarnation]) {
        let now = now();
        // `last` includes drained replicas, which may return.
        for endpoint in self.last.borrow().values() {
            let suspect = suspects.binary_search(&endpoint.incarnation).is_ok();
            if endpoint.suspect.replace(suspect) != suspect {
                self.pool.keep_idle(endpoint.incarnation, !suspect);
            }
        }
        self.recompute_available_weight();
        let seated = self.seated.borrow().clone();
        for suspect in seated.iter().filter(|endpoint| endpoint.suspect.get()) {
            self.detect_stall(suspect, now);
        }
    }

    /// Marks a replica as stalled if it is silent while another one answers: it gets no new requests, and those that
    /// wait may start a hedge. For a suspect replica the existence of another healthy one is enough.
    pub fn detect_stall(&self, endpoint: &Endpoint, now: Instant) {
        let suspect = endpoint.suspect.get();
        let silent = endpoint.health.borrow().silent_since(&endpoint.latency.get(), suspect, now);
        let Some(silent) = silent else { return };
        let answers = |other: &Rc<Endpoint>| {
            other.health.borrow().last_reply().is_some_and(|at| at > silent)
                || suspect && !other.is_last_resort()
        };
        let others_answer = self.seated.borrow().iter().any(answers);
        if others_answer && may_eject_one_more(self.unavailable_count(), self.seated.borrow().len()) {
            let silent_ms = now.saturating_duration_since(silent).as_millis();
            log::debug!("replica stalls incarnation={} silent_ms={silent_ms}", endpoint.incarnation);
            self.update_health(endpoint, Health::stall);
            self.count(|counts| counts.stalls += 1);
            self.pool.wake_all();
        }
    }

    /// After a change of seats: readmits replicas until at most half of them are unavailable, in the order of
    /// `ejected_until`.
    pub fn enforce_max_ejected(&self) {
        loop {
            let seated = self.seated.borrow();
            let Some(over) = self.unavailable_count().checked_sub(1) else { break };
            if may_eject_one_more(over, seated.len()) {
                break;
            }
            let unavailable = seated.iter().filter(|endpoint| endpoint.is_unavailable());
            let Some(longest) = unavailable.min_by_key(|endpoint| endpoint.health.borrow().ejected_until())
            else {
                break;
            };
            log::warn!("replica readmitted incarnation={} why=half_is_ejected", longest.incarnation);
            let was_ejected = longest.health.borrow().is_ejected();
            self.count(|counts| counts.readmissions += 1);
            longest.health.borrow_mut().readmit(now());
            if was_ejected {
                self.notify(RouterEvent::Readmitted(longest.incarnation));
            }
        }
        self.recompute_available_weight();
    }

    pub fn count(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }

    fn eject(&self, endpoint: &Endpoint) {
        let now = now();
        let jitter = self.rng.borrow_mut().f64();
        self.update_health(endpoint, |health| health.eject(jitter, now));
        let until = endpoint.health.borrow().ejected_until();
        let ms = until.map_or(0, |until| until.saturating_duration_since(now).as_millis());
        log::warn!("replica ejected router={} incarnation={} for_ms={ms}", self.id.0, endpoint.incarnation);
    }

    fn unavailable_count(&self) -> usize {
        self.seated.borrow().iter().filter(|endpoint| endpoint.is_unavailable()).count()
    }

    fn recompute_available_weight(&self) {
        let seated = self.seated.borrow();
        let open = seated.iter().filter(|endpoint| !endpoint.is_last_resort());
        self.available_weight.set(open.map(|endpoint| u64::from(endpoint.weight.get().get())).sum());
    }
}
