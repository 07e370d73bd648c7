//! Which replica a request goes to: the policy's choice or the walk's, past whoever is passed over or has too much.

use std::rc::Rc;
use std::time::Instant;

use crate::balance::{Candidate, Policy};
use crate::ring::{Incarnation, Slot};

use super::super::ring::PAGE;
use super::lease::Router;
use super::upstream::{InFlight, Upstream};
use super::{Error, Skip, now};

/// Who comes next on a walk.
pub(super) struct Choice {
    /// `None`: nobody is left.
    pub upstream: Option<Rc<Upstream>>,
    /// Why it is not the first that was open to it.
    instead: Option<Skip>,
    /// Whether somebody was passed over because he has too much.
    spilled: bool,
    /// When it was made.
    now: Instant,
}

/// What an attempt may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// It may be the one live request of an ejected replica: if that fails it goes elsewhere.
    pub probe: bool,
    /// Nothing but the replica can keep its reply head from coming.
    pub waits: bool,
}

impl Router {
    /// Chooses a replica that was not tried and counts the request in flight: one synchronous step after the lease is
    /// there, so that a recall comes either before (and the replica is not in the lease) or after (and the request is
    /// counted). All limits are checked in that step too: many requests may wait for the same lease.
    pub async fn enter(
        self: &Rc<Self>,
        slot: Slot,
        tried: &[Incarnation],
        wish: Wish,
    ) -> Result<Option<InFlight>, Error> {
        if tried.is_empty()
            && let Some(picked) = self.pick(wish)
        {
            return self.admit(Some(picked), wish, now());
        }
        let Choice { upstream, instead, spilled, now } = self.choose(slot, tried, wish).await?;
        self.count(|counts| counts.spills += u64::from(spilled));
        Ok(self.admit(upstream, wish, now)?.map(|in_flight| in_flight.instead(instead)))
    }

    /// Where the walk of a slot leads now: for every attempt, and for whoever asks why. Its last step and what the caller
    /// does with it are one.
    pub async fn choose(&self, slot: Slot, tried: &[Incarnation], wish: Wish) -> Result<Choice, Error> {
        let (mut offset, mut spilled) = (0, false);
        let mut first = None;
        loop {
            let page = self.page(slot, offset).await?;
            let mut open = page.iter().filter(|upstream| !tried.contains(&upstream.incarnation));
            let now = now();
            let chosen = open.find(|upstream| {
                self.notice_stall(upstream, now);
                let skip = self.skip(upstream);
                first.get_or_insert((upstream.incarnation, skip));
                match skip {
                    None => true,
                    Some(Skip::Ejected) => wish.probe && upstream.health.borrow().wants_probe(now),
                    Some(Skip::OverBound) => {
                        spilled = true;
                        false
                    }
                }
            });
            if chosen.is_some() || page.len() < PAGE {
                let upstream = chosen.cloned().or_else(|| self.last_resort(tried));
                let taken = upstream.as_ref().map(|upstream| upstream.incarnation);
                let first = first.filter(|(first, _)| Some(*first) != taken);
                return Ok(Choice { upstream, instead: first.and_then(|(_, skip)| skip), spilled, now });
            }
            offset += page.len();
        }
    }

    /// Why a request would pass this replica over now.
    pub fn skip(&self, upstream: &Upstream) -> Option<Skip> {
        if upstream.is_passed_over() {
            return Some(Skip::Ejected);
        }
        let bound = self.settings.borrow().bound?;
        let weight = u64::from(upstream.weight.get().get());
        let limit = bound.limit(self.in_flight.get() + 1, weight, self.open_weight.get());
        (upstream.in_flight.get() >= limit).then_some(Skip::OverBound)
    }

    fn admit(
        self: &Rc<Self>,
        chosen: Option<Rc<Upstream>>,
        wish: Wish,
        now: Instant,
    ) -> Result<Option<InFlight>, Error> {
        if self.in_flight.get() >= self.settings.borrow().max_in_flight && chosen.is_some() {
            return Err(Error::Overloaded);
        }
        Ok(chosen.map(|upstream| {
            let probe = wish.probe && upstream.health.borrow().wants_probe(now);
            InFlight::new(self, &upstream, wish.waits, probe, now)
        }))
    }

    /// The first choice of a policy other than the hash; an ejected replica that is due for its one request comes first.
    fn pick(&self, wish: Wish) -> Option<Rc<Upstream>> {
        let policy = self.settings.borrow().policy;
        if policy == Policy::Hash {
            return None;
        }
        let (seated, now) = (self.seated.borrow(), now());
        seated.iter().for_each(|upstream| self.notice_stall(upstream, now));
        let due = |upstream: &&Rc<Upstream>| upstream.health.borrow().wants_probe(now);
        if let Some(due) = seated.iter().find(|upstream| wish.probe && due(upstream)) {
            return Some(due.clone());
        }
        let open: Vec<_> = seated.iter().filter(|upstream| !upstream.is_passed_over()).collect();
        let mut candidates: Vec<Candidate> = open.iter().map(|upstream| upstream.candidate(now)).collect();
        let picked = policy.pick(&mut candidates, &mut self.rng.borrow_mut());
        open.iter().zip(&candidates).for_each(|(upstream, candidate)| upstream.credit.set(candidate.credit));
        picked.map(|at| open[at].clone())
    }

    /// Where a request goes when everybody on its walk is passed over, has too much, or was tried: rather the least
    /// loaded than nobody. The bound never refuses.
    fn last_resort(&self, tried: &[Incarnation]) -> Option<Rc<Upstream>> {
        let load =
            |upstream: &Upstream| upstream.in_flight.get() as f64 / f64::from(upstream.weight.get().get());
        let seated = self.seated.borrow();
        let untried = seated.iter().filter(|upstream| !tried.contains(&upstream.incarnation));
        let least = untried
            .min_by(|a, b| a.is_passed_over().cmp(&b.is_passed_over()).then(load(a).total_cmp(&load(b))));
        least.cloned()
    }
}
