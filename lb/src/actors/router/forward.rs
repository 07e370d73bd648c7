//! One request: key, slot, replica; and the next replica of the walk if that attempt may be repeated.

use std::rc::Rc;

use actix_http::header::HeaderMap;
use actix_http::{HttpMessage, Payload};
use awc::body;
use awc::http::uri::{Parts as UriParts, Scheme};
use awc::http::{StatusCode, Uri};
use futures::future::{Either, select};
use tokio::sync::oneshot;

use crate::key::Parts;
use crate::ring::Slot;
use crate::upstream;

use super::identify::identify;
use super::lease::{InFlight, Router};
use super::{Error, Reply, Request};

/// Forwards until there is a reply, no further attempt is allowed, or the client has left.
pub(super) async fn forward(
    router: Rc<Router>,
    request: Request,
    gone: oneshot::Receiver<()>,
) -> Result<Reply, Error> {
    match select(std::pin::pin!(attempts(&router, request)), gone).await {
        Either::Left((reply, _)) => reply,
        Either::Right(_) => Err(Error::ClientLeft),
    }
}

async fn attempts(router: &Rc<Router>, mut request: Request) -> Result<Reply, Error> {
    let slot = slot(router, &request).ok_or(Error::Stopping)?;
    identify(&mut request.headers, &mut router.rng.borrow_mut());
    let mut tried = Vec::new();
    let mut failure = Error::NoReplica;
    for left in (0..=router.settings.retries).rev() {
        let Some(in_flight) = router.enter(slot, &tried).await? else { break };
        tried.push(in_flight.upstream().incarnation);
        match attempt(router, &mut request, left == 0, &in_flight).await {
            Ok((head, payload)) => {
                let Head { status, reason, headers } = head;
                return Ok(Reply { status, reason, headers, payload, in_flight });
            }
            Err(error) => {
                let replayable = request.body.as_ref().is_none_or(upstream::Replay::replayable);
                let again = upstream::may_retry(&request.method, replayable, &error);
                failure = Error::Upstream(error);
                if !again {
                    break;
                }
            }
        }
    }
    Err(failure)
}

/// A reply's head.
struct Head {
    status: StatusCode,
    reason: Option<&'static str>,
    headers: HeaderMap,
}

/// One attempt at one replica.
async fn attempt(
    router: &Router,
    request: &mut Request,
    last: bool,
    in_flight: &InFlight,
) -> Result<(Head, Payload), upstream::Error> {
    let upstream = in_flight.upstream();
    let mut parts = UriParts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = upstream.authority.clone();
    parts.path_and_query = Some(request.target.clone());
    let uri = Uri::from_parts(parts).map_err(|_| upstream::Error::request("the target is no path"))?;
    let call = router.client.request(request.method.clone(), uri).address(upstream.address);
    let mut call = call.no_decompress();
    *call.headers_mut() = if last { std::mem::take(&mut request.headers) } else { request.headers.clone() };
    let sent = match &request.body {
        None => call.send_body(body::None::new()).await,
        Some(body) => call.send_body(body.attempt()).await,
    };
    let (mut reason, mut headers) = (None, HeaderMap::new());
    let mut reply = sent.map_err(upstream::Error::from_awc)?.map_body(|head, payload| {
        (reason, headers) = (head.reason, std::mem::take(&mut head.headers));
        payload
    });
    Ok((Head { status: reply.status(), reason, headers }, reply.take_payload()))
}

/// The slot of the request's key; `None` before the ring has registered us, when nothing is routed yet.
fn slot(router: &Router, request: &Request) -> Option<Slot> {
    let parts = Parts {
        path: request.target.path(),
        query: request.target.query().unwrap_or_default(),
        headers: &request.headers,
        client: Some(request.client),
    };
    let key = router.settings.key.key(&parts, &mut router.rng.borrow_mut());
    Some(router.layout.get()?.position(&key.bytes).slot)
}
