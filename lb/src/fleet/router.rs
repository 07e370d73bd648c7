//! The types that the fleet and the routers exchange, and what follows the notices of a router.

use std::time::Instant;

use crate::ring::{Incarnation, Replica};

use super::action::Action;
use super::{Fleet, Transition};

/// Number of a router (one per HTTP worker).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouterId(pub u64);

/// The routers that still have requests in flight to a replica that has left the ring.
pub type Busy = Vec<(RouterId, Incarnation)>;

/// What the routers observe of a replica.
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
    pub(super) fn on_router_event(&mut self, router: RouterId, event: RouterEvent, now: Instant) {
        match event {
            RouterEvent::Idle(incarnation) => self.idle(router, incarnation),
            RouterEvent::Ejected(incarnation) => self.suspected(router, incarnation, now),
            RouterEvent::Readmitted(incarnation) => self.publish_ejection("readmitted", router, incarnation),
            RouterEvent::NotRepeated { replica, method } => {
                let RouterId(router) = router;
                let why = format!("replicas were lost under a {method} request; router={router}");
                self.actions.push(Action::Tell(Transition {
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
}
