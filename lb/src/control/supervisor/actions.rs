//! How each action of the fleet is carried out, and its outcome told.

use std::future::Future;
use std::sync::Arc;

use actix::prelude::*;
use futures::future::{LocalBoxFuture, join, join_all};
use tokio::time::timeout;

use crate::fleet::{Action, Activity, Change, ChangeId, Event};
use crate::ring::{Incarnation, RingError};

use super::{Did, PATIENCE, SupervisorActor};
use crate::control::journal::Tell;
use crate::control::panic_guard::exit_on_panic;
use crate::control::ring;
use crate::proxy::router;

/// The ring's answer to a change.
type Asked = Result<Result<ring::Changed, RingError>, MailboxError>;

impl SupervisorActor {
    pub(crate) fn act(&mut self, action: Action, ctx: &mut Context<Self>) {
        match action {
            Action::Launch(launch) => {
                let incarnation = launch.incarnation;
                let launched = self.runtime.launch(launch);
                report(ctx, async move { Event::Launched { incarnation, result: launched.await } });
            }
            Action::Assign { seat, upstream } => self.runtime.assign(seat, upstream),
            Action::Probe(replica) => {
                let incarnation = replica.incarnation;
                let probe = || self.runtime.probe(&replica, &self.heartbeat);
                let beat = self.heartbeats.send(incarnation, self.heartbeat.timeout, probe);
                report(ctx, async move { Event::HeartbeatResult { incarnation, beat: beat.await } });
            }
            Action::Ring { ticket, change } => self.change(ticket, change, ctx),
            Action::Ask(incarnation) => {
                let activity = self.activity(incarnation);
                // An engine that does not answer in time does not know.
                let suspended = timeout(PATIENCE, self.runtime.is_suspended(incarnation));
                report(ctx, async move {
                    let (activity, suspended) = join(activity, suspended).await;
                    let suspended = suspended.ok().flatten();
                    Event::Answered { incarnation, activity, suspended }
                });
            }
            Action::Suspects(suspects) => {
                let suspects: Arc<[Incarnation]> = suspects.into();
                for router in self.routers.values() {
                    router.suspects.do_send(router::Suspects(suspects.clone()));
                }
            }
            Action::Inquire(incarnation) => {
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
            Action::End(incarnation) => {
                let ended = self.runtime.end(incarnation);
                let supervisor = ctx.address();
                actix_rt::spawn(exit_on_panic(
                    "supervisor",
                    Box::pin(async move {
                        if ended.await {
                            supervisor.do_send(Did(Event::Ended { incarnation }));
                        }
                    }),
                ));
            }
            Action::Reply { call, result } => {
                // A client that has left does not undo what it asked for.
                let _ = self.callers.remove(&call).map(|caller| caller.send(result));
            }
            Action::Tell(transition) => {
                self.journal.do_send(Tell { transitions: vec![transition], epoch: None });
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

    /// What all routers see of a replica; `None` if one of them does not answer in time. One that has ended sees nothing.
    fn activity(&self, of: Incarnation) -> impl Future<Output = Option<Activity>> + use<> {
        let ask = |router: &super::RegisterRouter| timeout(PATIENCE, router.load.send(router::Load));
        let asked: Vec<_> = self.routers.values().map(ask).collect();
        async move {
            let mut activity = Activity::default();
            for answer in join_all(asked).await {
                let Ok(router::Loaded { replicas, .. }) = answer.ok()? else { continue };
                let mine = replicas.iter().filter(|load| load.incarnation == of);
                activity = mine.fold(activity, |sum, load| sum.merge(load.activity));
            }
            Some(activity)
        }
    }

    /// Sends the change now, so that the ring sees changes in the fleet's order; its answer is one more event.
    fn change(&mut self, ticket: ChangeId, change: Change, ctx: &mut Context<Self>) {
        let (ring, journal) = (&self.ring, self.journal.clone());
        let transitions = change.transitions();
        let mut leaving = Vec::new();
        let asked: LocalBoxFuture<'static, Asked> = match change {
            Change::Join(seats) => Box::pin(ring.send(ring::Join(seats))),
            Change::Occupy(replica) => Box::pin(ring.send(ring::Occupy(replica))),
            Change::Handover { to, from } => {
                leaving.push(from);
                Box::pin(ring.send(ring::Handover(to)))
            }
            Change::Vacate(seat) => Box::pin(ring.send(ring::Vacate(seat))),
            Change::Drain(replica) => Box::pin(ring.send(ring::Drain(replica.seat))),
            Change::Weigh { seat, weight, .. } => Box::pin(ring.send(ring::Weigh(vec![(seat, weight)]))),
            Change::Leave { seats, occupants } => {
                leaving = occupants;
                Box::pin(ring.send(ring::Leave(seats)))
            }
        };
        let retired = join_all(leaving.into_iter().map(|incarnation| self.runtime.retire(incarnation)));
        report(ctx, async move {
            let (asked, _) = join(asked, retired).await;
            let busy = match asked {
                Ok(Ok(changed)) => {
                    journal.do_send(Tell { transitions, epoch: Some(changed.epoch) });
                    changed.busy
                }
                Ok(Err(error)) => {
                    log::error!("ring refused ticket={} error={error}", ticket.0);
                    Vec::new()
                }
                Err(_) => Vec::new(), // the ring is gone: the process ends
            };
            Event::Ring { ticket, busy }
        });
    }
}

/// Runs beside the actor, not in its context: every future in a context is polled on every wake.
pub(crate) fn report(ctx: &Context<SupervisorActor>, event: impl Future<Output = Event> + 'static) {
    let supervisor = ctx.address();
    actix_rt::spawn(exit_on_panic(
        "supervisor",
        Box::pin(async move { supervisor.do_send(Did(event.await)) }),
    ));
}
