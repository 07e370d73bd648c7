//! Heartbeats: when a replica is ready, when it is suspect, when it is dead.

use std::time::Instant;

use crate::ring::Incarnation;

use super::action::Action;
use super::event::{Activity, HeartbeatResult, RouterId};
use super::member::{Beats, Member};
use super::{Fleet, Ownership, Phase, Settings};

/// The suspect replicas, and when the routers are told of them.
#[derive(Default)]
pub(super) struct Suspects {
    /// As the routers were last told.
    told: Vec<Incarnation>,
    /// One has missed one more heartbeat: the routers are told again.
    remind: bool,
}

impl Fleet {
    /// An event that comes much later than we asked to be woken means a starved machine or a stepped clock: the
    /// heartbeats of that time, and what the routers said in it, say nothing about the replicas.
    pub(super) fn void_late_heartbeats(&mut self, now: Instant) {
        let Some(late) = self.due.map(|due| now.saturating_duration_since(due)) else { return };
        if late <= self.settings.heartbeat_interval / 2 {
            return;
        }
        log::warn!("heartbeats void late_ms={} why=starved", late.as_millis());
        for member in self.members.values_mut() {
            member.beats.last_good += late;
            let Beats { progress, busy, running, .. } = &mut member.beats;
            [progress, busy, running].into_iter().flatten().for_each(|at| *at += late);
            member.beats.void = member.beats.sent.is_some();
            member.beats.asked = false;
            member.start_deadline = member.start_deadline.map(|deadline| deadline + late);
        }
    }

    pub(super) fn probe_due(&mut self, now: Instant) {
        for member in self.members.values_mut().filter(|member| member.watched()) {
            if let (Some(replica), Some(_)) =
                (member.replica(), member.beats.next.take_if(|next| *next <= now))
            {
                member.beats.sent = Some(now);
                self.actions.push(Action::Probe(replica));
            }
        }
    }

    /// Brings the next heartbeat forward; one that is under way will do.
    pub(super) fn suspected(&mut self, router: RouterId, incarnation: Incarnation, now: Instant) {
        self.judged("ejected", router, incarnation);
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        if let Some(next) = &mut member.beats.next {
            *next = now.min(*next);
        }
    }

    /// A router has ejected or readmitted a replica: that is told, and nothing follows from it here.
    pub(super) fn judged(&mut self, verdict: &'static str, router: RouterId, incarnation: Incarnation) {
        let Some(member) = self.members.get(&incarnation) else { return };
        let phase = Some(member.phase.as_str());
        let why = Some(format!("router={}", router.0));
        self.actions.push(member.tell(verdict, phase, phase, why));
    }

    pub(super) fn beat(&mut self, incarnation: Incarnation, beat: HeartbeatResult, now: Instant) {
        let interval = self.settings.heartbeat_interval;
        let Some(member) = self.members.get_mut(&incarnation).filter(|member| member.watched()) else {
            return;
        };
        let beats = &mut member.beats;
        let sent = beats.sent.take().unwrap_or(now);
        let void = std::mem::take(&mut beats.void);
        let since = now.saturating_duration_since(std::mem::replace(&mut beats.last_outcome, now));
        let starting = !beats.good;
        self.tally.heartbeat(&beat, starting, void);
        if starting && beat != HeartbeatResult::Good {
            beats.next = Some(now + beats.pause);
            beats.pause = (beats.pause * 2).min(interval);
        } else {
            beats.next = Some((sent + interval).max(now));
        }
        match beat {
            HeartbeatResult::Good => {
                beats.missed = 0;
                beats.last_good = now;
                beats.busy = None;
                beats.asked = false;
                beats.good = true;
                if member.phase == Phase::Suspect {
                    member.enter(Phase::Ready, &"heartbeat", &mut self.actions);
                }
                if starting {
                    self.first_good(incarnation, now);
                }
            }
            HeartbeatResult::Refused if !starting => self.die(incarnation, &"it refuses connections", now),
            HeartbeatResult::Refused => self.not_yet(incarnation, "it refuses connections".to_owned(), now),
            HeartbeatResult::Void(why) if starting => member.trouble = why,
            // The time that it covers says nothing about the replica: its silence does not grow by it.
            HeartbeatResult::Void(_) => beats.last_good = now.min(beats.last_good + since),
            HeartbeatResult::Missed(why) if starting => self.not_yet(incarnation, why, now),
            HeartbeatResult::Missed(_) if void => {}
            HeartbeatResult::Missed(why) => {
                beats.missed += 1;
                if beats.missed >= self.settings.heartbeat_failures && member.phase == Phase::Ready {
                    member.enter(Phase::Suspect, &why, &mut self.actions);
                }
                self.silent(incarnation);
            }
        }
    }

    /// A starting replica did not answer: that is normal for ours; a foreign one is looked up anew.
    fn not_yet(&mut self, incarnation: Incarnation, why: String, now: Instant) {
        match self.settings.ownership {
            Ownership::Foreign => self.die(incarnation, &why, now),
            Ownership::Ours => {
                if let Some(member) = self.members.get_mut(&incarnation) {
                    member.trouble = why;
                }
            }
        }
    }

    /// A replica in the ring has missed one more heartbeat. A suspect one is asked about after each: it may be busy, be
    /// suspended, or have stopped being either.
    fn silent(&mut self, incarnation: Incarnation) {
        let suspect = |member: &&mut Member| member.phase == Phase::Suspect;
        let Some(member) = self.members.get_mut(&incarnation).filter(suspect) else { return };
        self.suspects.remind = true;
        if !std::mem::replace(&mut member.beats.asked, true) {
            self.actions.push(Action::Ask(incarnation));
        }
    }

    /// Decides about a silent replica:
    /// - suspended for `replace_after`: hung, whatever the routers see;
    /// - progress within `replace_after`: it lives;
    /// - a request waits for its reply head, for less than `head_timeout` since the last sign of life: it is busy;
    /// - else hung, `replace_after` after the last good heartbeat, progress, or inquiry that found it busy.
    pub(super) fn answered(
        &mut self,
        incarnation: Incarnation,
        activity: Option<Activity>,
        suspended: Option<bool>,
        now: Instant,
    ) {
        let Settings { replace_after, head_timeout, .. } = self.settings;
        let Some(member) = self.members.get_mut(&incarnation) else { return };
        let beats = &mut member.beats;
        if !std::mem::take(&mut beats.asked) || member.phase != Phase::Suspect {
            return;
        }
        let since = |at: Instant| now.saturating_duration_since(at);
        let no_heartbeat = format!("no heartbeat for {} ms", since(beats.last_good).as_millis());
        if suspended == Some(true) {
            let ran = beats.running.map_or(beats.last_good, |at| at.max(beats.last_good));
            if since(ran) >= replace_after {
                self.hung(incarnation, &format!("it is stopped or paused, {no_heartbeat}"), now);
            }
            return;
        }
        // Unknown while the engine does not answer: that is no sign that it runs.
        if suspended == Some(false) {
            beats.running = Some(now);
        }
        // A router that does not answer in time is a fault of ours.
        let Some(Activity { last_progress, waiting_since }) = activity else { return };
        beats.progress = beats.progress.max(last_progress);
        let quiet_since = beats.quiet_since();
        let waited = waiting_since.map(|at| since(at.max(quiet_since)));
        if waited.is_some_and(|waited| head_timeout.is_none_or(|most| waited < most)) {
            if beats.busy.replace(now).is_none() {
                log::info!("replica busy name={} why=a_request_waits", member.launch.name);
            }
            return;
        }
        // A request that has waited for too long leaves no doubt; after one that has ended otherwise there is some.
        let idle_since = if waited.is_some() { quiet_since } else { beats.idle_since() };
        if since(idle_since) >= replace_after {
            self.hung(incarnation, &no_heartbeat, now);
        }
    }

    /// Tells the routers which replicas are suspect, if that has changed or there is something to look at again.
    pub(super) fn tell_suspects(&mut self) {
        let suspect = self.members.values().filter(|member| member.phase == Phase::Suspect);
        let suspects: Vec<Incarnation> = suspect.map(|member| member.launch.incarnation).collect();
        let remind = std::mem::take(&mut self.suspects.remind) && !suspects.is_empty();
        if remind || suspects != self.suspects.told {
            self.suspects.told.clone_from(&suspects);
            self.actions.push(Action::Suspects(suspects));
        }
    }

    /// The suspect replicas, for a router that has just started.
    pub fn suspects(&self) -> &[Incarnation] {
        &self.suspects.told
    }

    /// If more than half of the fleet would be called hung at once the fault is likely ours (or the machine's): one
    /// at a time. Somebody else's is not replaced, only passed over until its next good heartbeat: no need to wait.
    /// Busy ones are not hung.
    fn hung(&mut self, incarnation: Incarnation, why: &str, now: Instant) {
        if self.settings.ownership == Ownership::Foreign {
            return self.die(incarnation, &why, now);
        }
        let silent =
            |m: &&Member| now.saturating_duration_since(m.beats.idle_since()) >= self.settings.replace_after;
        let serving = self.seats.values().filter_map(|seat| self.serving(seat));
        let marked = self.seats.values().filter(|seat| seat.hung).count();
        let hung = serving.filter(silent).count() + marked;
        if hung * 2 > self.target() {
            if marked > 0 {
                return log::debug!("replica spared incarnation={incarnation} hung={hung}");
            }
            log::warn!("most of the fleet hangs hung={hung} of={} replaced=one_at_a_time", self.target());
        }
        let Some(seat) = self.members.get(&incarnation).map(|member| member.launch.seat) else { return };
        self.die(incarnation, &why, now);
        if let Some(seat) = self.seats.get_mut(&seat) {
            seat.hung = true;
        }
    }
}
