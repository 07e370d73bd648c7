//! What a router concludes from the records of its replicas: stalls, ejections, readmissions.

use std::rc::Rc;
use std::time::Instant;

use crate::balance::{Health, may_eject_one_more};
use crate::ring::Incarnation;

use super::endpoint::Endpoint;
use super::lease::Router;
use super::{Counts, now};
use crate::control::supervisor::{Ejected, Readmitted};

impl Router {
    /// Changes a record, and what depends on it.
    pub fn update_health(&self, upstream: &Endpoint, change: impl FnOnce(&mut Health)) {
        let before = upstream.is_unavailable();
        change(&mut upstream.health.borrow_mut());
        if upstream.is_unavailable() != before {
            self.recompute_available_weight();
        }
    }

    /// Ejects a replica whose record calls for it, if there is room. The supervisor looks at it sooner than it would.
    pub fn maybe_eject(&self, upstream: &Endpoint) {
        if !upstream.health.borrow().should_eject() || upstream.gone.get() {
            return;
        }
        let others = self.passed_over() - usize::from(upstream.is_unavailable());
        let incarnation = upstream.incarnation;
        if !may_eject_one_more(others, self.seated.borrow().len()) {
            return log::debug!("replica spared incarnation={incarnation} why=half_is_ejected");
        }
        self.eject(upstream);
        self.count(|counts| counts.ejections += 1);
        self.notices.suspicion.do_send(Ejected { router: self.id, incarnation });
        // Whoever waits for it may look for another.
        self.pool.wake_all();
    }

    /// The one live request of an ejected replica has shown how it is.
    pub fn probed(&self, upstream: &Endpoint, good: bool) {
        if !good {
            return self.eject(upstream);
        }
        log::info!("replica readmitted router={} incarnation={}", self.id.0, upstream.incarnation);
        self.notices.readmission.do_send(Readmitted { router: self.id, incarnation: upstream.incarnation });
        self.count(|counts| counts.readmissions += 1);
        self.update_health(upstream, |health| health.readmit(now()));
    }

    /// Takes in which replicas are suspect. One for which a request waits may stall now: without new requests nothing
    /// else would notice it.
    pub fn suspects(&self, suspects: &[Incarnation]) {
        let now = now();
        // Drained ones too: they may come back.
        for upstream in self.last.borrow().values() {
            let suspect = suspects.contains(&upstream.incarnation);
            if upstream.suspect.replace(suspect) != suspect {
                self.pool.keep_idle(upstream.incarnation, !suspect);
            }
        }
        self.recompute_available_weight();
        let seated = self.seated.borrow().clone();
        for suspect in seated.iter().filter(|upstream| upstream.suspect.get()) {
            self.notice_stall(suspect, now);
        }
    }

    /// A replica that has gone silent while others answer gets nobody new, and those that wait may look for another. Of
    /// a suspect one it is enough that there is another which is not.
    pub fn notice_stall(&self, upstream: &Endpoint, now: Instant) {
        let suspect = upstream.suspect.get();
        let silent = upstream.health.borrow().silent_since(&upstream.latency.get(), suspect, now);
        let Some(silent) = silent else { return };
        let answers = |other: &Rc<Endpoint>| {
            other.health.borrow().last_reply().is_some_and(|at| at > silent)
                || suspect && !other.is_last_resort()
        };
        let others_answer = self.seated.borrow().iter().any(answers);
        if others_answer && may_eject_one_more(self.passed_over(), self.seated.borrow().len()) {
            let silent_ms = now.saturating_duration_since(silent).as_millis();
            log::debug!("replica stalls incarnation={} silent_ms={silent_ms}", upstream.incarnation);
            self.update_health(upstream, Health::stall);
            self.count(|counts| counts.stalls += 1);
            self.pool.wake_all();
        }
    }

    /// After seats have changed: readmits until at most half is passed over, first who has been out for longest.
    pub fn enforce_max_ejected(&self) {
        loop {
            let seated = self.seated.borrow();
            let Some(over) = self.passed_over().checked_sub(1) else { break };
            if may_eject_one_more(over, seated.len()) {
                break;
            }
            let out = seated.iter().filter(|upstream| upstream.is_unavailable());
            let Some(longest) = out.min_by_key(|upstream| upstream.health.borrow().ejected_until()) else {
                break;
            };
            log::warn!("replica readmitted incarnation={} why=half_is_ejected", longest.incarnation);
            let was_ejected = longest.health.borrow().is_ejected();
            self.count(|counts| counts.readmissions += 1);
            longest.health.borrow_mut().readmit(now());
            if was_ejected {
                self.notices
                    .readmission
                    .do_send(Readmitted { router: self.id, incarnation: longest.incarnation });
            }
        }
        self.recompute_available_weight();
    }

    pub fn count(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }

    fn eject(&self, upstream: &Endpoint) {
        let now = now();
        let spread = self.rng.borrow_mut().f64();
        self.update_health(upstream, |health| health.eject(spread, now));
        let until = upstream.health.borrow().ejected_until();
        let ms = until.map_or(0, |until| until.saturating_duration_since(now).as_millis());
        log::warn!("replica ejected router={} incarnation={} for_ms={ms}", self.id.0, upstream.incarnation);
    }

    fn passed_over(&self) -> usize {
        self.seated.borrow().iter().filter(|upstream| upstream.is_unavailable()).count()
    }

    fn recompute_available_weight(&self) {
        let seated = self.seated.borrow();
        let open = seated.iter().filter(|upstream| !upstream.is_last_resort());
        self.available_weight.set(open.map(|upstream| u64::from(upstream.weight.get().get())).sum());
    }
}
