//! Departure of a replica: draining, stopping, gone; and the end of the whole fleet.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::fleet::runtime::Launch;
use crate::ring::{Incarnation, SeatId};

use super::action::Action;
use super::member::Member;
use super::on_ring_reply::OnRingReply;
use super::{CallId, CommandError, Fleet, Ownership, Phase, RouterId, Seat};

impl Fleet {
    /// Called when no new request can reach the replica: it is stopped once its requests in flight have ended, unless
    /// it is cordoned.
    pub(super) fn drain(&mut self, incarnation: Incarnation, busy: BTreeSet<RouterId>, now: Instant) {
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        member.unanswered = member.unanswered.saturating_sub(1);
        member.busy.extend(busy); // keeps the entries of an earlier drain
        if member.phase != Phase::Leaving || member.unanswered > 0 {
            return;
        }
        let why = format!("busy_routers={}", member.busy.difference(&member.idle).count());
        member.enter(Phase::Draining, &why, &mut self.actions);
        member.drain_deadline = (!member.cordoned).then(|| now + self.settings.drain);
    }

    pub(super) fn idle(&mut self, router: RouterId, incarnation: Incarnation) {
        if let Some(member) = self.members.get_mut(&incarnation) {
            member.idle.insert(router);
        }
    }

    /// Stops replicas that have drained, or whose drain deadline has passed.
    pub(super) fn end_drains(&mut self, now: Instant) {
        let over = |m: &Member| m.drain_deadline.is_some_and(|at| at <= now);
        let ended: Vec<(Incarnation, bool)> = self
            .members
            .values()
            .filter(|member| member.is_drained() || over(member))
            .map(|member| (member.launch.incarnation, member.is_drained()))
            .collect();
        for (incarnation, drained) in ended {
            if !drained {
                log::warn!("drain cut short incarnation={incarnation} why=deadline");
            }
            self.stop(incarnation, self.settings.stop_timeout);
        }
    }

    /// Removes dead replicas that no request can reach, once their container is not needed to store the seat: the seat
    /// is gone, another replica occupies it, or a younger replica was created for it.
    pub(super) fn remove_dead(&mut self) {
        let younger = |dead: &Launch| {
            let created = self.members.values().filter(|member| member.instance.is_some());
            created.map(|m| &m.launch).any(|l| l.seat == dead.seat && l.incarnation > dead.incarnation)
        };
        let another = |seat: &Seat, of| seat.holder().is_some_and(|has| has != of);
        // The configuration stores the seat of an external server.
        let external = |seat: &Seat, of| seat.external.is_some() && seat.cordoned() != Some(of);
        let unneeded = |of: &Launch| {
            let seat = self.seats.get(&of.seat);
            seat.is_none_or(|seat| another(seat, of.incarnation) || external(seat, of.incarnation))
                || younger(of)
        };
        let dead = self.members.values().filter(|member| member.phase == Phase::Dead && !member.routed);
        let dead: Vec<Incarnation> =
            dead.map(|m| &m.launch).filter(|of| unneeded(of)).map(|of| of.incarnation).collect();
        for incarnation in dead {
            self.stop(incarnation, Duration::ZERO);
        }
    }

    /// Sends SIGTERM, and SIGKILL after `grace`; a launch that the engine has not answered is stopped when it is. An
    /// external server is only forgotten.
    pub(super) fn stop(&mut self, incarnation: Incarnation, grace: Duration) {
        if self.settings.ownership == Ownership::External {
            return self.release_external(incarnation);
        }
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        if member.phase == Phase::Stopping {
            return;
        }
        member.cordoned = false;
        member.enter(Phase::Stopping, &format_args!("grace_ms={}", grace.as_millis()), &mut self.actions);
        if !member.launching {
            self.actions.push(Action::Stop { incarnation, grace });
        }
    }

    pub(super) fn gone(&mut self, incarnation: Incarnation) {
        if let Some(member) = self.members.remove(&incarnation) {
            log::info!("replica gone name={} incarnation={incarnation}", member.launch.name);
            self.actions.push(member.transition("phase", Some(member.phase.as_str()), None, None));
        }
    }

    /// From now on nothing is launched. Calls that wait for a launch are answered with an error at once, not after the
    /// drain.
    pub(super) fn close(&mut self) {
        self.frozen.get_or_insert(CommandError::Stopping);
        let calls: BTreeSet<CallId> = self.seats.values().filter_map(Seat::reserved_by).collect();
        for call in calls {
            self.roll_back_add(call, CommandError::Stopping);
        }
        self.fail_replacing(|_| true, &CommandError::Stopping);
        self.abort_manual_rollout(&CommandError::Stopping);
    }

    /// Another balancer acts on this cluster. Two balancers that replace each other's replicas would never settle:
    /// from now on this one only routes.
    pub(super) fn conflict(&mut self, container: &str) {
        if self.frozen.is_none() {
            log::error!("another balancer acts container={container} lifecycle=stopped routing=on");
            self.frozen = Some(CommandError::Conflict);
            self.fail_replacing(|seat| seat.candidate().is_none(), &CommandError::Conflict);
            self.abort_manual_rollout(&CommandError::Conflict);
        }
    }

    /// Stops all replicas, the highest seats first; those that outlive the balancer (`keep`) are forgotten.
    pub(super) fn stop_all(&mut self) {
        self.close();
        self.close_record();
        self.stopping = true;
        if self.settings.keep || self.frozen == Some(CommandError::Conflict) {
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
            let going = matches!(member.phase, Phase::Leaving | Phase::Draining | Phase::Stopping);
            !seated || going && !member.cordoned || member.launching
        });
    }

    /// Kills all replicas at once, also those that are stopping or draining.
    pub(super) fn kill_all(&mut self) {
        self.stop_all();
        let killed = self.members.values().filter(|member| !member.launching);
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
        if self.stopping
            && !self.halted
            && self.members.is_empty()
            && self.is_recorded()
            && !self.pending_changes.values().any(waits)
        {
            self.halted = true;
            self.actions.push(Action::Halted);
        }
    }
}
