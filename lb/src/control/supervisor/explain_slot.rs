//! Collects the explanation of every router for a slot: each router has its own view of the replicas' health and load.

use actix::prelude::*;
use futures::future::join_all;
use tokio::time::timeout;

use super::{ExplainSlot, REPLY_TIMEOUT, RouterExplanations, SupervisorActor};

impl Handler<ExplainSlot> for SupervisorActor {
    type Result = ResponseFuture<RouterExplanations>;

    fn handle(&mut self, ExplainSlot(slot): ExplainSlot, _: &mut Self::Context) -> Self::Result {
        let view = self.fleet.view();
        let replies: Vec<_> =
            self.routers.values().map(|router| timeout(REPLY_TIMEOUT, router.explain(slot))).collect();
        Box::pin(async move {
            let routers = join_all(replies).await.into_iter().flatten().flatten().collect();
            RouterExplanations { view, routers }
        })
    }
}
