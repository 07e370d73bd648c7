//! One replica: its phase and its heartbeats.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::fleet::runtime::{Instance, Launch};
use crate::ring::Replica;

use super::RouterId;
use super::action::Action;

/// Delay of the first heartbeat after a launch; it doubles with each attempt up to the heartbeat interval.
pub(super) const FIRST_PROBE: Duration = Duration::from_millis(5);

/// Phase of a replica between its launch and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Launched; it has had no good heartbeat, or is not yet in the ring.
    Starting,
    /// In the ring, and its heartbeats are good.
    Ready,
    /// In the ring, but it has missed heartbeats.
    Suspect,
    /// Ended, refusing connections or hung; its seat is vacant or about to be.
    Dead,
    /// On its way out of the ring.
    Leaving,
    /// Out of the ring; requests may still be in flight. A cordoned replica stays in this phase.
    Draining,
    /// SIGTERM was sent.
    Stopping,
}

pub(super) struct Member {
    pub launch: Launch,
    pub phase: Phase,
    /// Time of the launch; `None` for an adopted replica.
    pub launched_at: Option<Instant>,
    /// Time since when it is ready or suspect; `None`: not yet.
    pub ready_since: Option<Instant>,
    pub instance: Option<Instance>,
    /// The engine has not answered the launch: the replica cannot be stopped yet.
    pub launching: bool,
    /// Whether a request may reach it: from `Join` or `Occupy` until `Vacate` is answered. After a `Leave` the phase
    /// tells the same.
    pub routed: bool,
    /// Time by which it must be ready, while it starts.
    pub start_deadline: Option<Instant>,
    /// Time by which its requests in flight must end, while it drains.
    pub drain_deadline: Option<Instant>,
    /// Cordoned: out of the ring or on its way out, and kept alive.
    pub cordoned: bool,
    /// Unanswered changes of the ring that take it out or give its seat away.
    pub unanswered: u32,
    /// Routers that had requests in flight to it when it left the ring.
    pub busy: BTreeSet<RouterId>,
    /// Routers that have none any more. A set of its own, because a notice may overtake the ring's answer.
    pub idle: BTreeSet<RouterId>,
    pub heartbeats: Heartbeats,
    /// Why it is not ready, by its last heartbeat.
    pub last_failure: String,
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

/// The heartbeats of one replica.
pub(super) struct Heartbeats {
    /// Time of the next one; `None` while one is under way or none is needed.
    pub next: Option<Instant>,
    /// When the one under way was sent.
    pub sent: Option<Instant>,
    /// The machine was starved while it was under way: a miss says nothing.
    pub void: bool,
    /// Pause after the one under way, while the replica starts.
    pub pause: Duration,
    pub missed: u32,
    pub last_good: Instant,
    /// Time of the latest outcome.
    pub last_outcome: Instant,
    /// An inquiry to the routers and the runtime is unanswered.
    pub asked: bool,
    /// Latest progress that the routers reported; `None`: none, or not asked.
    pub progress: Option<Instant>,
    /// When it was last found busy: silent, while a request waited for its reply head.
    pub busy: Option<Instant>,
    /// When the runtime last reported that it is not suspended.
    pub running: Option<Instant>,
    /// Whether a first good one was seen (the replica may still wait for others of its /add).
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
            cordoned: false,
            unanswered: 0,
            busy: BTreeSet::new(),
            idle: BTreeSet::new(),
            heartbeats: Heartbeats {
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
            last_failure: "no heartbeat was tried".to_owned(),
            running: true,
            terminated: false,
            unavailable: false,
            repeated: false,
            outdated: false,
        }
    }

    /// Changes the phase, and logs and publishes the transition: the only place that does so. Clears the deadlines,
    /// because each belongs to a phase.
    pub fn enter(&mut self, phase: Phase, why: &dyn fmt::Display, actions: &mut Vec<Action>) {
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
        actions.push(self.transition(
            "phase",
            Some(was.as_str()),
            Some(phase.as_str()),
            Some(why.to_string()),
        ));
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

    /// Logs the launch, and returns the action that publishes it.
    pub fn publish_launch(&self) -> Action {
        let Launch { seat, name, incarnation } = &self.launch;
        log::info!("replica launched name={name} seat={seat} incarnation={incarnation}");
        self.transition("phase", None, Some(self.phase.as_str()), None)
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
        self.phase == Phase::Draining && !self.cordoned && (self.busy.is_subset(&self.idle) || !self.running)
    }

    /// Whether it was adopted and has not had a good heartbeat since.
    pub fn is_unheard_adopted(&self) -> bool {
        self.phase == Phase::Starting && self.launched_at.is_none() && !self.heartbeats.good
    }

    /// Whether heartbeats are sent to it.
    pub fn watched(&self) -> bool {
        let alive = matches!(self.phase, Phase::Starting | Phase::Ready | Phase::Suspect);
        self.instance.is_some() && (alive || self.cordoned)
    }

    /// Whether it was ready for at least `ready_for`, so that its death does not count as part of a crash loop.
    pub fn stable(&self, ready_for: Duration, now: Instant) -> bool {
        self.ready_since.is_some_and(|since| now >= since + ready_for)
    }

    pub fn next_wake(&self) -> Option<Instant> {
        let beat = self.heartbeats.next.filter(|_| self.watched());
        [beat, self.start_deadline, self.drain_deadline].into_iter().flatten().min()
    }
}

impl Heartbeats {
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
    /// The name of the phase, as in the API and the log.
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
