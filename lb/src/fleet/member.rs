//! One replica as the fleet knows it: its phase and its heartbeats.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ring::Replica;
use crate::runtime::{Instance, Launch};

use super::action::Action;
use super::event::RouterId;

/// The first heartbeat after a launch; the pause doubles up to the interval.
pub(super) const FIRST_PROBE: Duration = Duration::from_millis(5);

/// Where a replica stands between its launch and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Launched; no good heartbeat yet, or not yet in the ring.
    Starting,
    /// In the ring and well.
    Ready,
    /// In the ring, but its heartbeats are missed.
    Suspect,
    /// Ended, refusing or hung; its seat is vacant or about to be.
    Dead,
    /// On its way out of the ring.
    Leaving,
    /// Out of the ring; requests may still be in flight. One that was drained by hand stays so.
    Draining,
    /// SIGTERM was sent.
    Stopping,
}

pub(super) struct Member {
    pub launch: Launch,
    pub phase: Phase,
    /// When we launched it; not known of what was adopted.
    pub launched_at: Option<Instant>,
    /// Since when it is ready, suspect or not.
    pub ready_since: Option<Instant>,
    pub instance: Option<Instance>,
    /// The engine has not answered the launch: it cannot be stopped yet.
    pub launching: bool,
    /// Whether a request may reach it: from `Join` or `Occupy` on, until `Vacate` is answered. (OnRingReply a `Leave` its
    /// phase tells.)
    pub routed: bool,
    /// Until when it has to be ready, while it starts.
    pub start_deadline: Option<Instant>,
    /// Until when it may finish what is in flight, while it drains.
    pub drain_deadline: Option<Instant>,
    /// Out of the ring, or on its way out, and to live on: drained by hand.
    pub kept: bool,
    /// Changes of the ring that take it out, or give its seat away, and are not answered.
    pub unanswered: u32,
    /// Routers that had requests in flight to it when it left the ring.
    pub busy: BTreeSet<RouterId>,
    /// Routers that have none any more; a notice may overtake the ring's answer.
    pub idle: BTreeSet<RouterId>,
    pub beats: Beats,
    /// Why it does not get ready, as its last heartbeat saw it.
    pub trouble: String,
    /// Whether its process may still exist.
    pub running: bool,
    /// Somebody else told it to end.
    pub terminated: bool,
    /// Its launch failed for a reason outside the replica.
    pub unavailable: bool,
    /// Its launch repeats one that failed for such a reason. It is neither logged nor told before it has another
    /// result: an outage may last for thousands of launches.
    pub repeated: bool,
    /// It was adopted, and today's replicas are made otherwise.
    pub outdated: bool,
}

/// The heartbeats of one replica.
pub(super) struct Beats {
    /// The next one; `None` while one is under way or none is wanted.
    pub next: Option<Instant>,
    /// When the one under way was sent.
    pub sent: Option<Instant>,
    /// The machine was starved while it was under way: a miss says nothing.
    pub void: bool,
    /// The pause after the one under way while it starts.
    pub pause: Duration,
    pub missed: u32,
    pub last_good: Instant,
    /// When the outcome of the latest heartbeat came.
    pub last_outcome: Instant,
    /// The routers and the runtime were asked about it and have not answered.
    pub asked: bool,
    /// When the routers last saw progress, as far as they were asked.
    pub progress: Option<Instant>,
    /// When it was last found busy: silent, while a request waited for the head of its reply.
    pub busy: Option<Instant>,
    /// When the runtime last said that it is not suspended.
    pub running: Option<Instant>,
    /// First good one seen (it may wait for others of its /add).
    pub good: bool,
}

impl Member {
    pub fn new(launch: Launch, now: Instant) -> Self {
        Self {
            launch,
            phase: Phase::Starting,
            launched_at: None,
            ready_since: None,
            instance: None,
            launching: true,
            routed: false,
            start_deadline: None,
            drain_deadline: None,
            kept: false,
            unanswered: 0,
            busy: BTreeSet::new(),
            idle: BTreeSet::new(),
            beats: Beats {
                next: None,
                sent: None,
                void: false,
                pause: FIRST_PROBE * 2,
                missed: 0,
                last_good: now,
                last_outcome: now,
                asked: false,
                progress: None,
                busy: None,
                running: None,
                good: false,
            },
            trouble: "no heartbeat was tried".to_owned(),
            running: true,
            terminated: false,
            unavailable: false,
            repeated: false,
            outdated: false,
        }
    }

    /// Changes the phase and says so: the one place where a transition is logged and `told`. A deadline belongs to a
    /// phase.
    pub fn enter(&mut self, phase: Phase, why: &dyn fmt::Display, told: &mut Vec<Action>) {
        (self.start_deadline, self.drain_deadline) = (None, None);
        let Launch { seat, name, incarnation } = &self.launch;
        let was = self.phase;
        self.phase = phase;
        if self.repeated && self.unavailable {
            log::debug!(
                "replica {phase} name={name} seat={seat} incarnation={incarnation} was={was} why={why}"
            );
            return;
        }
        told.push(self.tell("phase", Some(was.as_str()), Some(phase.as_str()), Some(why.to_string())));
        if phase == Phase::Dead || phase == Phase::Suspect {
            log::warn!(
                "replica {phase} name={name} seat={seat} incarnation={incarnation} was={was} why={why}"
            );
        } else {
            log::info!(
                "replica {phase} name={name} seat={seat} incarnation={incarnation} was={was} why={why}"
            );
        }
    }

    /// Logs that it was launched; returns the transition to tell.
    pub fn tell_launched(&self) -> Action {
        let Launch { seat, name, incarnation } = &self.launch;
        log::info!("replica launched name={name} seat={seat} incarnation={incarnation}");
        self.tell("phase", None, Some(self.phase.as_str()), None)
    }

    /// What the routers need to know of it; `None` before it has an address.
    pub fn replica(&self) -> Option<Arc<Replica>> {
        let Launch { seat, name, incarnation } = self.launch.clone();
        let address = self.instance.as_ref()?.address;
        Some(Arc::new(Replica { seat, name, incarnation, address }))
    }

    /// Whether it is on its way out and nothing hinders that it is stopped: no request is in flight, or none can end
    /// well.
    pub fn drained(&self) -> bool {
        self.phase == Phase::Draining && !self.kept && (self.busy.is_subset(&self.idle) || !self.running)
    }

    /// Whether heartbeats are sent to it.
    pub fn watched(&self) -> bool {
        let alive = matches!(self.phase, Phase::Starting | Phase::Ready | Phase::Suspect);
        self.instance.is_some() && (alive || self.kept)
    }

    /// Whether it was ready for so long that its death begins a new count.
    pub fn stable(&self, ready_for: Duration, now: Instant) -> bool {
        self.ready_since.is_some_and(|since| now >= since + ready_for)
    }

    pub fn next_wake(&self) -> Option<Instant> {
        let beat = self.beats.next.filter(|_| self.watched());
        [beat, self.start_deadline, self.drain_deadline].into_iter().flatten().min()
    }
}

impl Beats {
    /// Since when nothing has shown that the replica works: no good heartbeat, no progress.
    pub fn quiet_since(&self) -> Instant {
        self.progress.map_or(self.last_good, |progress| progress.max(self.last_good))
    }

    /// Since when it has been neither heard nor busy.
    pub fn idle_since(&self) -> Instant {
        self.busy.map_or(self.quiet_since(), |busy| busy.max(self.quiet_since()))
    }
}

impl Phase {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Suspect => "suspect",
            Self::Dead => "dead",
            Self::Leaving => "leaving",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
