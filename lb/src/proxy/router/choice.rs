//! Chooses the replica of an attempt: by the policy, or along the walk, skipping unavailable and overloaded replicas.

use std::rc::Rc;
use std::time::Instant;

use crate::balance::{Candidate, Policy};
use crate::ring::{Incarnation, Slot};

use super::endpoint::{Endpoint, InFlight};
use super::lease::Router;
use super::{Error, Skip, now};
use crate::control::ring::PAGE;

/// The result of a choice along the walk.
pub(crate) struct Choice {
    /// The chosen replica; `None`: every occupied seat was tried.
    pub endpoint: Option<Rc<Endpoint>>,
    /// Why the first untried replica of the walk was skipped; `None` if it was chosen.
    first_skipped: Option<Skip>,
    /// Whether a replica was skipped because of the bounded load.
    spilled: bool,
    /// Time of the choice.
    now: Instant,
}

/// Properties of an attempt that restrict the choice of its replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AttemptOptions {
    /// It may probe an ejected replica, because a further attempt can follow.
    pub may_probe: bool,
    /// The request has no body, so that only the replica can delay the reply head.
    pub bodiless: bool,
    /// It is a hedge: another attempt is still in flight, so a suspect or unavailable replica would not help.
    pub healthy_only: bool,
}

impl Router {
    /// Chooses an untried replica and counts the request as in flight; `None`: every occupied seat was tried.
    ///
    /// Once the lease is there, both happen in one synchronous step: a recall is handled either before it (then the
    /// lease does not contain the replica) or after it (then the request is counted). All limits are checked in the
    /// same step, because many requests may wait for the same lease.
    pub async fn acquire(
        self: &Rc<Self>,
        slot: Slot,
        tried: &[Incarnation],
        options: AttemptOptions,
    ) -> Result<Option<InFlight>, Error> {
        if tried.is_empty()
            && let Some(picked) = self.pick(options)
        {
            return self.start_attempt(Some(picked), options, now());
        }
        let Choice { endpoint, first_skipped, spilled, now } = self.choose(slot, tried, options).await?;
        self.count(|counts| counts.spills += u64::from(spilled));
        Ok(self
            .start_attempt(endpoint, options, now)?
            .map(|in_flight| in_flight.with_first_skipped(first_skipped)))
    }

    /// Chooses a replica along the walk of a slot, for attempts and for [`Explain`](super::Explain). No await follows
    /// the last look-up, so that the caller acts on the same state.
    pub async fn choose(
        &self,
        slot: Slot,
        tried: &[Incarnation],
        options: AttemptOptions,
    ) -> Result<Choice, Error> {
        let (mut offset, mut spilled) = (0, false);
        let mut first = None;
        let mut last_resort = LastResort::default();
        loop {
            let page = self.walk_page(slot, offset).await?;
            let mut untried = page.iter().filter(|endpoint| !tried.contains(&endpoint.incarnation));
            let now = now();
            let chosen = untried.find(|endpoint| {
                self.detect_stall(endpoint, now);
                let skip = self.skip(endpoint);
                first.get_or_insert((endpoint.incarnation, skip));
                let Some(skip) = skip else { return true };
                spilled |= skip == Skip::OverBound;
                let probes =
                    skip == Skip::Ejected && options.may_probe && endpoint.health.borrow().wants_probe(now);
                if !probes {
                    last_resort.offer(endpoint, skip);
                }
                probes
            });
            if chosen.is_some() || page.len() < PAGE {
                let endpoint = chosen.cloned().or_else(|| last_resort.take()).or_else(|| self.untried(tried));
                let endpoint =
                    endpoint.filter(|endpoint| !(options.healthy_only && endpoint.is_last_resort()));
                let taken = endpoint.as_ref().map(|endpoint| endpoint.incarnation);
                let first = first.filter(|(first, _)| Some(*first) != taken);
                return Ok(Choice {
                    endpoint,
                    first_skipped: first.and_then(|(_, skip)| skip),
                    spilled,
                    now,
                });
            }
            offset += page.len();
        }
    }

    /// Why a request would skip this replica now; `None`: it would not.
    pub fn skip(&self, endpoint: &Endpoint) -> Option<Skip> {
        if endpoint.is_unavailable() {
            return Some(Skip::Ejected);
        }
        if endpoint.suspect.get() {
            return Some(Skip::Suspect);
        }
        let bound = self.settings.borrow().bound?;
        let weight = u64::from(endpoint.weight.get().get());
        let limit = bound.limit(self.in_flight.get() + 1, weight, self.available_weight.get());
        (endpoint.in_flight.get() >= limit).then_some(Skip::OverBound)
    }

    fn start_attempt(
        self: &Rc<Self>,
        chosen: Option<Rc<Endpoint>>,
        options: AttemptOptions,
        now: Instant,
    ) -> Result<Option<InFlight>, Error> {
        if self.in_flight.get() >= self.settings.borrow().max_in_flight && chosen.is_some() {
            return Err(Error::Overloaded);
        }
        Ok(chosen.map(|endpoint| {
            let probe = options.may_probe && endpoint.health.borrow().wants_probe(now);
            InFlight::new(self, &endpoint, options.bodiless, probe, now)
        }))
    }

    /// The choice of a policy other than the hash, `None` with the hash. An ejected replica that is due for a probe
    /// comes first.
    fn pick(&self, options: AttemptOptions) -> Option<Rc<Endpoint>> {
        let policy = self.settings.borrow().policy;
        if policy == Policy::Hash {
            return None;
        }
        let (seated, now) = (self.seated.borrow(), now());
        seated.iter().for_each(|endpoint| self.detect_stall(endpoint, now));
        let due = |endpoint: &&Rc<Endpoint>| endpoint.health.borrow().wants_probe(now);
        if let Some(due) = seated.iter().find(|endpoint| options.may_probe && due(endpoint)) {
            return Some(due.clone());
        }
        let open: Vec<_> = seated.iter().filter(|endpoint| !endpoint.is_last_resort()).collect();
        let mut candidates: Vec<Candidate> = open.iter().map(|endpoint| endpoint.candidate(now)).collect();
        let picked = policy.pick(&mut candidates, &mut self.rng.borrow_mut());
        open.iter().zip(&candidates).for_each(|(endpoint, candidate)| endpoint.credit.set(candidate.credit));
        picked.map(|at| open[at].clone())
    }

    /// Any untried replica, if the last resort left the ring during the look-up of further pages.
    fn untried(&self, tried: &[Incarnation]) -> Option<Rc<Endpoint>> {
        self.seated.borrow().iter().find(|endpoint| !tried.contains(&endpoint.incarnation)).cloned()
    }
}

/// The best of the skipped replicas, used if every untried replica of the walk was skipped. A request thus finds a
/// replica as long as any untried seat is occupied.
#[derive(Default)]
struct LastResort(Option<(Rank, Rc<Endpoint>)>);

/// The order of skipped replicas, best first: those over the bound, least loaded first (the bound never refuses a
/// request); suspect and stalled ones in the order of the walk; ejected ones in the order of the walk.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Rank {
    /// Requests in flight divided by the weight.
    OverBound(f64),
    Silent,
    Ejected,
}

impl LastResort {
    /// Offers the next skipped replica of the walk.
    fn offer(&mut self, endpoint: &Rc<Endpoint>, skip: Skip) {
        let rank = match skip {
            Skip::OverBound => {
                Rank::OverBound(endpoint.in_flight.get() as f64 / f64::from(endpoint.weight.get().get()))
            }
            Skip::Suspect => Rank::Silent,
            Skip::Ejected if endpoint.health.borrow().is_ejected() => Rank::Ejected,
            Skip::Ejected => Rank::Silent,
        };
        if self.0.as_ref().is_none_or(|(best, best_endpoint)| rank < *best || best_endpoint.gone.get()) {
            self.0 = Some((rank, endpoint.clone()));
        }
    }

    /// Returns the best one, unless it left the ring during the look-up of further pages.
    fn take(self) -> Option<Rc<Endpoint>> {
        self.0.map(|(_, endpoint)| endpoint).filter(|endpoint| !endpoint.gone.get())
    }
}
