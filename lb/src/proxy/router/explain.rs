//! Reports which replica a router would choose for a slot now, by the same code that routes requests.

use actix::prelude::*;

use crate::balance::Policy;
use crate::ring::Slot;

use super::choice::AttemptOptions;
use super::lease::Router;
use super::{Error, RouterActor};
use crate::control::router::{Explain, Explained};

impl Handler<Explain> for RouterActor {
    type Result = ResponseFuture<Option<Explained>>;

    fn handle(&mut self, Explain(slot): Explain, _: &mut Self::Context) -> Self::Result {
        let router = self.router.clone();
        Box::pin(async move { router.explain(slot).await.ok() })
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
