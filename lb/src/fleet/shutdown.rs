//! The end of the whole fleet: no launches any more, all replicas stopped, halted. Also the stop of lifecycle actions
//! beside another balancer.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::ring::{Incarnation, SeatId};

use super::action::Action;
use super::on_ring_reply::OnRingReply;
use super::{CallId, CommandError, Fleet, Phase, Seat};

impl Fleet {
    /// Checks that the fleet accepts changes: it is neither stopping nor in conflict with another balancer.
    pub(super) fn check_active(&self) -> Result<(), CommandError> {
        self.lifecycle.check_active()
    }

    /// Another balancer acts on this cluster. Two balancers that replace each other's replicas would never settle:
    /// from now on this one only routes.
    pub(super) fn conflict(&mut self, container: &str) {
        if self.lifecycle.begin_conflict() {
            log::error!(container:%, lifecycle = "stopped", routing = "on"; "another balancer acts");
            self.fail_replacing(|seat| seat.candidate().is_none(), &CommandError::Conflict);
            self.abort_manual_rollout(&CommandError::Conflict);
        }
    }

    /// From now on nothing is launched. Calls that wait for a launch are answered with an error at once, not after the
    /// drain.
    pub(super) fn close(&mut self) {
        self.lifecycle.close();
        let calls: BTreeSet<CallId> = self.seats.values().filter_map(Seat::reserved_by).collect();
        for call in calls {
            self.roll_back_add(call, CommandError::Stopping);
        }
        self.fail_replacing(|_| true, &CommandError::Stopping);
        self.abort_manual_rollout(&CommandError::Stopping);
    }

    /// Stops all replicas, the highest seats first; those that outlive the balancer (`keep`) are forgotten.
    pub(super) fn stop_all(&mut self) {
        self.close();
        self.close_record();
        self.lifecycle.stop();
        if self.settings.keep || self.lifecycle.is_conflict() {
            self.forget_seated();
        }
        let mut members: Vec<(SeatId, Incarnation)> =
            self.members.values().map(|member| (member.launch.seat, member.launch.incarnation)).collect();
        members.sort_unstable();
        for (_, incarnation) in members.into_iter().rev() {
            self.stop(incarnation, self.settings.stop_timeout);
        }
        for seat in self.seats.values_mut() {
            seat.restart.cancel();
        }
    }

    /// Forgets the replicas of the seats, and the dead ones that store a seat: the next balancer adopts them.
    fn forget_seated(&mut self) {
        let Self { members, seats, .. } = self;
        members.retain(|_, member| {
            let seated = seats.get(&member.launch.seat).is_some_and(Seat::joined);
            let going = matches!(member.phase(), Phase::Leaving | Phase::Draining | Phase::Stopping);
            !seated || going && !member.is_cordoned() || member.is_launching()
        });
    }

    /// Kills all replicas at once, also those that are stopping or draining.
    pub(super) fn kill_all(&mut self) {
        self.stop_all();
        let killed = self.members.values().filter(|member| !member.is_launching());
        self.actions.extend(
            killed
                .map(|member| Action::Stop { incarnation: member.launch.incarnation, grace: Duration::ZERO }),
        );
    }

    /// Emits [`Action::Halted`] once, when all replicas are gone and every call is answered.
    pub(super) fn emit_halted(&mut self) {
        let waits = |after: &OnRingReply| {
            matches!(
                after,
                OnRingReply::Added(..)
                    | OnRingReply::Left(..)
                    | OnRingReply::Cordoned(..)
                    | OnRingReply::Weighed(_)
            )
        };
        if self.lifecycle.is_stopping()
            && !self.lifecycle.is_halted()
            && self.members.is_empty()
            && self.is_recorded()
            && !self.pending_changes.values().any(waits)
        {
            self.lifecycle.halt();
            self.actions.push(Action::Halted);
        }
    }
}
