//! Carries out the actions of the fleet and passes their results to it as events.

use std::future::Future;
use std::sync::Arc;

use actix::prelude::*;
use futures::future::{join, join_all};
use tokio::time::timeout;

use crate::fleet::{Action, Activity, CommandError, Event};
use crate::ring::Incarnation;

use super::{Outcome, REPLY_TIMEOUT, SupervisorActor};
use crate::control::panic_guard::exit_on_panic;

impl SupervisorActor {
    /// Carries out an action. Its result, if it has one, comes back as an event.
    pub(crate) fn carry_out(&mut self, action: Action, ctx: &mut Context<Self>) {
        match action {
            Action::Launch(launch) => {
                let incarnation = launch.incarnation;
                let launched = self.runtime.launch(launch);
                report(ctx, async move { Event::Launched { incarnation, result: launched.await } });
            }
            Action::Assign { seat, upstream } => self.runtime.assign(seat, upstream),
            Action::Heartbeat(replica) => {
                let incarnation = replica.incarnation;
                let start = || self.runtime.send_heartbeat(&replica, &self.heartbeat);
                let result = self.pending_heartbeats.send(incarnation, self.heartbeat.timeout, start);
                report(ctx, async move { Event::HeartbeatResult { incarnation, result: result.await } });
            }
            Action::Ring { id, change, retire, transitions } => {
                // The message is sent before this returns, so that the ring applies the changes in the fleet's order.
                let reply = self.ring.apply(change);
                let retired =
                    join_all(retire.into_iter().map(|incarnation| self.runtime.mark_leaving(incarnation)));
                let journal = self.journal.clone();
                report(ctx, async move {
                    let (reply, _) = join(reply, retired).await;
                    let busy = match reply {
                        Ok(changed) => {
                            journal.append(transitions, Some(changed.epoch));
                            changed.busy
                        }
                        Err(CommandError::Stopping) => Vec::new(), // the process ends
                        Err(error) => {
                            log::error!(ticket:% = id.0, error:%; "ring refused");
                            Vec::new()
                        }
                    };
                    Event::Ring { id, busy }
                });
            }
            Action::Inquire(incarnation) => {
                let activity = self.activity(incarnation);
                // Without a reply of the engine in time, it is unknown whether the replica is suspended (`None`).
                let suspended = timeout(REPLY_TIMEOUT, self.runtime.is_suspended(incarnation));
                report(ctx, async move {
                    let (activity, suspended) = join(activity, suspended).await;
                    let suspended = suspended.ok().flatten();
                    Event::InquiryResult { incarnation, activity, suspended }
                });
            }
            Action::Suspects(suspects) => {
                let suspects: Arc<[Incarnation]> = suspects.into();
                for router in self.routers.values() {
                    router.publish_suspects(suspects.clone());
                }
            }
            Action::ReadLastLogLine(incarnation) => {
                let line = self.runtime.last_log_line(incarnation);
                report(ctx, async move { Event::LastLogLine { incarnation, line: line.await } });
            }
            Action::Stop { incarnation, grace } => {
                let stopped = self.runtime.stop(incarnation, grace);
                report(ctx, async move {
                    stopped.await;
                    Event::Stopped { incarnation }
                });
            }
            Action::Record { revision, record } => {
                let written = self.runtime.write_record(record);
                report(ctx, async move {
                    Event::Recorded { revision, result: written.await.map_err(|error| error.to_string()) }
                });
            }
            Action::KillDead(incarnation) => {
                let killed = self.runtime.kill_dead(incarnation);
                let supervisor = ctx.address();
                actix_rt::spawn(exit_on_panic(
                    "supervisor",
                    Box::pin(async move {
                        if killed.await {
                            supervisor.do_send(Outcome(Event::DeadKilled { incarnation }));
                        }
                    }),
                ));
            }
            Action::Reply { call, result } => {
                // The change stays in force even if the caller has stopped waiting.
                let _ = self.callers.remove(&call).map(|caller| caller.send(result));
            }
            Action::Publish(transition) => {
                self.journal.append(vec![transition], None);
            }
            Action::Serving => {
                let _ = self.serving.take().map(|serving| serving.send(()));
            }
            Action::Halted => {
                for halted in self.halted.drain(..) {
                    let _ = halted.send(());
                }
            }
        }
    }

    /// The activity of a replica over all routers; `None` if a router does not reply in time. A router that has stopped
    /// is skipped.
    fn activity(&self, of: Incarnation) -> impl Future<Output = Option<Activity>> + use<> {
        let replies: Vec<_> =
            self.routers.values().map(|router| timeout(REPLY_TIMEOUT, router.activity(of))).collect();
        async move {
            let mut activity = Activity::default();
            for reply in join_all(replies).await {
                if let Some(of_router) = reply.ok()? {
                    activity = activity.merge(of_router);
                }
            }
            Some(activity)
        }
    }
}

/// Sends the event to the supervisor when it is ready. Runs as a task of its own, because an actor's context polls all
/// of its futures on every wake.
pub(crate) fn report(ctx: &Context<SupervisorActor>, event: impl Future<Output = Event> + 'static) {
    let supervisor = ctx.address();
    actix_rt::spawn(exit_on_panic(
        "supervisor",
        Box::pin(async move { supervisor.do_send(Outcome(event.await)) }),
    ));
}
