//! Plans: the effect of a change of the fleet on the ring, computed without making the change.

use actix::prelude::*;

use crate::fleet::{CommandError, Loads, Removal};
use crate::ring::{self as placement, Proposal};

use super::{Add, Plan, Remove, SupervisorActor};
use crate::control::ring;

/// Computes the plan of an /rm when the loads are known by which the seats are chosen.
#[derive(Message)]
#[rtype(result = "Result<placement::Plan, CommandError>")]
struct Choose {
    removal: Removal,
    loads: Loads,
}

impl Handler<Plan> for SupervisorActor {
    type Result = ResponseFuture<Result<placement::Plan, CommandError>>;

    fn handle(&mut self, plan: Plan, ctx: &mut Self::Context) -> Self::Result {
        match plan {
            Plan::Add(Add { n, names }) => {
                let join = self.fleet.choose_free(n, &names);
                self.plan(join.map(|join| Proposal { join, ..Proposal::default() }))
            }
            Plan::AddUpstream(upstream) => {
                let seat = self.fleet.seat_for(&upstream);
                let join = seat.map(|seat| vec![(seat, upstream.weight)]);
                self.plan(join.map(|join| Proposal { join, ..Proposal::default() }))
            }
            Plan::RemoveUpstream(name) => {
                let leave = self.fleet.seat_of_upstream(&name).map(|seat| vec![seat]);
                self.plan(leave.map(|leave| Proposal { leave, ..Proposal::default() }))
            }
            Plan::Weigh(weights) => {
                let allowed = self.fleet.check_weights(&weights);
                self.plan(allowed.map(|()| Proposal { weights, ..Proposal::default() }))
            }
            Plan::Remove(Remove(removal)) => {
                let (loads, supervisor) = (self.seat_loads(), ctx.address());
                Box::pin(async move {
                    let choice = Choose { removal, loads: loads.await };
                    supervisor.send(choice).await.unwrap_or(Err(CommandError::Stopping))
                })
            }
        }
    }
}

impl Handler<Choose> for SupervisorActor {
    type Result = ResponseFuture<Result<placement::Plan, CommandError>>;

    fn handle(&mut self, Choose { removal, loads }: Choose, _: &mut Self::Context) -> Self::Result {
        let leave = self.fleet.choose(&removal, &loads);
        self.plan(leave.map(|leave| Proposal { leave, ..Proposal::default() }))
    }
}

impl SupervisorActor {
    /// Requests a plan from the ring. The message is sent before this returns, so that the ring is in the state on
    /// which the choice of the fleet is based.
    pub(crate) fn plan(
        &self,
        proposal: Result<Proposal, CommandError>,
    ) -> ResponseFuture<Result<placement::Plan, CommandError>> {
        let plan = proposal.map(|proposal| self.ring.send(ring::Plan(proposal)));
        Box::pin(async move { Ok(plan?.await.map_err(|_| CommandError::Stopping)??) })
    }
}
