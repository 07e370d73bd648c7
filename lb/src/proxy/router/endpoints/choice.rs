//! Chooses the replica of an attempt: by the policy, or along the walk, skipping unavailable and overloaded replicas.

use std::rc::Rc;
use std::time::Instant;

use crate::balance::{Candidate, Policy};
use crate::control::router_link::Skip;
use crate::ring::Incarnation;

use super::{Change, Endpoint, Endpoints};

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

/// A choice along the walk that is under way; the pages of the walk are offered to it one by one.
pub(crate) struct Selection<'a> {
    tried: &'a [Incarnation],
    options: AttemptOptions,
    chosen: Option<Rc<Endpoint>>,
    /// The first untried replica of the walk, and why it was skipped.
    first: Option<(Incarnation, Option<Skip>)>,
    spilled: bool,
    last_resort: LastResort,
    changes: Vec<Change>,
}

/// The result of a choice along the walk.
pub(crate) struct Choice {
    /// The chosen replica; `None`: every occupied seat was tried, or no other replica fits the options.
    pub endpoint: Option<Rc<Endpoint>>,
    /// Why the first untried replica of the walk was skipped; `None` if it was chosen.
    pub first_skipped: Option<Skip>,
    /// Whether a replica was skipped because of the bounded load.
    pub spilled: bool,
}

impl<'a> Selection<'a> {
    /// A choice among the replicas that are not in `tried`.
    pub fn new(tried: &'a [Incarnation], options: AttemptOptions) -> Self {
        Self {
            tried,
            options,
            chosen: None,
            first: None,
            spilled: false,
            last_resort: LastResort::default(),
            changes: Vec::new(),
        }
    }

    /// The stalls that were detected since the last call.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }
}

impl Endpoints {
    /// Offers the next page of the walk to a selection. Returns whether a replica was chosen: further pages are not
    /// needed then.
    pub fn offer_page(&mut self, selection: &mut Selection<'_>, page: &[Rc<Endpoint>], now: Instant) -> bool {
        let tried = selection.tried;
        for endpoint in page.iter().filter(|endpoint| !tried.contains(&endpoint.incarnation())) {
            selection.changes.extend(self.detect_stall(endpoint, now));
            let skip = self.skip(endpoint);
            selection.first.get_or_insert((endpoint.incarnation(), skip));
            let take = match skip {
                None => true,
                Some(Skip::Unavailable) => {
                    selection.options.may_probe && endpoint.health.borrow().wants_probe(now)
                }
                Some(Skip::OverBound | Skip::Suspect) => false,
            };
            selection.spilled |= skip == Some(Skip::OverBound);
            if take {
                selection.chosen = Some(endpoint.clone());
                return true;
            }
            if let Some(skip) = skip {
                selection.last_resort.offer(endpoint, skip);
            }
        }
        false
    }

    /// The result of a selection: if all replicas of the walk were skipped, the best one of them.
    pub fn finish(&self, selection: Selection<'_>) -> Choice {
        let Selection { tried, options, chosen, first, spilled, last_resort, .. } = selection;
        let endpoint = chosen.or_else(|| last_resort.take()).or_else(|| self.untried(tried));
        let endpoint = endpoint.filter(|endpoint| !(options.healthy_only && endpoint.is_last_resort()));
        let taken = endpoint.as_ref().map(|endpoint| endpoint.incarnation());
        let first = first.filter(|(first, _)| Some(*first) != taken);
        Choice { endpoint, first_skipped: first.and_then(|(_, skip)| skip), spilled }
    }

    /// Why a request would skip this replica now; `None`: it would not.
    pub fn skip(&self, endpoint: &Endpoint) -> Option<Skip> {
        if endpoint.is_unavailable() {
            return Some(Skip::Unavailable);
        }
        if endpoint.is_suspect() {
            return Some(Skip::Suspect);
        }
        let weight = u64::from(endpoint.weight().get());
        let limit = self.limits.bound?.limit(self.in_flight + 1, weight, self.available_weight);
        (endpoint.in_flight() >= limit).then_some(Skip::OverBound)
    }

    /// Whether the policy chooses the replica of a first attempt, with [`pick`](Self::pick), instead of the walk of the key.
    pub fn picks_by_policy(&self) -> bool {
        self.limits.policy != Policy::Hash
    }

    /// The choice of a policy other than the hash; `None` if every replica is suspect or unavailable. An ejected replica
    /// that is due for a probe comes first.
    pub fn pick(&mut self, options: AttemptOptions, now: Instant) -> (Option<Rc<Endpoint>>, Vec<Change>) {
        let changes = self.detect_stalls(|_| true, now);
        let due = |endpoint: &&Rc<Endpoint>| endpoint.health.borrow().wants_probe(now);
        if let Some(due) = self.seated.iter().find(|endpoint| options.may_probe && due(endpoint)) {
            return (Some(due.clone()), changes);
        }
        let open: Vec<_> = self.seated.iter().filter(|endpoint| !endpoint.is_last_resort()).collect();
        let mut candidates: Vec<Candidate> = open.iter().map(|endpoint| endpoint.candidate(now)).collect();
        let picked = self.limits.policy.pick(&mut candidates, &mut self.rng);
        open.iter().zip(&candidates).for_each(|(endpoint, candidate)| endpoint.credit.set(candidate.credit));
        (picked.map(|at| open[at].clone()), changes)
    }

    /// Any untried replica, if the last resort left the ring during the look-up of further pages.
    fn untried(&self, tried: &[Incarnation]) -> Option<Rc<Endpoint>> {
        self.seated.iter().find(|endpoint| !tried.contains(&endpoint.incarnation())).cloned()
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
                Rank::OverBound(endpoint.in_flight() as f64 / f64::from(endpoint.weight().get()))
            }
            Skip::Suspect => Rank::Silent,
            Skip::Unavailable if endpoint.health.borrow().is_ejected() => Rank::Ejected,
            Skip::Unavailable => Rank::Silent,
        };
        if self.0.as_ref().is_none_or(|(best, best_endpoint)| rank < *best || !best_endpoint.is_in_ring()) {
            self.0 = Some((rank, endpoint.clone()));
        }
    }

    /// Returns the best one, unless it left the ring during the look-up of further pages.
    fn take(self) -> Option<Rc<Endpoint>> {
        self.0.map(|(_, endpoint)| endpoint).filter(|endpoint| endpoint.is_in_ring())
    }
}
