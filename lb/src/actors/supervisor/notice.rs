//! What the routers tell: nobody waits for an answer.

use actix::prelude::*;

use crate::fleet::Event;

use super::{Attach, Idle, Readmission, SupervisorActor, Suspicion};

impl Handler<Attach> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, attach: Attach, _: &mut Self::Context) {
        self.routers.retain(|_, known| known.load.connected());
        self.routers.insert(attach.router, attach);
    }
}

impl Handler<Idle> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, Idle { router, incarnation }: Idle, ctx: &mut Self::Context) {
        self.feed(Event::Idle { router, incarnation }, ctx);
    }
}

impl Handler<Suspicion> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, Suspicion { router, incarnation }: Suspicion, ctx: &mut Self::Context) {
        self.feed(Event::Suspected { router, incarnation }, ctx);
    }
}

impl Handler<Readmission> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, Readmission { router, incarnation }: Readmission, ctx: &mut Self::Context) {
        self.feed(Event::Readmitted { router, incarnation }, ctx);
    }
}
