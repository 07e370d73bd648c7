//! Changes of a replica's state, from its first good heartbeat to its end: each change of its phase is logged and
//! published.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use crate::fleet::action::Action;
use crate::fleet::runtime::Launch;
use crate::fleet::state::{InFlight, State, Then};
use crate::fleet::{Phase, RouterId};

use super::Member;

impl Member {
    /// Records why its last heartbeat failed, if it has had no good one yet.
    pub fn heartbeat_failed(&mut self, why: String) {
        if let State::AwaitingHeartbeat { last_failure, .. } = &mut self.state {
            *last_failure = why;
        }
    }

    /// Why its last heartbeat failed; `None`: it has had a good one, or is not starting any more.
    pub fn last_failure(&self) -> Option<&str> {
        if let State::AwaitingHeartbeat { last_failure, .. } = &self.state {
            Some(last_failure)
        } else {
            None
        }
    }

    /// Whether the time by which it must have a good heartbeat has passed. Returns `true` only once.
    pub fn take_late_start(&mut self, now: Instant) -> bool {
        let State::AwaitingHeartbeat { deadline, .. } = &mut self.state else { return false };
        deadline.take_if(|at| *at <= now).is_some()
    }

    /// Extends the time for its first good heartbeat: the balancer was starved for `late`.
    pub fn postpone_start(&mut self, late: Duration) {
        if let State::AwaitingHeartbeat { deadline: Some(deadline), .. } = &mut self.state {
            *deadline += late;
        }
    }

    /// It has had its first good heartbeat.
    pub fn first_heartbeat(&mut self) {
        if self.awaits_first_heartbeat() {
            self.state = State::Waiting;
        }
    }

    /// The ring begins to route to it.
    pub fn join(&mut self) {
        if self.is_waiting() {
            self.state = State::Joining;
        }
    }

    /// Every router has acknowledged its seat; returns whether it was joining.
    pub fn ready(&mut self, now: Instant, actions: &mut Vec<Action>) -> bool {
        let joining = matches!(self.state, State::Joining);
        if joining {
            self.ready_since = Some(now);
            self.enter(State::Ready, &"heartbeat", actions);
        }
        joining
    }

    /// It has missed several heartbeats.
    pub fn suspect(&mut self, why: &dyn fmt::Display, actions: &mut Vec<Action>) {
        if matches!(self.state, State::Ready) {
            self.enter(State::Suspect, why, actions);
        }
    }

    /// A suspect replica has had a good heartbeat.
    pub fn recover(&mut self, actions: &mut Vec<Action>) {
        if matches!(self.state, State::Suspect) {
            self.enter(State::Ready, &"heartbeat", actions);
        }
    }

    /// The ring begins to remove it from its seat, or to give the seat to another replica. The requests in flight of an
    /// earlier change still count.
    pub fn leave(&mut self, then: Then, why: &'static str, actions: &mut Vec<Action>) {
        if let State::Leaving { unanswered, then: before, .. } = &mut self.state {
            (*unanswered, *before) = (*unanswered + 1, then);
            return;
        }
        let in_flight = self.state.in_flight().map(std::mem::take).unwrap_or_default();
        self.enter(State::Leaving { unanswered: 1, in_flight, then }, &why, actions);
    }

    /// The ring has answered a change that removes it: after the last one it drains, at most for `drain`, or stays
    /// cordoned.
    pub fn left(
        &mut self,
        busy: BTreeSet<RouterId>,
        drain: Duration,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        match &mut self.state {
            State::Dead { routed } => *routed = false,
            State::Leaving { unanswered, in_flight, then } => {
                in_flight.extend(busy);
                *unanswered -= 1;
                if *unanswered > 0 {
                    return;
                }
                let (in_flight, then) = (std::mem::take(in_flight), *then);
                let why = format!("busy_routers={}", in_flight.routers());
                let state = match then {
                    Then::Stop => State::Draining { in_flight, deadline: now + drain },
                    Then::Cordon => State::Cordoned { in_flight },
                };
                self.enter(state, &why, actions);
            }
            _ => {}
        }
    }

    /// The last request of a router to it has ended.
    pub fn idle(&mut self, router: RouterId) {
        if let Some(in_flight) = self.state.in_flight() {
            in_flight.ended(router);
        }
    }

    /// It was found at the start, and is cordoned by the record.
    pub fn adopt_cordoned(&mut self, actions: &mut Vec<Action>) {
        self.enter(State::Cordoned { in_flight: InFlight::default() }, &"drained before the start", actions);
    }

    /// Its cordon ends: the ring begins to route to it again. Heartbeats that it missed meanwhile do not count.
    pub fn uncordon(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.heartbeats.restart(now);
        self.enter(State::Joining, &"undrain", actions);
    }

    /// It has ended, refuses connections, hangs or did not get ready.
    pub fn die(&mut self, why: &dyn fmt::Display, actions: &mut Vec<Action>) {
        let routed = self.is_routed() || matches!(self.state, State::Leaving { .. });
        self.enter(State::Dead { routed }, why, actions);
    }

    /// The ring has removed it after its death: no request can reach it.
    pub fn vacated(&mut self) {
        if let State::Dead { routed } = &mut self.state {
            *routed = false;
        }
    }

    /// It begins to stop; returns `false` if it was stopping already.
    pub fn stop(&mut self, why: &dyn fmt::Display, actions: &mut Vec<Action>) -> bool {
        let first = !matches!(self.state, State::Stopping);
        if first {
            self.enter(State::Stopping, why, actions);
        }
        first
    }

    /// Changes the state, and logs and publishes the change of its phase: the only place that does so.
    fn enter(&mut self, state: State, why: &dyn fmt::Display, actions: &mut Vec<Action>) {
        let (was, phase) = (self.phase(), state.phase());
        self.state = state;
        let Launch { seat, name, incarnation } = &self.launch;
        let is_unpublished = self.process.is_unpublished();
        let level = match phase {
            _ if is_unpublished => log::Level::Debug,
            Phase::Dead | Phase::Suspect => log::Level::Warn,
            _ => log::Level::Info,
        };
        log::log!(level, name:%, seat:%, incarnation:%, was:%, why:%; "replica {phase}");
        if !is_unpublished {
            let (was, now) = (Some(was.as_str()), Some(phase.as_str()));
            actions.push(self.transition("phase", was, now, Some(why.to_string())));
        }
    }

    /// Logs the launch, and returns the action that publishes it.
    pub fn publish_launch(&self) -> Action {
        let Launch { seat, name, incarnation } = &self.launch;
        log::info!(name:%, seat:%, incarnation:%; "replica launched");
        self.transition("phase", None, Some(self.phase().as_str()), None)
    }
}
