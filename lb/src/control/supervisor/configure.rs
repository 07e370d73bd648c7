//! Changes of the settings and of the target number of seats at run time.

use actix::prelude::*;

use crate::fleet::Event;

use super::actions::report;
use super::{Configure, SupervisorActor};

impl Handler<Configure> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, Configure { settings, heartbeat, target }: Configure, ctx: &mut Self::Context) {
        self.heartbeat = heartbeat;
        self.dispatch(Event::Configure(settings), ctx);
        if let Some(target) = target {
            self.scale(target, ctx);
        }
    }
}

impl SupervisorActor {
    fn scale(&mut self, target: usize, ctx: &mut Context<Self>) {
        let (call, reply) = self.open_call();
        let loads = self.seat_loads();
        report(ctx, async move { Event::Scale { call, target, loads: loads.await } });
        actix_rt::spawn(async move {
            match reply.await {
                Ok(Ok(done)) => {
                    log::info!("target reached target={target} replicas={}", done.replicas.len());
                }
                Ok(Err(refusal)) => log::error!("target not reached target={target} why={refusal}"),
                Err(_) => {} // the process ends
            }
        });
    }
}
