//! The walk of a request's slot, from the lease or from the ring, and the acquisition of the next replica along it.

use std::rc::Rc;
use std::time::Instant;

use crate::control::ring::WalkPage;
use crate::ring::{Incarnation, PAGE, Slot};

use super::endpoints::{AttemptOptions, Choice, Endpoint, LimitReached, Selection};
use super::in_flight::InFlight;
use super::leases::Page;
use super::state::Router;
use super::{Error, Skip, now};

/// Chooses an untried replica and counts the request as in flight; `None`: every occupied seat was tried, or no
/// other replica fits the options.
///
/// Once the lease is there, both happen in one synchronous step: a recall is handled either before it (then the lease
/// does not contain the replica) or after it (then the request is counted). All limits are checked in the same step,
/// because many requests may wait for the same lease.
pub(crate) async fn acquire(
    router: &Rc<Router>,
    slot: Slot,
    tried: &[Incarnation],
    options: AttemptOptions,
) -> Result<Option<InFlight>, Error> {
    if tried.is_empty()
        && let Some(picked) = pick(router, options)
    {
        return begin(router, picked, options, None, now()).map(Some);
    }
    let (Choice { endpoint, first_skipped, spilled }, now) = choose(router, slot, tried, options).await?;
    if spilled {
        router.statistics.count(|routing| routing.spills += 1);
    }
    endpoint.map(|endpoint| begin(router, endpoint, options, first_skipped, now)).transpose()
}

/// Chooses a replica along the walk of a slot, for attempts and for [`Explain`](super::Explain); the time is the
/// one of the choice. No await follows the last look-up, so that the caller acts on the same state.
pub(crate) async fn choose(
    router: &Router,
    slot: Slot,
    tried: &[Incarnation],
    options: AttemptOptions,
) -> Result<(Choice, Instant), Error> {
    let mut selection = Selection::new(tried, options);
    let mut offset = 0;
    loop {
        let page = walk_page(router, slot, offset).await?;
        let now = now();
        let chosen = router.endpoints.borrow_mut().offer_page(&mut selection, &page, now);
        router.announce_all(selection.take_changes());
        if chosen || page.len() < PAGE {
            return Ok((router.endpoints.borrow().finish(selection), now));
        }
        offset += page.len();
    }
}

/// A page of the walk from a slot, from the lease or from the ring. Empty at the end of the walk.
async fn walk_page(router: &Router, slot: Slot, offset: usize) -> Result<Page, Error> {
    if offset == 0
        && let Some(lease) = router.leases.borrow().get(slot)
    {
        return Ok(lease);
    }
    loop {
        let WalkPage { epoch, walk } = look_up(router, slot, offset).await?;
        if !router.leases.borrow().is_valid(epoch) {
            continue;
        }
        let endpoints = router.endpoints.borrow();
        let page: Page =
            walk.iter().filter_map(|replica| endpoints.get(replica.incarnation).cloned()).collect();
        if offset == 0 {
            router.leases.borrow_mut().insert(slot, page.clone());
        }
        return Ok(page);
    }
}

async fn look_up(router: &Router, slot: Slot, offset: usize) -> Result<WalkPage, Error> {
    let _pending = router.statistics.pending_lookup();
    router.ring.lookup(slot, offset).await.map_err(|_| Error::Stopping)
}

/// The choice of a policy other than the hash; `None` with the hash.
fn pick(router: &Router, options: AttemptOptions) -> Option<Rc<Endpoint>> {
    let mut endpoints = router.endpoints.borrow_mut();
    if !endpoints.picks_by_policy() {
        return None;
    }
    let (picked, changes) = endpoints.pick(options, now());
    drop(endpoints);
    router.announce_all(changes);
    picked
}

fn begin(
    router: &Rc<Router>,
    endpoint: Rc<Endpoint>,
    options: AttemptOptions,
    first_skipped: Option<Skip>,
    now: Instant,
) -> Result<InFlight, Error> {
    let request = router.endpoints.borrow_mut().begin(endpoint, options, now);
    let request = request.map_err(|LimitReached| Error::Overloaded)?;
    Ok(InFlight::new(router.clone(), request, first_skipped))
}
