//! Which replica a request goes to: the policy's choice or the walk's, past whoever is passed over or has too much.

use std::rc::Rc;
use std::time::Instant;

use crate::balance::{Candidate, Policy};
use crate::ring::{Incarnation, Slot};

use super::endpoint::{Endpoint, InFlight};
use super::lease::Router;
use super::{Error, Skip, now};
use crate::control::ring::PAGE;

/// Who comes next on a walk.
pub(crate) struct Choice {
    /// `None`: nobody is left.
    pub upstream: Option<Rc<Endpoint>>,
    /// Why it is not the first that was open to it.
    instead: Option<Skip>,
    /// Whether somebody was passed over because he has too much.
    spilled: bool,
    /// When it was made.
    now: Instant,
}

/// What an attempt may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AttemptOptions {
    /// It may be the one live request of an ejected replica: if that fails it goes elsewhere.
    pub probe: bool,
    /// Nothing but the replica can keep its reply head from coming.
    pub waits: bool,
    /// It is worth while only at a replica that is well: another attempt of the request is still under way.
    pub well_only: bool,
}

impl Router {
    /// Chooses a replica that was not tried and counts the request in flight: one synchronous step after the lease is
    /// there, so that a recall comes either before (and the replica is not in the lease) or after (and the request is
    /// counted). All limits are checked in that step too: many requests may wait for the same lease.
    pub async fn acquire(
        self: &Rc<Self>,
        slot: Slot,
        tried: &[Incarnation],
        options: AttemptOptions,
    ) -> Result<Option<InFlight>, Error> {
        if tried.is_empty()
            && let Some(picked) = self.pick(options)
        {
            return self.admit(Some(picked), options, now());
        }
        let Choice { upstream, instead, spilled, now } = self.choose(slot, tried, options).await?;
        self.count(|counts| counts.spills += u64::from(spilled));
        Ok(self.admit(upstream, options, now)?.map(|in_flight| in_flight.instead(instead)))
    }

    /// Where the walk of a slot leads now: for every attempt, and for whoever asks why. Its last step and what the caller
    /// does with it are one.
    pub async fn choose(
        &self,
        slot: Slot,
        tried: &[Incarnation],
        options: AttemptOptions,
    ) -> Result<Choice, Error> {
        let (mut offset, mut spilled) = (0, false);
        let mut first = None;
        let mut resort = LastResort::default();
        loop {
            let page = self.walk_page(slot, offset).await?;
            let mut open = page.iter().filter(|upstream| !tried.contains(&upstream.incarnation));
            let now = now();
            let chosen = open.find(|upstream| {
                self.notice_stall(upstream, now);
                let skip = self.skip(upstream);
                first.get_or_insert((upstream.incarnation, skip));
                let Some(skip) = skip else { return true };
                spilled |= skip == Skip::OverBound;
                let probes =
                    skip == Skip::Ejected && options.probe && upstream.health.borrow().wants_probe(now);
                if !probes {
                    resort.offer(upstream, skip);
                }
                probes
            });
            if chosen.is_some() || page.len() < PAGE {
                let upstream = chosen.cloned().or_else(|| resort.take()).or_else(|| self.untried(tried));
                let upstream = upstream.filter(|upstream| !(options.well_only && upstream.is_last_resort()));
                let taken = upstream.as_ref().map(|upstream| upstream.incarnation);
                let first = first.filter(|(first, _)| Some(*first) != taken);
                return Ok(Choice { upstream, instead: first.and_then(|(_, skip)| skip), spilled, now });
            }
            offset += page.len();
        }
    }

    /// Why a request would pass this replica over now.
    pub fn skip(&self, upstream: &Endpoint) -> Option<Skip> {
        if upstream.is_unavailable() {
            return Some(Skip::Ejected);
        }
        if upstream.suspect.get() {
            return Some(Skip::Suspect);
        }
        let bound = self.settings.borrow().bound?;
        let weight = u64::from(upstream.weight.get().get());
        let limit = bound.limit(self.in_flight.get() + 1, weight, self.available_weight.get());
        (upstream.in_flight.get() >= limit).then_some(Skip::OverBound)
    }

    fn admit(
        self: &Rc<Self>,
        chosen: Option<Rc<Endpoint>>,
        options: AttemptOptions,
        now: Instant,
    ) -> Result<Option<InFlight>, Error> {
        if self.in_flight.get() >= self.settings.borrow().max_in_flight && chosen.is_some() {
            return Err(Error::Overloaded);
        }
        Ok(chosen.map(|upstream| {
            let probe = options.probe && upstream.health.borrow().wants_probe(now);
            InFlight::new(self, &upstream, options.waits, probe, now)
        }))
    }

    /// The first choice of a policy other than the hash; an ejected replica that is due for its one request comes first.
    fn pick(&self, options: AttemptOptions) -> Option<Rc<Endpoint>> {
        let policy = self.settings.borrow().policy;
        if policy == Policy::Hash {
            return None;
        }
        let (seated, now) = (self.seated.borrow(), now());
        seated.iter().for_each(|upstream| self.notice_stall(upstream, now));
        let due = |upstream: &&Rc<Endpoint>| upstream.health.borrow().wants_probe(now);
        if let Some(due) = seated.iter().find(|upstream| options.probe && due(upstream)) {
            return Some(due.clone());
        }
        let open: Vec<_> = seated.iter().filter(|upstream| !upstream.is_last_resort()).collect();
        let mut candidates: Vec<Candidate> = open.iter().map(|upstream| upstream.candidate(now)).collect();
        let picked = policy.pick(&mut candidates, &mut self.rng.borrow_mut());
        open.iter().zip(&candidates).for_each(|(upstream, candidate)| upstream.credit.set(candidate.credit));
        picked.map(|at| open[at].clone())
    }

    /// Any replica that was not tried: the last resort has left the ring while further pages were looked up.
    fn untried(&self, tried: &[Incarnation]) -> Option<Rc<Endpoint>> {
        self.seated.borrow().iter().find(|upstream| !tried.contains(&upstream.incarnation)).cloned()
    }
}

/// The replica of a request for which no replica on its walk is open. A replica is there as long as a seat is occupied
/// that was not tried.
#[derive(Default)]
struct LastResort(Option<(Rank, Rc<Endpoint>)>);

/// The order of the last resorts: well ones that have too much in flight, by their load (the bound never refuses);
/// suspect and stalled ones, in the order of the walk; ejected ones, in the order of the walk.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Rank {
    /// Requests in flight by weight.
    OverBound(f64),
    Silent,
    Ejected,
}

impl LastResort {
    /// Takes in the next replica of the walk.
    fn offer(&mut self, upstream: &Rc<Endpoint>, skip: Skip) {
        let rank = match skip {
            Skip::OverBound => {
                Rank::OverBound(upstream.in_flight.get() as f64 / f64::from(upstream.weight.get().get()))
            }
            Skip::Suspect => Rank::Silent,
            Skip::Ejected if upstream.health.borrow().is_ejected() => Rank::Ejected,
            Skip::Ejected => Rank::Silent,
        };
        if self.0.as_ref().is_none_or(|(best, best_upstream)| rank < *best || best_upstream.gone.get()) {
            self.0 = Some((rank, upstream.clone()));
        }
    }

    /// The best; one that has left the ring while further pages were looked up is none.
    fn take(self) -> Option<Rc<Endpoint>> {
        self.0.map(|(_, upstream)| upstream).filter(|upstream| !upstream.gone.get())
    }
}
