//! One replica: what it is, and the changes of its state.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::fleet::runtime::{Instance, Launch};
use crate::ring::Replica;

use super::action::Action;
use super::heartbeats::Heartbeats;
use super::state::{InFlight, State, Then};
use super::{Phase, RouterId};

pub(super) struct Member {
    pub launch: Launch,
    state: State,
    /// Time of the launch; `None` for an adopted replica.
    pub launched_at: Option<Instant>,
    /// Time since when it is ready or suspect; `None`: not yet.
    pub ready_since: Option<Instant>,
    pub instance: Option<Instance>,
    /// The engine has not answered the launch: the replica cannot be stopped yet.
    pub launching: bool,
    pub heartbeats: Heartbeats,
    /// Whether its process may still exist.
    pub running: bool,
    /// It got a SIGTERM that the balancer did not send.
    pub terminated: bool,
    /// Its launch failed for a reason outside the replica.
    pub unavailable: bool,
    /// Its launch repeats one that failed for a reason outside the replica. It is neither logged nor published before
    /// it has another result: an outage may last for thousands of launches.
    pub repeated: bool,
    /// It was adopted, and its specification differs from the present one.
    pub outdated: bool,
}

impl Member {
    /// A replica whose launch is not answered. `deadline`: the time by which it must be heard, if there is one.
    pub fn new(launch: Launch, deadline: Option<Instant>, now: Instant) -> Self {
        Self {
            launch,
            state: State::Unheard { deadline, last_failure: "no heartbeat was tried".to_owned() },
            launched_at: None,
            ready_since: None,
            instance: None,
            launching: true,
            heartbeats: Heartbeats::new(now),
            running: true,
            terminated: false,
            unavailable: false,
            repeated: false,
            outdated: false,
        }
    }

    pub fn phase(&self) -> Phase {
        self.state.phase()
    }

    pub fn is_cordoned(&self) -> bool {
        self.state.is_cordoned()
    }

    /// Whether a request may reach it by the present seats: from `Join` or `Occupy` until `Vacate` is answered.
    pub fn is_routed(&self) -> bool {
        self.state.is_routed()
    }

    /// Whether it has had no good heartbeat since its launch or adoption.
    pub fn is_unheard(&self) -> bool {
        matches!(self.state, State::Unheard { .. })
    }

    /// Whether it has been heard, and waits for the other replicas of its /add.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting)
    }

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

    /// The ring gets the change that routes to it.
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

    /// The ring gets the change that takes it out, or that gives its seat away. The requests in flight of an earlier change still count.
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

    /// Its cordon ends: the ring gets the change that routes to it again. Heartbeats that it missed meanwhile do not count.
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

    /// Takes a replica that had ended before it was found.
    pub fn found_dead(&mut self) {
        self.state = State::Dead { routed: false };
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
        let is_unpublished = self.repeated && self.unavailable;
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

    /// The replica as the routers need it; `None` before it has an address.
    pub fn replica(&self) -> Option<Arc<Replica>> {
        let Launch { seat, name, incarnation } = self.launch.clone();
        let address = self.instance.as_ref()?.address;
        Some(Arc::new(Replica { seat, name, incarnation, address }))
    }

    /// Whether it is draining and may be stopped: no request is in flight, or its process has ended, so that none can
    /// succeed.
    pub fn is_drained(&self) -> bool {
        let State::Draining { in_flight, .. } = &self.state else { return false };
        in_flight.routers() == 0 || !self.running
    }

    /// Whether it has drained for too long.
    pub fn is_drain_over(&self, now: Instant) -> bool {
        matches!(self.state, State::Draining { deadline, .. } if deadline <= now)
    }

    /// Whether it was adopted and has not had a good heartbeat since.
    pub fn is_unheard_adopted(&self) -> bool {
        self.is_unheard() && self.launched_at.is_none()
    }

    /// Whether heartbeats are sent to it.
    pub fn watched(&self) -> bool {
        let alive = matches!(self.phase(), Phase::Starting | Phase::Ready | Phase::Suspect);
        self.instance.is_some() && (alive || self.is_cordoned())
    }

    /// Whether it was ready for at least `ready_for`, so that its death does not count as part of a crash loop.
    pub fn stable(&self, ready_for: Duration, now: Instant) -> bool {
        self.ready_since.is_some_and(|since| now >= since + ready_for)
    }

    pub fn next_wake(&self) -> Option<Instant> {
        let beat = self.heartbeats.next().filter(|_| self.watched());
        let deadline = match self.state {
            State::Unheard { deadline, .. } => deadline,
            State::Draining { deadline, .. } => Some(deadline),
            _ => None,
        };
        [beat, deadline].into_iter().flatten().min()
    }
}
