//! Heartbeats: their results decide when a replica is ready, suspect or dead.

use std::time::Instant;

use crate::ring::Incarnation;

use super::action::Action;
use super::member::Member;
use super::{Activity, Fleet, HeartbeatResult, Ownership, Phase, Settings};

/// The suspect replicas as published to the routers.
#[derive(Default)]
pub(super) struct Suspects {
    /// The list that was last published.
    published: Vec<Incarnation>,
    /// A suspect replica has missed another heartbeat: the list is published again.
    remind: bool,
    /// Time at which the list was last published; `None`: never.
    published_at: Option<Instant>,
}

impl Fleet {
    /// An event that comes much later than the requested wake-up means a starved machine or a stepped clock: the
    /// heartbeats of that time, and the activity that the routers reported in it, prove nothing about the replicas.
    pub(super) fn void_late_heartbeats(&mut self, now: Instant) {
        let Some(late) = self.due.map(|due| now.saturating_duration_since(due)) else { return };
        if late <= self.settings.heartbeat_interval / 2 {
            return;
        }
        log::warn!(late_ms:% = late.as_millis(), why = "starved"; "heartbeats void");
        for member in self.members.values_mut() {
            member.heartbeats.void(late);
            member.postpone_start(late);
        }
    }

    /// Sends the heartbeats that are due.
    pub(super) fn send_due_heartbeats(&mut self, now: Instant) {
        for member in self.members.values_mut().filter(|member| member.watched()) {
            if let Some(replica) = member.replica()
                && member.heartbeats.send_if_due(now)
            {
                self.actions.push(Action::Heartbeat(replica));
            }
        }
    }

    /// A heartbeat has been answered, or has failed. Its result changes the phase of the replica.
    pub(super) fn heartbeat_ended(
        &mut self,
        incarnation: Incarnation,
        result: HeartbeatResult,
        now: Instant,
    ) {
        let interval = self.settings.heartbeat_interval;
        let Some(member) = self.members.get_mut(&incarnation).filter(|member| member.watched()) else {
            return;
        };
        let starting = member.awaits_first_heartbeat();
        let heartbeats = &mut member.heartbeats;
        let ended = heartbeats.end(now);
        self.counters.heartbeat(&result, starting, ended.void);
        if starting && result != HeartbeatResult::Good {
            heartbeats.plan_retry(interval, now);
        } else {
            heartbeats.plan(&ended, interval, now);
        }
        match result {
            HeartbeatResult::Good => {
                heartbeats.good(now);
                member.recover(&mut self.actions);
                if starting {
                    self.first_good_heartbeat(incarnation, now);
                }
            }
            HeartbeatResult::Refused if !starting => {
                self.mark_dead(incarnation, &"it refuses connections", now)
            }
            HeartbeatResult::Refused => {
                self.start_heartbeat_failed(incarnation, "it refuses connections".to_owned(), now)
            }
            HeartbeatResult::Void(why) if starting => self.start_heartbeat_void(incarnation, why, now),
            HeartbeatResult::Void(_) => heartbeats.skip(&ended, now),
            HeartbeatResult::Missed(why) if starting => self.start_heartbeat_failed(incarnation, why, now),
            HeartbeatResult::Missed(_) if ended.void => {}
            HeartbeatResult::Missed(why) => {
                if heartbeats.miss() >= self.settings.heartbeat_failures {
                    member.suspect(&why, &mut self.actions);
                }
                self.inquire_if_suspect(incarnation);
            }
        }
    }

    /// A replica in the ring has missed another heartbeat. Each one of a suspect replica begins an inquiry to the routers
    /// and the runtime: the replica may have become busy or suspended, or have stopped being either.
    fn inquire_if_suspect(&mut self, incarnation: Incarnation) {
        let suspect = |member: &&mut Member| member.phase() == Phase::Suspect;
        let Some(member) = self.members.get_mut(&incarnation).filter(suspect) else { return };
        self.suspects.remind = true;
        if member.heartbeats.begin_inquiry() {
            self.actions.push(Action::Inquire(incarnation));
        }
    }

    /// Decides about a silent replica:
    /// - suspended for `replace_after`: it hangs, even if the routers observe activity;
    /// - progress within `replace_after`: it works;
    /// - a request has waited for its reply head for less than `head_timeout` since the last sign of life: it is busy;
    /// - otherwise it hangs `replace_after` after the last good heartbeat, progress, or inquiry that found it busy.
    pub(super) fn inquiry_ended(
        &mut self,
        incarnation: Incarnation,
        activity: Option<Activity>,
        suspended: Option<bool>,
        now: Instant,
    ) {
        let Settings { replace_after, head_timeout, .. } = self.settings;
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        let is_valid = member.heartbeats.end_inquiry();
        let adopted_unready = member.is_adopted_unready();
        if !is_valid || member.phase() != Phase::Suspect && !adopted_unready {
            return;
        }
        let heartbeats = &mut member.heartbeats;
        let since = |at: Instant| now.saturating_duration_since(at);
        let no_heartbeat = format!("no heartbeat for {} ms", since(heartbeats.last_good()).as_millis());
        if suspended == Some(true) {
            if since(heartbeats.suspended_since()) >= replace_after {
                let why = format!("it is stopped or paused, {no_heartbeat}");
                match adopted_unready {
                    true => self.mark_dead(incarnation, &why, now), // it serves no seat
                    false => self.hung(incarnation, &why, now),
                }
            }
            return;
        }
        // `None` while the engine does not answer: this does not prove that the replica runs.
        if suspended == Some(false) {
            heartbeats.found_running(now);
        }
        if adopted_unready {
            return; // it has `start_timeout`
        }
        // A router that does not answer in time is a fault of the balancer, not of the replica.
        let Some(Activity { last_progress, waiting_since }) = activity else { return };
        heartbeats.found_progress(last_progress);
        let quiet_since = heartbeats.quiet_since();
        let waited = waiting_since.map(|at| since(at.max(quiet_since)));
        if waited.is_some_and(|waited| head_timeout.is_none_or(|most| waited < most)) {
            if heartbeats.found_busy(now) {
                log::info!(name:% = member.launch.name, why = "a_request_waits"; "replica busy");
            }
            return;
        }
        // A request that has waited longer than `head_timeout` proves a hang. One that ended otherwise does not: the
        // replica may still be working on it, so the last time that it was busy counts as well.
        let idle_since = if waited.is_some() { quiet_since } else { heartbeats.idle_since() };
        if since(idle_since) >= replace_after {
            self.hung(incarnation, &no_heartbeat, now);
        }
    }

    /// Publishes the suspect replicas to the routers if they have changed, or if one has missed another heartbeat. At
    /// most once in a quarter of the heartbeat interval: when many replicas become silent at once, each heartbeat would
    /// cause a list of all of them for each router.
    pub(super) fn publish_suspects(&mut self, now: Instant) {
        let pause = self.settings.heartbeat_interval / 4;
        if self.lifecycle.is_halted() || self.suspects.published_at.is_some_and(|at| now < at + pause) {
            return;
        }
        let suspect = self.members.values().filter(|member| member.phase() == Phase::Suspect);
        let suspects: Vec<Incarnation> = suspect.map(|member| member.launch.incarnation).collect();
        let remind = std::mem::take(&mut self.suspects.remind) && !suspects.is_empty();
        if remind || suspects != self.suspects.published {
            self.suspects.published.clone_from(&suspects);
            self.suspects.published_at = Some(now);
            self.actions.push(Action::Suspects(suspects));
        }
    }

    /// The suspect replicas, for a router that has just started.
    pub fn suspects(&self) -> &[Incarnation] {
        &self.suspects.published
    }

    /// Handles a hung replica. If more than half of the fleet hangs at once, the fault is likely in the balancer or
    /// the machine: replicas are then replaced one at a time. An external server is only skipped until its next
    /// good heartbeat, so it need not wait. Busy replicas do not count as hung.
    fn hung(&mut self, incarnation: Incarnation, why: &str, now: Instant) {
        if self.settings.ownership == Ownership::External {
            return self.mark_dead(incarnation, &why, now);
        }
        let silent = |m: &&Member| {
            now.saturating_duration_since(m.heartbeats.idle_since()) >= self.settings.replace_after
        };
        let serving = self.seats.values().filter_map(|seat| self.serving(seat));
        let marked = self.seats.values().filter(|seat| seat.is_hung()).count();
        let hung = serving.filter(silent).count() + marked;
        if hung * 2 > self.target() {
            if marked > 0 {
                return log::debug!(incarnation:%, hung:%; "replica spared");
            }
            log::warn!(hung:%, of:% = self.target(), replaced = "one_at_a_time"; "most of the fleet hangs");
        }
        let Some(seat) = self.members.get(&incarnation).map(|member| member.launch.seat) else { return };
        self.mark_dead(incarnation, &why, now);
        if let Some(seat) = self.seats.get_mut(&seat) {
            seat.mark_hung();
        }
    }
}
