//! Registration and notices of the routers. The routers await no reply, so no cycle of waiting actors can form.

use actix::prelude::*;

use crate::fleet::{Event, Transition};

use super::{Ejected, Idle, NotRepeated, Readmitted, RegisterRouter, SupervisorActor};
use crate::control::journal::Append;
use crate::control::router;

impl Handler<RegisterRouter> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, registration: RegisterRouter, _: &mut Self::Context) {
        self.routers.retain(|_, known| known.load.connected());
        registration.suspects.do_send(router::Suspects(self.fleet.suspects().into()));
        self.routers.insert(registration.router, registration);
    }
}

impl Handler<Idle> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, Idle { router, incarnation }: Idle, ctx: &mut Self::Context) {
        self.dispatch(Event::Idle { router, incarnation }, ctx);
    }
}

impl Handler<Ejected> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, Ejected { router, incarnation }: Ejected, ctx: &mut Self::Context) {
        self.dispatch(Event::Suspected { router, incarnation }, ctx);
    }
}

impl Handler<Readmitted> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, Readmitted { router, incarnation }: Readmitted, ctx: &mut Self::Context) {
        self.dispatch(Event::Readmitted { router, incarnation }, ctx);
    }
}

impl Handler<NotRepeated> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, notice: NotRepeated, _: &mut Self::Context) {
        let NotRepeated { router, replica, method } = notice;
        let transition = Transition {
            name: "not_repeated",
            seat: replica.seat,
            replica: Some(replica.name),
            incarnation: Some(replica.incarnation),
            was: None,
            now: None,
            why: Some(format!("replicas were lost under a {method} request; router={}", router.0)),
            progress: None,
        };
        self.journal.do_send(Append { transitions: vec![transition], epoch: None });
    }
}
