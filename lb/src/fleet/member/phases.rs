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
    /// Records why it was not heard by its last heartbeat.
    pub fn not_heard(&mut self, why: String) {
        if let State::Unheard { last_failure, .. } = &mut self.state {
            *last_failure = why;
        }
    }

    /// Why it is not ready; `None`: it has been heard, or does not start any more.
    pub fn not_heard_because(&self) -> Option<&str> {
        if let State::Unheard { last_failure, .. } = &self.state { Some(last_failure) } else { None }
    }

    /// Whether the time by which it must be heard has passed. True only once.
    pub fn take_late_start(&mut self, now: Instant) -> bool {
        let State::Unheard { deadline, .. } = &mut self.state else { return false };
        deadline.take_if(|at| *at <= now).is_some()
    }

    /// The balancer was starved: heartbeats of that time say nothing.
    pub fn postpone_start(&mut self, late: Duration) {
        if let State::Unheard { deadline: Some(deadline), .. } = &mut self.state {
            *deadline += late;
        }
    }

    /// The first good heartbeat.
    pub fn heard(&mut self) {
        if self.is_unheard() {
            self.state = State::Waiting;
        }
    }

    /// The ring is told to route to it.
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

    /// A suspect replica is heard again.
    pub fn recover(&mut self, actions: &mut Vec<Action>) {
        if matches!(self.state, State::Suspect) {
            self.enter(State::Ready, &"heartbeat", actions);
        }
    }

    /// The ring is told to take it out, or to give its seat away. The requests in flight of an earlier change still count.
    pub fn leave(&mut self, then: Then, why: &'static str, actions: &mut Vec<Action>) {
        if let State::Leaving { unanswered, then: before, .. } = &mut self.state {
            (*unanswered, *before) = (*unanswered + 1, then);
            return;
        }
        let in_flight = self.state.in_flight().map(std::mem::take).unwrap_or_default();
        self.enter(State::Leaving { unanswered: 1, in_flight, then }, &why, actions);
    }

    /// The ring has answered a change that takes it out: after the last one it drains, at most for `drain`, or stays
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

    /// A cordoned replica that was found at the start.
    pub fn adopt_cordoned(&mut self, actions: &mut Vec<Action>) {
        self.enter(State::Cordoned { in_flight: InFlight::default() }, &"drained before the start", actions);
    }

    /// Its cordon ends: the ring is told to route to it again. Heartbeats that it missed meanwhile do not count.
    pub fn uncordon(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.heartbeats.restart(now);
        self.enter(State::Joining, &"undrain", actions);
    }

    /// It has ended, refuses connections, hangs or did not get ready.
    pub fn die(&mut self, why: &dyn fmt::Display, actions: &mut Vec<Action>) {
        let routed = self.is_routed() || matches!(self.state, State::Leaving { .. });
        self.enter(State::Dead { routed }, why, actions);
    }

    /// The ring has taken it out after its death: no request can reach it.
    pub fn vacated(&mut self) {
        if let State::Dead { routed } = &mut self.state {
            *routed = false;
        }
    }

    /// It is to be stopped; returns whether it was not already.
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
