//! Where a router would send a request now: the choice that every request goes through, made for nobody.

use actix::prelude::*;

use crate::balance::Policy;
use crate::ring::{Incarnation, Slot};

use super::choice::AttemptOptions;
use super::lease::Router;
use super::{Error, RouterActor, Skip};

/// Where would a GET whose key lies here go? Nothing comes of it.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<Explained, Error>")]
pub struct Explain(pub Slot);

/// The answer to [`Explain`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Of the ring that the router goes by.
    pub epoch: u64,
    /// What decides on the first attempt.
    pub policy: Policy,
    /// The occupied seats' replicas, and why a request would pass them over.
    pub skips: Vec<(Incarnation, Option<Skip>)>,
    /// Where it would go; `None`: nowhere, or that is not for its key to say.
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
        let options = AttemptOptions { probe: self.settings().retries > 0, waits: true, well_only: false };
        let chosen = self.choose(slot, &[], options).await?.upstream.filter(|_| policy == Policy::Hash);
        // No await from here on: it is the state in which the choice was made.
        let seated = self.seated.borrow();
        let skips = seated.iter().map(|upstream| (upstream.incarnation, self.skip(upstream))).collect();
        Ok(Explained { epoch: self.epoch(), policy, skips, chosen: chosen.map(|chosen| chosen.incarnation) })
    }
}
