//! How fast a seat may be refilled: restart intensity, as in OTP's supervisors.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Most launches within [`WINDOW`] of a seat that does not become stable.
const MOST: usize = 5;
/// The window of [`MOST`]. A stable seat is refilled at once however often it dies: N must be whole again within 5 s.
const WINDOW: Duration = Duration::from_secs(60);
/// Delays before consecutive replacements; later ones follow one a minute.
const DELAYS: [Duration; 4] =
    [Duration::ZERO, Duration::ZERO, Duration::from_secs(1), Duration::from_secs(2)];
/// Delay before a launch that failed for a reason outside the replica is repeated.
const UNAVAILABLE: Duration = Duration::from_secs(1);
/// Time in `ready` after which the count of replacements begins anew.
pub(super) const STABLE: Duration = Duration::from_secs(10);

/// Launches of one seat.
#[derive(Debug, Default)]
pub(super) struct Restart {
    /// Replacements since the seat was last stable.
    streak: usize,
    /// The latest launches, at most [`MOST`].
    launches: VecDeque<Instant>,
    due: Option<Instant>,
    /// Whether the planned launch repeats one that failed for a reason outside the replica.
    uncounted: bool,
}

impl Restart {
    /// Time of the next launch; `None`: no launch is planned.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Takes the planned launch if it is due.
    pub fn take_due(&mut self, now: Instant) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }

    /// Whether the planned launch repeats one that failed for a reason outside the replica.
    pub fn is_uncounted(&self) -> bool {
        self.uncounted
    }

    /// Brings a planned launch forward to `now`, if it repeats one that failed for a reason outside the replica.
    pub fn bring_forward(&mut self, now: Instant) {
        if self.uncounted {
            self.due = self.due.map(|due| due.min(now));
        }
    }

    /// Whether the next launch follows a death.
    pub fn has_failed(&self) -> bool {
        self.streak > 0
    }

    /// Counts a launch.
    pub fn launched(&mut self, now: Instant) {
        (self.due, self.uncounted) = (None, false);
        self.launches.push_back(now);
        if self.launches.len() > MOST {
            self.launches.pop_front();
        }
    }

    /// Plans the launch after a death, at least `least` from now; `stable`: the dead replica had been ready for
    /// [`STABLE`]. Returns the delay.
    pub fn failed(&mut self, stable: bool, least: Duration, now: Instant) -> Duration {
        if stable {
            self.streak = 0;
            self.launches.clear();
        }
        let delay = DELAYS.get(self.streak).copied().unwrap_or(WINDOW);
        self.streak += 1;
        self.plan(delay.max(least), now)
    }

    /// Plans the next launch `delay` from now, or later if the window is full, without counting a failure. Returns the
    /// delay.
    pub fn plan(&mut self, delay: Duration, now: Instant) -> Duration {
        let earliest = match self.launches.front() {
            Some(oldest) if self.launches.len() == MOST => *oldest + WINDOW,
            _ => now,
        };
        let due = earliest.max(now + delay);
        (self.due, self.uncounted) = (Some(due), false);
        due.saturating_duration_since(now)
    }

    /// Plans the latest launch again, which failed for a reason outside the replica and is not counted. Returns the
    /// delay.
    pub fn retry_uncounted(&mut self, now: Instant) -> Duration {
        self.launches.pop_back();
        let delay = self.plan(UNAVAILABLE, now);
        self.uncounted = true;
        delay
    }

    /// Plans a launch `delay` from now regardless of the window: an external server is not launched, only tried.
    pub fn plan_unbounded(&mut self, delay: Duration, now: Instant) {
        (self.due, self.uncounted) = (Some(now + delay), false);
    }

    /// Cancels the planned launch.
    pub fn cancel(&mut self) {
        (self.due, self.uncounted) = (None, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_loop_follows_the_documented_delays() {
        let start = Instant::now();
        let mut restart = Restart::default();
        let mut now = start;
        restart.launched(now);
        let mut delays = Vec::new();
        for _ in 0..7 {
            let delay = restart.failed(false, Duration::ZERO, now);
            delays.push(delay.as_secs());
            now += delay;
            assert!(restart.take_due(now));
            restart.launched(now);
        }
        assert_eq!(delays, [0, 0, 1, 2, 60, 60, 60]);
    }

    #[test]
    fn never_more_than_five_launches_in_sixty_seconds() {
        let start = Instant::now();
        let mut restart = Restart::default();
        let mut now = start;
        let mut launches = Vec::new();
        for round in 0..200 {
            launches.push(now);
            restart.launched(now);
            now += Duration::from_secs(round % 10);
            now += restart.failed(false, Duration::ZERO, now);
        }
        for window in launches.windows(MOST + 1) {
            assert!(window[MOST] - window[0] >= WINDOW);
        }
    }

    #[test]
    fn launches_that_failed_outside_the_replica_do_not_count() {
        let mut now = Instant::now();
        let mut restart = Restart::default();
        for _ in 0..50 {
            restart.launched(now);
            assert_eq!(restart.retry_uncounted(now), UNAVAILABLE);
            now += UNAVAILABLE;
        }
        restart.launched(now);
        assert_eq!(restart.failed(false, Duration::ZERO, now), Duration::ZERO);
    }

    #[test]
    fn stability_resets_the_count() {
        let now = Instant::now();
        let mut restart = Restart::default();
        for _ in 0..4 {
            restart.failed(false, Duration::ZERO, now);
        }
        assert_eq!(restart.failed(true, Duration::ZERO, now), Duration::ZERO);
    }

    #[test]
    fn a_stable_seat_is_refilled_at_once_however_often_it_dies() {
        let mut now = Instant::now();
        let mut restart = Restart::default();
        for _ in 0..20 {
            restart.launched(now);
            now += STABLE;
            assert_eq!(restart.failed(true, Duration::ZERO, now), Duration::ZERO);
        }
    }
}
