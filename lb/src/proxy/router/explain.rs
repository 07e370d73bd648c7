//! Reports which replica a router would choose for a slot now, by the same code that routes requests.

use crate::balance::Policy;
use crate::control::router_link::RouterExplanation;
use crate::ring::Slot;

use super::Error;
use super::endpoints::AttemptOptions;
use super::state::Router;
use super::walk::choose;

/// How a GET whose key is in this slot would be routed, without sending or counting a request.
pub(crate) async fn explain(router: &Router, slot: Slot) -> Result<RouterExplanation, Error> {
    let policy = router.settings().policy;
    let options =
        AttemptOptions { may_probe: router.settings().retries > 0, bodiless: true, healthy_only: false };
    let (choice, _) = choose(router, slot, &[], options).await?;
    // No await from here on: the skips must be of the same state as the choice.
    let endpoints = router.endpoints.borrow();
    let skips = endpoints.seated().iter().map(|endpoint| (endpoint.incarnation(), endpoints.skip(endpoint)));
    let chosen = choice.endpoint.filter(|_| policy == Policy::Hash);
    Ok(RouterExplanation {
        epoch: router.leases.borrow().epoch(),
        policy,
        skips: skips.collect(),
        chosen: chosen.map(|chosen| chosen.incarnation()),
    })
}
