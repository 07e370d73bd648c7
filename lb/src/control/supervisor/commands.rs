//! How one replica or seat is steered: the fleet is told, and its answer awaited.

use actix::prelude::*;

use crate::fleet::{Answer, CallId, CommandError, Event};
use crate::ring::{self, Proposal};

use super::{AddUpstream, Drain, RemoveUpstream, Replace, RollingReplace, SupervisorActor, Undrain, Weigh};

type Steered = ResponseFuture<Result<Answer, CommandError>>;

impl Handler<Drain> for SupervisorActor {
    type Result = Steered;

    fn handle(&mut self, Drain(name): Drain, ctx: &mut Self::Context) -> Steered {
        self.steer(|call| Event::Drain { call, name }, ctx)
    }
}

impl Handler<Undrain> for SupervisorActor {
    type Result = Steered;

    fn handle(&mut self, Undrain(name): Undrain, ctx: &mut Self::Context) -> Steered {
        self.steer(|call| Event::Undrain { call, name }, ctx)
    }
}

impl Handler<Replace> for SupervisorActor {
    type Result = Steered;

    fn handle(&mut self, Replace(name): Replace, ctx: &mut Self::Context) -> Steered {
        self.steer(|call| Event::Replace { call, name }, ctx)
    }
}

impl Handler<AddUpstream> for SupervisorActor {
    type Result = Steered;

    fn handle(&mut self, AddUpstream(upstream): AddUpstream, ctx: &mut Self::Context) -> Steered {
        self.steer(|call| Event::AddUpstream { call, upstream }, ctx)
    }
}

impl Handler<RemoveUpstream> for SupervisorActor {
    type Result = Steered;

    fn handle(&mut self, RemoveUpstream(name): RemoveUpstream, ctx: &mut Self::Context) -> Steered {
        self.steer(|call| Event::RemoveUpstream { call, name }, ctx)
    }
}

impl Handler<RollingReplace> for SupervisorActor {
    type Result = ResponseFuture<Result<usize, CommandError>>;

    fn handle(&mut self, _: RollingReplace, ctx: &mut Self::Context) -> Self::Result {
        let begun = self.steer(|call| Event::RollingReplace { call }, ctx);
        let total = self.fleet.view().rolling.map_or(0, |progress| progress.total);
        Box::pin(async move { begun.await.map(|_| total) })
    }
}

impl Handler<Weigh> for SupervisorActor {
    type Result = ResponseFuture<Result<ring::Plan, CommandError>>;

    /// The ring is asked for the plan before it is changed, with nothing in between: so the plan is what happens.
    fn handle(&mut self, Weigh { seat, weight }: Weigh, ctx: &mut Self::Context) -> Self::Result {
        let proposal = Proposal { weights: vec![(seat, weight)], ..Proposal::default() };
        let plan = self.plan(Ok(proposal));
        let weighed = self.steer(|call| Event::Weigh { call, seat, weight }, ctx);
        Box::pin(async move {
            weighed.await?;
            plan.await
        })
    }
}

impl SupervisorActor {
    fn steer(&mut self, event: impl FnOnce(CallId) -> Event, ctx: &mut Context<Self>) -> Steered {
        let (call, answer) = self.call();
        self.dispatch(event(call), ctx);
        Box::pin(async move { answer.await.unwrap_or(Err(CommandError::Stopping)) })
    }
}
