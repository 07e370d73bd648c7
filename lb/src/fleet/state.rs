//! State of a replica: each phase with the data that is valid in it only.

use std::collections::BTreeSet;
use std::time::Instant;

use super::{Phase, RouterId};

#[derive(Debug)]
pub(super) enum State {
    /// It was launched or adopted, and has had no good heartbeat.
    AwaitingHeartbeat {
        /// Time by which it must have a good heartbeat; `None`: that time has passed, or there is no limit (an external
        /// server).
        deadline: Option<Instant>,
        /// Why its last heartbeat failed.
        last_failure: String,
    },
    /// It has had a good heartbeat, and waits for the other replicas of its /add.
    Waiting,
    /// The ring begins to route to it: `Join` or `Occupy` is unanswered.
    Joining,
    Ready,
    Suspect,
    /// The ring removes it from its seat, or gives the seat to another replica.
    Leaving {
        /// Number of such changes of the ring that are unanswered, at least one.
        unanswered: u32,
        in_flight: InFlight,
        then: Then,
    },
    /// It is out of the ring, and is stopped when its requests have ended.
    Draining {
        in_flight: InFlight,
        /// Time at which it is stopped although requests are in flight.
        deadline: Instant,
    },
    /// It is out of the ring, and is kept alive.
    Cordoned {
        in_flight: InFlight,
    },
    /// SIGTERM was sent, or will be once the launch is answered.
    Stopping,
    /// Its seat is vacant.
    Dead {
        /// Whether a request may still reach it: the ring has not answered the change that removes it.
        routed: bool,
    },
}

/// What follows when a leaving replica is out of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// It drains and is stopped.
    Stop,
    /// It is cordoned.
    Cordon,
}

/// The requests in flight to a replica when it left the ring.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    /// Routers that had such requests.
    busy: BTreeSet<RouterId>,
    /// Routers whose last request has ended. They are not removed from `busy`, because their notice may arrive before the
    /// ring's answer adds them there.
    idle: BTreeSet<RouterId>,
}

impl InFlight {
    /// Adds routers that have requests in flight.
    pub fn extend(&mut self, busy: BTreeSet<RouterId>) {
        self.busy.extend(busy);
    }

    /// The last request of a router has ended.
    pub fn ended(&mut self, router: RouterId) {
        self.idle.insert(router);
    }

    /// Number of routers that still have requests in flight.
    pub fn routers(&self) -> usize {
        self.busy.difference(&self.idle).count()
    }
}

impl State {
    /// The phase that the API and the log show.
    pub fn phase(&self) -> Phase {
        match self {
            Self::AwaitingHeartbeat { .. } | Self::Waiting | Self::Joining => Phase::Starting,
            Self::Ready => Phase::Ready,
            Self::Suspect => Phase::Suspect,
            Self::Leaving { .. } => Phase::Leaving,
            Self::Draining { .. } | Self::Cordoned { .. } => Phase::Draining,
            Self::Stopping => Phase::Stopping,
            Self::Dead { .. } => Phase::Dead,
        }
    }

    /// Whether it is cordoned, or is about to be.
    pub fn is_cordoned(&self) -> bool {
        matches!(self, Self::Cordoned { .. } | Self::Leaving { then: Then::Cordon, .. })
    }

    /// Whether a request may reach it by the present seats: from `Join` or `Occupy` until `Vacate` is answered.
    pub fn is_routed(&self) -> bool {
        matches!(self, Self::Joining | Self::Ready | Self::Suspect | Self::Dead { routed: true })
    }

    /// The requests in flight to it, if it leaves or has left the ring.
    pub fn in_flight(&mut self) -> Option<&mut InFlight> {
        match self {
            Self::Leaving { in_flight, .. }
            | Self::Draining { in_flight, .. }
            | Self::Cordoned { in_flight } => Some(in_flight),
            _ => None,
        }
    }
}
