//! The types that the fleet and the routers exchange, and the consequences of the notices of a router.

use std::time::Instant;

use crate::ring::{Incarnation, Replica};

use super::action::Action;
use super::{Fleet, Transition};

/// Number of a router (one per HTTP worker).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouterId(pub u64);

/// The routers that still have requests in flight to a replica that has left the ring.
pub type Busy = Vec<(RouterId, Incarnation)>;

/// Activity of a replica as the routers observe it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Progress: when a reply head, or a byte of a body or of a tunnel in either direction, last moved; `None`: never.
    pub last_progress: Option<Instant>,
    /// The start of the oldest request that waits for the head of its reply; `None`: no request waits. While one waits,
    /// a request that has reached `--head-timeout` counts too, until there is progress again.
    pub waiting_since: Option<Instant>,
}

/// A notice of a router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouterEvent {
    /// The last request to a replica that has left the ring has ended.
    Idle(Incarnation),
    /// A replica was ejected because of its failures. The next heartbeat of the replica is sent at once.
    Ejected(Incarnation),
    /// An ejected replica gets requests again.
    Readmitted(Incarnation),
    /// A request is not repeated any more, because replicas were lost under it.
    NotRepeated {
        /// The replica of the last attempt.
        replica: Replica,
        /// The method of the request. The target is left out, because it may contain the key.
        method: String,
    },
}

impl Activity {
    /// Combines the observations of two routers.
    pub fn merge(self, other: Self) -> Self {
        let waiting = [self.waiting_since, other.waiting_since];
        Self {
            last_progress: self.last_progress.max(other.last_progress),
            waiting_since: waiting.into_iter().flatten().min(),
        }
    }
}

impl Fleet {
    /// A router has sent a notice.
    pub(super) fn on_router_event(&mut self, router: RouterId, event: RouterEvent, now: Instant) {
        match event {
            RouterEvent::Idle(incarnation) => self.idle(router, incarnation),
            RouterEvent::Ejected(incarnation) => self.ejected(router, incarnation, now),
            RouterEvent::Readmitted(incarnation) => self.readmitted(router, incarnation),
            RouterEvent::NotRepeated { replica, method } => {
                let RouterId(router) = router;
                let why = format!("replicas were lost under a {method} request; router={router}");
                self.actions.push(Action::Publish(Transition {
                    name: "not_repeated",
                    seat: replica.seat,
                    replica: Some(replica.name),
                    incarnation: Some(replica.incarnation),
                    was: None,
                    now: None,
                    why: Some(why),
                    progress: None,
                }));
            }
        }
    }

    /// A router has ejected a replica: brings its next heartbeat forward. One that is under way is enough.
    fn ejected(&mut self, router: RouterId, incarnation: Incarnation, now: Instant) {
        self.publish_ejection("ejected", router, incarnation);
        if let Some(member) = self.members.get_mut(&incarnation) {
            member.heartbeats.bring_forward(now);
        }
    }

    /// A router has readmitted a replica: this is published, and nothing else follows.
    fn readmitted(&mut self, router: RouterId, incarnation: Incarnation) {
        self.publish_ejection("readmitted", router, incarnation);
    }

    /// Publishes the begin (`ejected`) or the end (`readmitted`) of an ejection by a router.
    fn publish_ejection(&mut self, name: &'static str, router: RouterId, incarnation: Incarnation) {
        let Some(member) = self.members.get(&incarnation) else { return };
        let phase = Some(member.phase().as_str());
        let why = Some(format!("router={}", router.0));
        self.actions.push(member.transition(name, phase, phase, why));
    }
}
