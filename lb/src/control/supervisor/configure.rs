//! Changes of the settings and of the target number of seats at run time.

use actix::prelude::*;

use crate::fleet::{Command, Event};

use super::{Configure, SupervisorActor};

impl Handler<Configure> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, Configure { settings, heartbeat, target }: Configure, ctx: &mut Self::Context) {
        self.heartbeat = heartbeat;
        self.dispatch(Event::Configure(settings), ctx);
        if let Some(target) = target {
            let answer = self.call(Command::Scale(target), ctx);
            actix_rt::spawn(async move {
                match answer.await {
                    Ok(done) => {
                        log::info!(target:%, replicas:% = done.replicas.len(); "target reached");
                    }
                    Err(error) => log::error!(target:%, why:% = error; "target not reached"),
                }
            });
        }
    }
}
