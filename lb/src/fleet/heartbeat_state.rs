//! State of the heartbeats of one replica: when the next one is due, and the results of the latest ones.

use std::time::{Duration, Instant};

/// Delay of the first heartbeat after a launch; it doubles with each attempt up to the heartbeat interval.
const FIRST_HEARTBEAT: Duration = Duration::from_millis(5);

/// State of the heartbeats of one replica.
pub(super) struct Heartbeats {
    /// Time of the next heartbeat; `None` while one is under way or none is needed.
    next: Option<Instant>,
    /// Time at which the one under way was sent.
    sent: Option<Instant>,
    /// The machine was starved while it was under way: a miss proves nothing.
    void: bool,
    /// Pause after the heartbeat under way, while the replica starts.
    pause: Duration,
    missed: u32,
    last_good: Instant,
    /// Time of the latest result.
    last_result: Instant,
    /// An inquiry to the routers and the runtime is under way.
    inquiring: bool,
    /// Latest progress that the routers reported; `None`: none, or no inquiry has ended.
    progress: Option<Instant>,
    /// Time at which it was last found busy: silent, while a request waited for its reply head.
    busy: Option<Instant>,
    /// Time at which the runtime last reported that it is not suspended.
    running: Option<Instant>,
}

/// A heartbeat that has ended.
pub(super) struct Ended {
    /// Time at which it was sent.
    sent: Instant,
    /// The machine was starved while it was under way: a miss proves nothing.
    pub void: bool,
    /// Time since the result before.
    pub since_last: Duration,
}

impl Heartbeats {
    /// The state before the launch: no heartbeat is due.
    pub fn new(now: Instant) -> Self {
        Self {
            next: None,
            sent: None,
            void: false,
            pause: FIRST_HEARTBEAT * 2,
            missed: 0,
            last_good: now,
            last_result: now,
            inquiring: false,
            progress: None,
            busy: None,
            running: None,
        }
    }

    /// Time of the next heartbeat; `None` while one is under way or none is needed.
    pub fn next(&self) -> Option<Instant> {
        self.next
    }

    /// The replica was launched: plans the first heartbeat.
    pub fn launched(&mut self, now: Instant) {
        self.next = Some(now + FIRST_HEARTBEAT);
    }

    /// The replica was found at the start: the first heartbeat is due now.
    pub fn adopted(&mut self, now: Instant) {
        self.next = Some(now);
    }

    /// Brings the next heartbeat forward to `at`, unless it is due earlier. While one is under way, nothing changes.
    pub fn bring_forward(&mut self, at: Instant) {
        self.next = self.next.map(|next| next.min(at));
    }

    /// If a heartbeat is due, marks it as sent and returns `true`.
    pub fn send_if_due(&mut self, now: Instant) -> bool {
        let is_due = self.next.take_if(|next| *next <= now).is_some();
        if is_due {
            self.sent = Some(now);
        }
        is_due
    }

    /// The heartbeat under way has ended.
    pub fn end(&mut self, now: Instant) -> Ended {
        let last = std::mem::replace(&mut self.last_result, now);
        Ended {
            sent: self.sent.take().unwrap_or(now),
            void: std::mem::take(&mut self.void),
            since_last: now.saturating_duration_since(last),
        }
    }

    /// Plans the next heartbeat an interval after the one that has ended was sent.
    pub fn plan(&mut self, ended: &Ended, interval: Duration, now: Instant) {
        self.next = Some((ended.sent + interval).max(now));
    }

    /// Plans the next heartbeat of a replica that has had no good one: the pauses double up to the interval.
    pub fn plan_retry(&mut self, interval: Duration, now: Instant) {
        self.next = Some(now + self.pause);
        self.pause = (self.pause * 2).min(interval);
    }

    /// A heartbeat was good: earlier observations are dropped.
    pub fn good(&mut self, now: Instant) {
        self.busy = None;
        self.restart(now);
    }

    /// Counts the silence of the replica from now on; the inquiry under way is void.
    pub fn restart(&mut self, now: Instant) {
        (self.missed, self.last_good, self.inquiring) = (0, now, false);
    }

    /// A heartbeat was void: the time that it covers does not count as silence.
    pub fn skip(&mut self, ended: &Ended, now: Instant) {
        self.last_good = now.min(self.last_good + ended.since_last);
    }

    /// A heartbeat was missed; returns the number of missed ones since the last good one.
    pub fn miss(&mut self) -> u32 {
        self.missed += 1;
        self.missed
    }

    /// The balancer was starved for this time, which does not count as silence: the heartbeat and the inquiry under way
    /// are void.
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

    /// The routers report progress, last at this time; `None`: no progress.
    pub fn found_progress(&mut self, at: Option<Instant>) {
        self.progress = self.progress.max(at);
    }

    /// The replica is busy; returns whether it was found busy for the first time since the last good heartbeat.
    pub fn found_busy(&mut self, now: Instant) -> bool {
        self.busy.replace(now).is_none()
    }

    /// Time of the last good heartbeat, or of the launch or adoption.
    pub fn last_good(&self) -> Instant {
        self.last_good
    }

    /// Time since when it may have been suspended.
    pub fn suspended_since(&self) -> Instant {
        self.running.map_or(self.last_good, |at| at.max(self.last_good))
    }

    /// Time since when there was neither a good heartbeat nor progress.
    pub fn quiet_since(&self) -> Instant {
        self.progress.map_or(self.last_good, |progress| progress.max(self.last_good))
    }

    /// Time since when there was neither a good heartbeat nor progress, and the replica was not busy.
    pub fn idle_since(&self) -> Instant {
        self.busy.map_or(self.quiet_since(), |busy| busy.max(self.quiet_since()))
    }
}
