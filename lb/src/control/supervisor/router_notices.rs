//! Registration and notices of the routers. The routers await no reply, so no cycle of waiting actors can form.

use actix::prelude::*;

use crate::fleet::Event;

use super::{Notice, RegisterRouter, SupervisorActor};

impl Handler<RegisterRouter> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, RegisterRouter(router): RegisterRouter, _: &mut Self::Context) {
        self.routers.retain(|_, known| known.is_connected());
        router.publish_suspects(self.fleet.suspects().into());
        self.routers.insert(router.id(), router);
    }
}

impl Handler<Notice> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, Notice { router, event }: Notice, ctx: &mut Self::Context) {
        self.dispatch(Event::Router { router, event }, ctx);
    }
}
