//! From the launch to `ready`: the first good heartbeat gives the replica its seat, and the ring's answer makes it ready.

use std::time::Instant;

use crate::ring::{Change, Incarnation};

use super::action::Action;
use super::on_ring_reply::OnRingReply;
use super::seat::Occupancy;
use super::{Fleet, Ownership};

impl Fleet {
    /// A starting replica did not answer. That is normal for a managed one, unless it was adopted and is suspended: the
    /// runtime is asked. For an external one the next address is tried.
    pub(super) fn start_heartbeat_failed(&mut self, incarnation: Incarnation, why: String, now: Instant) {
        match self.settings.ownership {
            Ownership::External => self.mark_dead(incarnation, &why, now),
            Ownership::Managed => {
                let Some(member) = self.members.get_mut(&incarnation) else { return };
                member.not_heard(why);
                if member.is_unheard_adopted() && member.heartbeats.begin_inquiry() {
                    self.actions.push(Action::Inquire(incarnation));
                }
            }
        }
    }

    /// A starting replica was not reached for a reason of the balancer's own. Another address of an external server may
    /// be reachable all the same; if there is none, this one is tried again.
    pub(super) fn start_heartbeat_void(&mut self, incarnation: Incarnation, why: String, now: Instant) {
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        member.not_heard(why.clone());
        let Some(seat) = self.seats.get_mut(&member.launch.seat) else { return };
        let Some(external) = &seat.external else { return };
        if external.has_several_addresses() {
            return self.mark_dead(incarnation, &why, now);
        }
        if seat.occupant().is_none() {
            let at = member.address().map(|address| format!("{address}: "));
            seat.record_failure(&format!("{}{why}", at.unwrap_or_default()));
        }
    }

    /// A replica did not get ready in time. Its last output line is fetched first, because the error of the waiting
    /// call contains it.
    pub(super) fn expire_starts(&mut self, now: Instant) {
        for member in self.members.values_mut() {
            if member.take_late_start(now) {
                self.actions.push(Action::ReadLastLogLine(member.launch.incarnation));
            }
        }
    }

    pub(super) fn last_log_line(&mut self, incarnation: Incarnation, line: Option<String>, now: Instant) {
        let Some(member) = self.members.get(&incarnation) else { return };
        let Some(failure) = member.not_heard_because() else { return };
        let mut why = format!("not ready within {:?}: {failure}", self.settings.start_timeout);
        if let Some(line) = line {
            why += &format!("; its last line: {line}");
        }
        self.mark_dead(incarnation, &why, now);
    }

    /// The first good heartbeat: the replica joins the ring alone, with all replicas of its /add, or in the place of
    /// an outdated one.
    pub(super) fn first_good_heartbeat(&mut self, incarnation: Incarnation, now: Instant) {
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        member.heard();
        let took = member.age(now);
        self.start_time = took.or(self.start_time);
        took.into_iter().for_each(|took| self.counters.ready(took));
        let Some(seat) = self.seats.get_mut(&member.launch.seat) else { return };
        if let Some(call) = seat.reserved_by() {
            return self.join_when_all_good(call);
        }
        let Some(replica) = member.replica() else { return };
        member.join();
        match seat.occupy(incarnation) {
            Occupancy::Occupied(served) => self.hand_over(served, replica, now),
            Occupancy::Cordoned(cordoned) => self.hand_over_cordoned(cordoned, replica),
            Occupancy::Vacant | Occupancy::Reserved(_) => {
                self.change_ring(Change::Occupy(replica), OnRingReply::Occupied(incarnation));
            }
        }
    }

    pub(super) fn ready(&mut self, incarnation: Incarnation, now: Instant) {
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        if member.ready(now, &mut self.actions)
            && let Some(seat) = self.seats.get_mut(&member.launch.seat)
        {
            seat.clear_failures();
        }
    }
}
