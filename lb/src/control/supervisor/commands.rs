//! Commands: each becomes an event of the fleet, whose answer is awaited. Plans: the effect of a command on the ring,
//! computed without carrying it out.

use actix::prelude::*;

use crate::fleet::{Answer, Command, CommandError, Event, Loads};
use crate::ring::{self, Proposal};

use super::actions::report;
use super::{Call, CallWithPlan, Plan, SupervisorActor};

type PlanReply = ResponseFuture<Result<ring::Plan, CommandError>>;

/// Computes the plan of a command when the loads are known by which it chooses seats.
#[derive(Message)]
#[rtype(result = "Result<ring::Plan, CommandError>")]
struct Choose {
    command: Command,
    loads: Loads,
}

impl Handler<Call> for SupervisorActor {
    type Result = ResponseFuture<Result<Answer, CommandError>>;

    fn handle(&mut self, Call(command): Call, ctx: &mut Self::Context) -> Self::Result {
        self.call(command, ctx)
    }
}

impl Handler<CallWithPlan> for SupervisorActor {
    type Result = PlanReply;

    /// The message for the plan is sent to the ring directly before the change, so the plan describes this very change.
    fn handle(&mut self, CallWithPlan(command): CallWithPlan, ctx: &mut Self::Context) -> Self::Result {
        let plan = self.plan(command.clone(), ctx);
        let answer = self.call(command, ctx);
        Box::pin(async move {
            answer.await?;
            plan.await
        })
    }
}

impl Handler<Plan> for SupervisorActor {
    type Result = PlanReply;

    fn handle(&mut self, Plan(command): Plan, ctx: &mut Self::Context) -> Self::Result {
        self.plan(command, ctx)
    }
}

impl Handler<Choose> for SupervisorActor {
    type Result = PlanReply;

    fn handle(&mut self, Choose { command, loads }: Choose, _: &mut Self::Context) -> Self::Result {
        self.request_plan(self.fleet.proposal(&command, &loads))
    }
}

impl SupervisorActor {
    /// Passes a command to the fleet. The future resolves with the answer of the fleet, or with
    /// [`CommandError::Stopping`] if the supervisor stops first.
    pub(super) fn call(
        &mut self,
        command: Command,
        ctx: &mut Context<Self>,
    ) -> ResponseFuture<Result<Answer, CommandError>> {
        let (call, reply) = self.open_call();
        if command.needs_loads() {
            let loads = self.seat_loads();
            report(ctx, async move { Event::Call { call, command, loads: loads.await } });
        } else {
            self.dispatch(Event::Call { call, command, loads: Loads::new() }, ctx);
        }
        Box::pin(async move { reply.await.unwrap_or(Err(CommandError::Stopping)) })
    }

    fn plan(&self, command: Command, ctx: &mut Context<Self>) -> PlanReply {
        if !command.needs_loads() {
            return self.request_plan(self.fleet.proposal(&command, &Loads::new()));
        }
        let (loads, supervisor) = (self.seat_loads(), ctx.address());
        Box::pin(async move {
            let choice = Choose { command, loads: loads.await };
            supervisor.send(choice).await.unwrap_or(Err(CommandError::Stopping))
        })
    }

    /// Requests a plan from the ring. The message is sent before this returns, so that the ring is in the state on
    /// which the choice of the fleet is based.
    fn request_plan(&self, proposal: Result<Proposal, CommandError>) -> PlanReply {
        let plan = proposal.map(|proposal| self.ring.plan(proposal));
        Box::pin(async move { plan?.await })
    }
}
