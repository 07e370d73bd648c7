//! Invariants of the fleet: of each action, of its state after each step, and of a world without chaos.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::fleet::outage::is_outside_replica;
use crate::fleet::restart::STABLE;

impl Simulation {
    /// Drops the launches of seats that became stable: the limit of launches does not hold for them.
    pub(super) fn forget_launches_of_the_stable(&mut self) {
        let stable = |of: &Incarnation| {
            self.fleet.members.get(of).is_some_and(|member| member.stable(STABLE, self.world.now))
        };
        let stable = self.fleet.seats.iter().filter(|(_, seat)| seat.occupant().iter().any(stable));
        for (id, _) in stable {
            self.launches.remove(id);
        }
    }

    /// Drops a launch that failed for a reason outside the replica: it does not count towards the limit.
    pub(super) fn forget_uncounted_launch(&mut self, event: &Event) {
        let Event::Launched { incarnation, result: Err(error) } = event else { return };
        let seat = self.fleet.members.get(incarnation).map(|member| member.launch.seat);
        let launches =
            seat.and_then(|seat| self.launches.get_mut(&seat)).filter(|_| is_outside_replica(error));
        launches.and_then(Vec::pop);
    }

    pub(super) fn check_action(&mut self, action: &Action) {
        let refuses = matches!(action, Action::Reply { result: Err(_), .. });
        assert!(self.halted == 0 || refuses, "an action after the end");
        let now = self.world.now;
        match action {
            Action::Launch(launch) => {
                assert!(self.fleet.lifecycle.is_active(), "launched while stopping");
                let of_seat = self.launches.entry(launch.seat).or_default();
                of_seat.push(now);
                let too_many = of_seat.windows(6).any(|six| six[5] < six[0] + 60 * SECOND);
                assert!(!too_many || self.world.external, "more than 5 launches");
            }
            Action::KillDead(incarnation) => {
                assert!(!self.world.routed(*incarnation), "killed, but the ring still routes to it");
                let dead = self.fleet.members.get(incarnation).map(|member| member.phase());
                assert_eq!(dead, Some(Phase::Dead), "killed, but not dead");
            }
            Action::Stop { incarnation, .. } if !self.fleet.lifecycle.is_stopping() => {
                assert!(!self.world.routed(*incarnation), "stopped, but the ring still routes to it");
                let drained = self.world.in_flight(*incarnation) == 0
                    || self.world.processes.get(incarnation).is_none_or(|process| !process.running);
                let left = self.world.left.get(incarnation);
                let cut_short = left.is_some_and(|left| now < *left + self.settings.drain);
                assert!(drained || !cut_short, "stopped, but requests are in flight");
            }
            Action::Ring { change: Change::Vacate(seat), .. } => {
                let occupant = self.world.ring.get(seat).copied().flatten().expect("an occupant");
                assert!(!self.world.well(occupant), "a healthy replica was killed");
                assert!(!self.world.busy(occupant), "a replica that answers requests was killed");
                if let Some(waited) = self.world.working_for(occupant) {
                    let most = self.settings.head_timeout.map(|most| most.max(self.settings.replace_after));
                    assert!(
                        most.is_some_and(|most| waited >= most),
                        "a replica that handles a request was killed: {waited:?}"
                    );
                }
            }
            Action::Reply { call, result } => {
                self.allowed.answered(*call, result.is_ok());
                let called = self.calls.remove(call).expect("a call that waits");
                match (called, result) {
                    (Call::Add(n), Ok(_)) => assert!(n <= self.settings.max_replicas),
                    (Call::Remove(named), Ok(answer)) => {
                        let stays = named.iter().find(|name| answer.replicas.contains(name));
                        assert_eq!(stays, None, "removed, but still listed");
                    }
                    (Call::Cordon(name), Ok(answer)) => {
                        assert!(!answer.replicas.contains(&name), "cordoned, but still listed");
                    }
                    (Call::Weigh | Call::Roll, Ok(_)) => {}
                    (Call::Uncordon | Call::Replace, Ok(answer)) => {
                        let (_, name) = answer.about.as_ref().expect("a seat and a replica");
                        assert!(answer.replicas.contains(name), "undrained, but not listed");
                    }
                    (Call::AddUpstream(name), Ok(answer)) => {
                        let listed = answer.replicas.contains(&name);
                        assert!(listed || answer.vacancy.is_some(), "added, neither listed nor vacant");
                    }
                    (Call::RemoveUpstream(name), Ok(answer)) => {
                        assert!(!answer.replicas.contains(&name), "removed, but listed");
                    }
                    (_, Err(_)) => {}
                }
            }
            Action::Publish(Transition { name: "rolling", progress, now: state, .. }) => {
                self.rolled = true; // its last launch may outlive it
                let Progress { done, total } = progress.expect("progress");
                assert!(done <= total && (*state != Some("done") || done == total), "{done} of {total}");
            }
            Action::Serving => {
                self.serving += 1;
                assert_eq!(self.serving, 1, "announced twice");
            }
            Action::Halted => self.halted += 1,
            _ => {}
        }
    }

    pub(super) fn check_state(&mut self) {
        let Fleet { seats, members, .. } = &self.fleet;
        let alive = |m: &&Member| matches!(m.phase(), Phase::Starting | Phase::Ready | Phase::Suspect);
        self.launches.retain(|seat, _| seats.contains_key(seat));
        for (id, seat) in seats {
            for of in seat.occupant().iter().chain(&seat.candidate()) {
                let Some(member) = members.get(of).filter(|m| alive(m)) else {
                    assert!(self.fleet.lifecycle.is_stopping(), "seat {id} is reserved by no call");
                    continue;
                };
                assert_eq!(member.launch.seat, *id, "in a seat that is not its own");
            }
            if let Some(member) = seat.cordoned().and_then(|of| members.get(&of)) {
                let outside =
                    matches!(member.phase(), Phase::Leaving | Phase::Draining) && member.is_cordoned();
                let dead = member.phase() == Phase::Dead;
                assert!(
                    outside || dead || self.fleet.lifecycle.is_stopping(),
                    "cordoned, but {}",
                    member.phase()
                );
                assert_eq!(seat.occupant(), None, "cordoned, but occupied");
                // A replacement that was under way at a close goes on, but its call was answered.
                let awaited = seat.is_awaited() || !self.fleet.lifecycle.is_active();
                assert!(seat.candidate().is_none() || awaited, "cordoned, but refilled");
            }
            assert!(
                seat.cordoned().is_none_or(|of| members.contains_key(&of))
                    || self.fleet.lifecycle.is_stopping(),
                "forgotten"
            );
            assert!(!seat.is_hung() || self.fleet.serving(seat).is_none(), "marked as hung, but serving");
            let outdated = seat.occupant().and_then(|of| members.get(&of)).is_none_or(Member::is_outdated);
            let external = seat.external.is_some(); // its server may move to another address
            let wanted =
                outdated || external || self.rolled || !self.fleet.lifecycle.is_active() || seat.is_awaited();
            assert!(wanted || seat.candidate().is_none(), "a candidate for an occupied seat");
        }
        for member in members.values().filter(alive) {
            let seat = seats.get(&member.launch.seat).expect("a living replica has a seat");
            let incarnation = Some(member.launch.incarnation);
            assert!(
                seat.occupant() == incarnation || seat.candidate() == incarnation,
                "surplus {incarnation:?}"
            );
        }
        for member in members.values().filter(|member| member.is_cordoned()) {
            let of = member.launch.incarnation;
            let seat = seats.get(&member.launch.seat);
            assert!(seat.is_some_and(|seat| seat.cordoned() == Some(of)), "cordoned without a seat {of:?}");
            assert!(!self.world.stopping(of), "cordoned and stopped {of:?}");
        }
        let draining =
            members.values().filter(|member| member.phase() == Phase::Draining && !member.is_cordoned());
        let idle = draining.map(|m| m.launch.incarnation).find(|of| self.world.idle(*of));
        assert_eq!(idle, None, "drains although no request is in flight");
        let holds = |m: &&Member| alive(m) || m.is_cordoned() || m.phase() == Phase::Leaving;
        let names = members.values().filter(holds).map(|member| member.launch.name.container());
        let mut seen = BTreeSet::new();
        // The addresses of an external server share its name.
        let unique = |name: String| assert!(seen.insert(name.clone()), "two replicas are called {name}");
        names.filter(|_| !self.world.external).for_each(unique);

        let weights = seats.iter().map(|(id, seat)| (*id, seat.weight())).collect();
        assert_eq!(self.settings.layout.check_room(&weights), Ok(()), "seats, the layout");
        let joined = seats.iter().filter(|(_, seat)| seat.joined());
        let occupants: BTreeMap<SeatId, Option<Incarnation>> =
            joined.map(|(id, seat)| (*id, seat.occupant())).collect();
        assert_eq!(occupants, self.world.ring, "the fleet's seats, the ring's");
        let view = self.fleet.view();
        assert_eq!(view.target, self.world.ring.len(), "target, seats in the ring");
        for seat in view.seats {
            let listed = seat.replica.filter(|m| matches!(m.phase, Phase::Ready | Phase::Suspect));
            let routed = self.world.ring[&seat.seat];
            assert!(listed.is_none_or(|member| routed == Some(member.incarnation)), "listed, not routed");
        }
    }

    /// Invariants of a world in which nothing goes wrong any more.
    pub(super) fn assert_whole(&self) {
        let Fleet { members, pending_changes, .. } = &self.fleet;
        let target = self.world.ring.len();
        assert_eq!(self.fleet.names().len(), target, "listed, target");
        assert_eq!(
            (members.len(), pending_changes.len(), self.calls.len()),
            (target, 0, 0),
            "members, pending_changes, calls"
        );
        assert_eq!(self.serving, 1, "announced");
        assert!(members.values().all(|member| member.phase() == Phase::Ready), "not all are ready");
        assert!(!members.values().any(Member::is_outdated), "outdated");
        assert!(self.fleet.manual_rollout.is_none(), "a rolling replacement does not end");
        if !self.world.external {
            assert!(members.keys().eq(self.world.processes.keys()), "processes of no replica");
        }
    }
}
