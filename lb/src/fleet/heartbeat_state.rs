//! The heartbeats of one replica: when the next is due, and what the latest ones say.

use std::time::{Duration, Instant};

/// Delay of the first heartbeat after a launch; it doubles with each attempt up to the heartbeat interval.
const FIRST_HEARTBEAT: Duration = Duration::from_millis(5);

/// The heartbeats of one replica.
pub(super) struct Heartbeats {
    /// Time of the next one; `None` while one is under way or none is needed.
    next: Option<Instant>,
    /// When the one under way was sent.
    sent: Option<Instant>,
    /// The machine was starved while it was under way: a miss says nothing.
    void: bool,
    /// Pause after the one under way, while the replica starts.
    pause: Duration,
    missed: u32,
    last_good: Instant,
    /// Time of the latest outcome.
    last_outcome: Instant,
    /// An inquiry to the routers and the runtime is under way.
    inquiring: bool,
    /// Latest progress that the routers reported; `None`: none, or no inquiry has ended.
    progress: Option<Instant>,
    /// When it was last found busy: silent, while a request waited for its reply head.
    busy: Option<Instant>,
    /// When the runtime last reported that it is not suspended.
    running: Option<Instant>,
}

/// A heartbeat that has ended.
pub(super) struct Ended {
    /// When it was sent.
    sent: Instant,
    /// The machine was starved while it was under way: a miss says nothing.
    pub void: bool,
    /// Time since the outcome before.
    pub since_last: Duration,
}

impl Heartbeats {
    /// None is due.
    pub fn new(now: Instant) -> Self {
        Self {
            next: None,
            sent: None,
            void: false,
            pause: FIRST_HEARTBEAT * 2,
            missed: 0,
            last_good: now,
            last_outcome: now,
            inquiring: false,
            progress: None,
            busy: None,
            running: None,
        }
    }

    /// Time of the next one; `None` while one is under way or none is needed.
    pub fn next(&self) -> Option<Instant> {
        self.next
    }

    /// The replica was launched: the first one follows soon.
    pub fn launched(&mut self, now: Instant) {
        self.next = Some(now + FIRST_HEARTBEAT);
    }

    /// The replica was found at the start: the first one follows at once.
    pub fn adopted(&mut self, now: Instant) {
        self.next = Some(now);
    }

    /// The next one comes at `at`, or earlier. One that is under way is enough.
    pub fn bring_forward(&mut self, at: Instant) {
        self.next = self.next.map(|next| next.min(at));
    }

    /// Whether one is due, which is then under way.
    pub fn send_if_due(&mut self, now: Instant) -> bool {
        let is_due = self.next.take_if(|next| *next <= now).is_some();
        if is_due {
            self.sent = Some(now);
        }
        is_due
    }

    /// The one under way has ended.
    pub fn end(&mut self, now: Instant) -> Ended {
        let last = std::mem::replace(&mut self.last_outcome, now);
        Ended {
            sent: self.sent.take().unwrap_or(now),
            void: std::mem::take(&mut self.void),
            since_last: now.saturating_duration_since(last),
        }
    }

    /// Plans the next one an interval after the one that has ended.
    pub fn plan(&mut self, ended: &Ended, interval: Duration, now: Instant) {
        self.next = Some((ended.sent + interval).max(now));
    }

    /// Plans the next one of a replica that has not been heard yet: the pauses double up to the interval.
    pub fn plan_retry(&mut self, interval: Duration, now: Instant) {
        self.next = Some(now + self.pause);
        self.pause = (self.pause * 2).min(interval);
    }

    /// A good one: what was observed before does not matter any more.
    pub fn good(&mut self, now: Instant) {
        self.busy = None;
        self.restart(now);
    }

    /// The silence of the replica is counted from now; an inquiry that is under way is void.
    pub fn restart(&mut self, now: Instant) {
        (self.missed, self.last_good, self.inquiring) = (0, now, false);
    }

    /// A void one says nothing about the time that it covers: the silence does not grow by it.
    pub fn skip(&mut self, ended: &Ended, now: Instant) {
        self.last_good = now.min(self.last_good + ended.since_last);
    }

    /// A missed one; returns the number of those since the last good one.
    pub fn miss(&mut self) -> u32 {
        self.missed += 1;
        self.missed
    }

    /// The balancer was starved for this time: what was observed in it says nothing.
    pub fn void(&mut self, late: Duration) {
        self.last_good += late;
        let observed = [&mut self.progress, &mut self.busy, &mut self.running];
        observed.into_iter().flatten().for_each(|at| *at += late);
        self.void = self.sent.is_some();
        self.inquiring = false;
    }

    /// Begins an inquiry about the replica; returns `false` if one is under way already.
    pub fn begin_inquiry(&mut self) -> bool {
        !std::mem::replace(&mut self.inquiring, true)
    }

    /// Ends the inquiry; returns `false` if its result is void.
    pub fn end_inquiry(&mut self) -> bool {
        std::mem::take(&mut self.inquiring)
    }

    /// The runtime reports that the replica is not suspended.
    pub fn found_running(&mut self, now: Instant) {
        self.running = Some(now);
    }

    /// The routers report the latest progress.
    pub fn found_progress(&mut self, at: Option<Instant>) {
        self.progress = self.progress.max(at);
    }

    /// It is busy; returns whether it was found busy for the first time since the last good one.
    pub fn found_busy(&mut self, now: Instant) -> bool {
        self.busy.replace(now).is_none()
    }

    /// Time of the last good one.
    pub fn last_good(&self) -> Instant {
        self.last_good
    }

    /// Since when it may have been suspended.
    pub fn suspended_since(&self) -> Instant {
        self.running.map_or(self.last_good, |at| at.max(self.last_good))
    }

    /// Since when nothing has shown that the replica works: no good heartbeat, no progress.
    pub fn quiet_since(&self) -> Instant {
        self.progress.map_or(self.last_good, |progress| progress.max(self.last_good))
    }

    /// Since when it has been neither heard nor busy.
    pub fn idle_since(&self) -> Instant {
        self.busy.map_or(self.quiet_since(), |busy| busy.max(self.quiet_since()))
    }
}
