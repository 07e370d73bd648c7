//! Departure of a replica: leaving, draining, stopping, gone.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::ring::Incarnation;

use super::action::Action;
use super::{Fleet, Ownership, RouterId};

impl Fleet {
    /// Called when no new request can reach the replica: it is stopped once its requests in flight have ended, unless
    /// it is cordoned.
    pub(super) fn drain(&mut self, incarnation: Incarnation, busy: BTreeSet<RouterId>, now: Instant) {
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        member.left(busy, self.settings.drain, now, &mut self.actions);
    }

    /// The last request of a router to the replica has ended ([`RouterEvent::Idle`](super::RouterEvent::Idle)).
    pub(super) fn idle(&mut self, router: RouterId, incarnation: Incarnation) {
        if let Some(member) = self.members.get_mut(&incarnation) {
            member.idle(router);
        }
    }

    /// Stops replicas that have drained, or whose drain deadline has passed.
    pub(super) fn end_drains(&mut self, now: Instant) {
        let ended: Vec<(Incarnation, bool)> = self
            .members
            .values()
            .filter(|member| member.is_drained() || member.is_drain_over(now))
            .map(|member| (member.launch.incarnation, member.is_drained()))
            .collect();
        for (incarnation, drained) in ended {
            if !drained {
                log::warn!(incarnation:%, why = "deadline"; "drain cut short");
            }
            self.stop(incarnation, self.settings.stop_timeout);
        }
    }

    /// Sends SIGTERM, and SIGKILL after `grace`; a launch that the engine has not answered is stopped when it is. An
    /// external server is only forgotten.
    pub(super) fn stop(&mut self, incarnation: Incarnation, grace: Duration) {
        if self.settings.ownership == Ownership::External {
            return self.release_external(incarnation);
        }
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        let first = member.stop(&format_args!("grace_ms={}", grace.as_millis()), &mut self.actions);
        if first && !member.is_launching() {
            self.actions.push(Action::Stop { incarnation, grace });
        }
    }

    /// The runtime has stopped a replica ([`Event::Stopped`](super::Event::Stopped)): it is removed from the fleet.
    pub(super) fn stopped(&mut self, incarnation: Incarnation) {
        if let Some(member) = self.members.remove(&incarnation) {
            log::info!(name:% = member.launch.name, incarnation:%; "replica gone");
            self.actions.push(member.transition("phase", Some(member.phase().as_str()), None, None));
        }
    }
}
