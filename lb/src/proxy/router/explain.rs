//! Reports which replica a router would choose for a slot now, by the same code that routes requests.

use actix::prelude::*;

use crate::balance::Policy;
use crate::ring::{Incarnation, Slot};

use super::choice::AttemptOptions;
use super::lease::Router;
use super::{Error, RouterActor, Skip};

/// Message: returns how a GET whose key is in this slot would be routed, without sending or counting a request.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<Explained, Error>")]
pub struct Explain(pub Slot);

/// The answer to [`Explain`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Epoch of the router's copy of the ring.
    pub epoch: u64,
    /// The policy that chooses the replica of a first attempt.
    pub policy: Policy,
    /// The replicas of the occupied seats in seat order, each with the reason why a request would skip it.
    pub skips: Vec<(Incarnation, Option<Skip>)>,
    /// The replica that would be chosen; `None`: no seat is occupied, or the policy does not use the key.
    pub chosen: Option<Incarnation>,
}

impl Handler<Explain> for RouterActor {
    type Result = ResponseFuture<Result<Explained, Error>>;

    fn handle(&mut self, Explain(slot): Explain, _: &mut Self::Context) -> Self::Result {
        let router = self.router.clone();
        Box::pin(async move { router.explain(slot).await })
    }
}

impl Router {
    pub async fn explain(&self, slot: Slot) -> Result<Explained, Error> {
        let policy = self.settings().policy;
        let options =
            AttemptOptions { may_probe: self.settings().retries > 0, bodiless: true, healthy_only: false };
        let chosen = self.choose(slot, &[], options).await?.endpoint.filter(|_| policy == Policy::Hash);
        // No await from here on: the skips must be of the same state as the choice.
        let seated = self.seated.borrow();
        let skips = seated.iter().map(|endpoint| (endpoint.incarnation, self.skip(endpoint))).collect();
        Ok(Explained { epoch: self.epoch(), policy, skips, chosen: chosen.map(|chosen| chosen.incarnation) })
    }
}
