//! From the launch to `ready`: the first good heartbeat gives the replica its seat, and the ring's answer makes it ready.

use std::time::Instant;

use crate::ring::{Change, Incarnation};

use super::action::Action;
use super::on_ring_reply::OnRingReply;
use super::seat::Occupancy;
use super::{Fleet, Ownership};

impl Fleet {
    /// A starting replica has not answered a heartbeat. That is normal for a managed one; if it was adopted, an inquiry
    /// finds out whether it is suspended. For an external one the next address is tried.
    pub(super) fn start_heartbeat_failed(&mut self, incarnation: Incarnation, why: String, now: Instant) {
        match self.settings.ownership {
            Ownership::External => self.mark_dead(incarnation, &why, now),
            Ownership::Managed => {
                let Some(member) = self.members.get_mut(&incarnation) else { return };
                member.heartbeat_failed(why);
                if member.is_adopted_unready() && member.heartbeats.begin_inquiry() {
                    self.actions.push(Action::Inquire(incarnation));
                }
            }
        }
    }

    /// A heartbeat of a starting replica failed because the balancer lacked resources. Another address of an external
    /// server may be reachable nevertheless; if it has only one, this one is tried again.
    pub(super) fn start_heartbeat_void(&mut self, incarnation: Incarnation, why: String, now: Instant) {
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        member.heartbeat_failed(why.clone());
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

    /// The last output line of a replica that did not get ready in time has been read.
    pub(super) fn last_log_line(&mut self, incarnation: Incarnation, line: Option<String>, now: Instant) {
        let Some(member) = self.members.get(&incarnation) else { return };
        let Some(failure) = member.last_failure() else { return };
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
        member.first_heartbeat();
        let took = member.age(now);
        self.start_duration = took.or(self.start_duration);
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

    /// Every router has acknowledged the seat of the replica.
    pub(super) fn ready(&mut self, incarnation: Incarnation, now: Instant) {
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        if member.ready(now, &mut self.actions)
            && let Some(seat) = self.seats.get_mut(&member.launch.seat)
        {
            seat.clear_failures();
        }
    }
}
