//! Forwards one request: key, slot, replica, and the next replica of the walk while further attempts are allowed.

use std::rc::Rc;

use futures::future::{Either, select};
use tokio::sync::oneshot;

use crate::http1::known::Known;
use crate::proxy::client::{Outgoing, ReplayBody, may_retry};
use crate::ring::{Incarnation, Replica, Slot};

use super::attempts::{Attempts, Event};
use super::endpoints::AttemptOptions;
use super::in_flight::InFlight;
use super::request_id::ensure_request_id;
use super::slot::slot;
use super::state::Router;
use super::walk::acquire;
use super::{Error, FirstChoiceSkipped, Reply, Request, now};

/// Forwards a request until there is a reply, no further attempt is allowed, or the client has disconnected.
pub(crate) async fn forward(
    router: Rc<Router>,
    request: Request,
    cancelled: oneshot::Receiver<()>,
) -> Result<Reply, Error> {
    match select(std::pin::pin!(attempts(&router, request)), cancelled).await {
        Either::Left((reply, _)) => reply,
        Either::Right(_) => Err(Error::ClientLeft),
    }
}

async fn attempts(router: &Rc<Router>, mut request: Request) -> Result<Reply, Error> {
    let settings = router.settings();
    let slot = slot(router, &settings, &request);
    let is_generated = ensure_request_id(&mut request.fields, &mut router.rng.borrow_mut());
    request.request_log.set_route(slot, request.fields.get(Known::XRequestId), is_generated);
    let outgoing = Rc::new(outgoing(&mut request));
    let (mut left, mut hedged) = (settings.retries, false);
    let bodiless = outgoing.body().is_none();
    let may_hedge = bodiless && request.method.is_idempotent();
    let options =
        |left, healthy_only| AttemptOptions { may_probe: may_hedge && left > 0, bodiless, healthy_only };
    router.client.earn(now());
    let mut attempts = Attempts::new(settings.request_timeout);
    let mut tried = Vec::new();
    let mut next = Some(acquire(router, slot, &tried, options(left, false)).await?.ok_or(Error::NoReplica)?);
    loop {
        if let Some(in_flight) = next.take() {
            request.request_log.chosen(&in_flight, router.leases.borrow().epoch());
            attempts.start(router, &outgoing, in_flight);
        }
        let failure = match attempts.next(may_hedge && left > 0, hedged).await {
            Event::Replied(reply, took) => {
                request.request_log.replied(&reply.in_flight, took);
                return Ok(reply);
            }
            Event::TooLong => {
                return Err(Error::TooLong(settings.request_timeout.unwrap_or_default()));
            }
            Event::Abandoned(incarnation) => {
                tried.push(incarnation);
                hedged = true;
                None
            }
            Event::Failed(incarnation, error) => {
                tried.push(incarnation);
                Some(error)
            }
        };
        let replayable = outgoing.body().is_none_or(ReplayBody::replayable);
        let may_repeat = |error| may_retry(&request.method, replayable, error);
        if left > 0 && failure.as_ref().is_none_or(may_repeat) {
            if attempts.may_repeat() {
                next = acquire_retry(router, slot, &tried, options(left - 1, failure.is_none())).await;
                left -= u32::from(next.is_some());
            } else if attempts.is_empty() {
                not_repeated(router, &request);
            }
        }
        if next.is_some() {
            request.request_log.first_choice_skipped(|| match &failure {
                Some(error) => FirstChoiceSkipped::Failed(error.to_string()),
                None => FirstChoiceSkipped::Abandoned,
            });
        }
        match failure {
            Some(error) if next.is_none() && attempts.is_empty() => return Err(Error::Replica(error)),
            _ => {}
        }
    }
}

/// The request as it is written to each replica.
fn outgoing(request: &mut Request) -> Outgoing {
    let Request { method, target, fields, offer, body, waiting, .. } = request;
    let outgoing = Outgoing::new(method.clone(), target.as_str(), fields, offer.take(), body.take());
    outgoing.with_client(waiting.clone())
}

/// Acquires a replica for a further attempt; `None` if no replica is left or the retry budget is exhausted.
async fn acquire_retry(
    router: &Rc<Router>,
    slot: Slot,
    tried: &[Incarnation],
    options: AttemptOptions,
) -> Option<InFlight> {
    // The failure of the earlier attempt is reported to the client rather than `Error::Overloaded`.
    let in_flight = acquire(router, slot, tried, options).await.ok().flatten()?;
    let affordable = router.client.spend(now());
    router
        .statistics
        .count(|routing| if affordable { routing.retries += 1 } else { routing.budget_exhausted += 1 });
    affordable.then_some(in_flight)
}

/// Counts and reports a request that is not repeated because replicas were lost while they served it.
fn not_repeated(router: &Router, request: &Request) {
    router.statistics.count(|routing| routing.not_repeated += 1);
    let replica = || Some(Replica::clone(request.request_log.info().replica.as_ref()?));
    router.notices.not_repeated(replica, &request.method, now());
}
