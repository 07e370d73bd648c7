//! Commands for one replica or seat (drain, replace, weight, external servers): each becomes an event of the fleet,
//! whose reply is awaited.

use actix::prelude::*;

use crate::fleet::{Answer, CallId, CommandError, Event};
use crate::ring::{self, Proposal};

use super::{AddUpstream, Drain, RemoveUpstream, Replace, RollingReplace, SupervisorActor, Undrain, Weigh};

type CommandReply = ResponseFuture<Result<Answer, CommandError>>;

impl Handler<Drain> for SupervisorActor {
    type Result = CommandReply;

    fn handle(&mut self, Drain(name): Drain, ctx: &mut Self::Context) -> CommandReply {
        self.command(|call| Event::Drain { call, name }, ctx)
    }
}

impl Handler<Undrain> for SupervisorActor {
    type Result = CommandReply;

    fn handle(&mut self, Undrain(name): Undrain, ctx: &mut Self::Context) -> CommandReply {
        self.command(|call| Event::Undrain { call, name }, ctx)
    }
}

impl Handler<Replace> for SupervisorActor {
    type Result = CommandReply;

    fn handle(&mut self, Replace(name): Replace, ctx: &mut Self::Context) -> CommandReply {
        self.command(|call| Event::Replace { call, name }, ctx)
    }
}

impl Handler<AddUpstream> for SupervisorActor {
    type Result = CommandReply;

    fn handle(&mut self, AddUpstream(upstream): AddUpstream, ctx: &mut Self::Context) -> CommandReply {
        self.command(|call| Event::AddUpstream { call, upstream }, ctx)
    }
}

impl Handler<RemoveUpstream> for SupervisorActor {
    type Result = CommandReply;

    fn handle(&mut self, RemoveUpstream(name): RemoveUpstream, ctx: &mut Self::Context) -> CommandReply {
        self.command(|call| Event::RemoveUpstream { call, name }, ctx)
    }
}

impl Handler<RollingReplace> for SupervisorActor {
    type Result = ResponseFuture<Result<usize, CommandError>>;

    fn handle(&mut self, _: RollingReplace, ctx: &mut Self::Context) -> Self::Result {
        let started = self.command(|call| Event::RollingReplace { call }, ctx);
        let total = self.fleet.view().rolling.map_or(0, |progress| progress.total);
        Box::pin(async move { started.await.map(|_| total) })
    }
}

impl Handler<Weigh> for SupervisorActor {
    type Result = ResponseFuture<Result<ring::Plan, CommandError>>;

    /// The message for the plan is sent to the ring directly before the change, so the plan describes this very change.
    fn handle(&mut self, Weigh { seat, weight }: Weigh, ctx: &mut Self::Context) -> Self::Result {
        let proposal = Proposal { weights: vec![(seat, weight)], ..Proposal::default() };
        let plan = self.plan(Ok(proposal));
        let weighed = self.command(|call| Event::Weigh { call, seat, weight }, ctx);
        Box::pin(async move {
            weighed.await?;
            plan.await
        })
    }
}

impl SupervisorActor {
    /// Passes a command to the fleet. The future resolves with the reply of the fleet, or with [`CommandError::Stopping`] if
    /// the supervisor stops first.
    fn command(&mut self, event: impl FnOnce(CallId) -> Event, ctx: &mut Context<Self>) -> CommandReply {
        let (call, reply) = self.open_call();
        self.dispatch(event(call), ctx);
        Box::pin(async move { reply.await.unwrap_or(Err(CommandError::Stopping)) })
    }
}
