//! Where a key would go: every router is asked, for each has seen other traffic.

use actix::prelude::*;
use futures::future::join_all;
use tokio::time::timeout;

use super::{ExplainSlot, PATIENCE, RouterExplanations, SupervisorActor};
use crate::proxy::router;

impl Handler<ExplainSlot> for SupervisorActor {
    type Result = ResponseFuture<RouterExplanations>;

    fn handle(&mut self, ExplainSlot(slot): ExplainSlot, _: &mut Self::Context) -> Self::Result {
        let view = self.fleet.view();
        let ask =
            |router: &super::RegisterRouter| timeout(PATIENCE, router.explain.send(router::Explain(slot)));
        let asked: Vec<_> = self.routers.values().map(ask).collect();
        Box::pin(async move {
            let routers = join_all(asked).await.into_iter().flatten().flatten().flatten().collect();
            RouterExplanations { view, routers }
        })
    }
}
