//! Passive health of one replica, as a router observes it by its traffic: ejection, probing and stalls.
//!
//! A replica is *open*, *stalled* or *ejected*.
//! - Three failures in a row eject it, or five replies in a row whose status counts (`--eject-on`), or one time-out
//!   with no reply head since the request was sent. After 10 s, doubling up to 5 min, it gets one live request as a
//!   probe; if that succeeds it is open again.
//! - It stalls when several requests wait for a reply head, none arrived for longer than its replies ever take (bounded,
//!   see [`max_normal_silence`]), and other replicas answer; or when its heartbeats fail and a single request waits as
//!   long. It gets no new requests; those that wait are its probes: a reply head opens it, a time-out ejects it. A
//!   slow request has fast ones beside it, or is alone on a replica whose heartbeats are good:
//!   neither stalls the replica.

use std::time::{Duration, Instant};

use super::Latency;

/// Consecutive failures that eject.
const FAILURES: u32 = 3;
/// Consecutive replies with a status that counts (`--eject-on`) that eject.
const ERRORS: u32 = 5;
/// Time of an ejection before one live request is let through; it doubles if that request fails.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// Upper limit of the doubled [`FIRST_PAUSE`].
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// Minimum number of waiting requests for a stall.
const WAITING: usize = 3;
/// Minimum silence for a stall: a garbage collection or a busy core must not be one.
const SHORTEST_STALL: Duration = Duration::from_millis(30);
/// A silence of this many times the peak latency is a stall: every request that waits is overdue by then.
const PEAKS: f64 = 2.0;
/// The same factor for the mean latency, which bounds the silence.
const MEANS: f64 = 2.0;
/// The bound on the silence of a replica whose replies are usually fast: late replies of the past (a stall of the
/// whole machine, one slow endpoint among fast ones) do not delay the detection of a stall by more than this.
const FAST_BOUND: Duration = Duration::from_secs(1);
/// The bound on the silence of any replica, also of one whose replies are usually slow.
const SLOW_BOUND: Duration = Duration::from_secs(5);

/// Passive health of one replica.
#[derive(Clone, Copy, Debug, Default)]
pub struct Health {
    state: State,
    failures: u32,
    errors: u32,
    waiting: usize,
    /// Start of the current silence: since then a request waits and no reply head has arrived.
    quiet_since: Option<Instant>,
    last_reply: Option<Instant>,
    pause: Duration,
    readmitted: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Stalled,
    Ejected {
        /// Time of the next probe.
        until: Instant,
        /// Time at which a probe was sent that has not ended.
        probed: Option<Instant>,
    },
}

/// A failure caused by the replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It refused or broke the connection, or its reply was malformed.
    Failed,
    /// No reply head arrived in time.
    TimedOut {
        /// When the request was sent.
        sent: Instant,
    },
}

/// Whether one more replica may become unavailable. At most half of them may: if most of the fleet fails, the cause is
/// probably elsewhere, and the remaining replicas would be overloaded.
pub fn may_eject_one_more(unavailable: usize, replicas: usize) -> bool {
    (unavailable + 1) * 2 <= replicas
}

impl Health {
    /// A request was sent and waits for its reply head.
    pub fn sent(&mut self, now: Instant) {
        if self.waiting == 0 {
            self.quiet_since = Some(now);
        }
        self.waiting += 1;
    }

    /// A request does not wait any more, for any reason. If none waits, a stalled replica is open: the next
    /// request tests it.
    pub fn settled(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
        if self.waiting == 0 && self.state == State::Stalled {
            self.state = State::Open;
        }
    }

    /// A reply head has arrived. `error`: its status counts (`--eject-on`).
    pub fn replied(&mut self, error: bool, now: Instant) {
        (self.quiet_since, self.last_reply) = (Some(now), Some(now));
        self.errors = if error { self.errors + 1 } else { 0 };
        if self.state == State::Stalled {
            self.state = State::Open;
        }
    }

    /// A reply is complete.
    pub fn completed(&mut self) {
        self.failures = 0;
    }

    /// An attempt failed.
    pub fn failed(&mut self, failure: Failure) {
        self.failures += 1;
        if let Failure::TimedOut { sent } = failure
            && self.last_reply.is_none_or(|reply| reply < sent)
        {
            self.failures = self.failures.max(FAILURES);
        }
    }

    /// Whether its failures justify an ejection.
    pub fn should_eject(&self) -> bool {
        !self.is_ejected() && (self.failures >= FAILURES || self.errors >= ERRORS)
    }

    /// Ejects the replica. `spread`, from 0 to 1, prevents the routers from probing it at the same time. The pause
    /// doubles if the replica failed its probe, or did not stay healthy for as long as it was ejected.
    pub fn eject(&mut self, spread: f64, now: Instant) {
        let relapse = self.readmitted.is_some_and(|at| now.saturating_duration_since(at) <= self.pause);
        let doubled = self.is_ejected() || relapse;
        self.pause = if doubled { (self.pause * 2).min(LONGEST_PAUSE) } else { FIRST_PAUSE };
        let until = now + self.pause.mul_f64(1.0 + spread / 10.0);
        self.state = State::Ejected { until, probed: None };
        (self.failures, self.errors) = (0, 0);
    }

    /// Opens it again: its probe succeeded, or too few other replicas are left.
    pub fn readmit(&mut self, now: Instant) {
        (self.failures, self.errors) = (0, 0);
        (self.state, self.readmitted) = (State::Open, Some(now));
    }

    /// Whether an ejected replica is due for a probe. A probe that has not ended after another pause (a stream) does
    /// not prevent the next one.
    pub fn wants_probe(&self, now: Instant) -> bool {
        let State::Ejected { until, probed } = self.state else { return false };
        now >= until && probed.is_none_or(|at| now.saturating_duration_since(at) >= self.pause)
    }

    /// A probe was sent, or (`None`) ended without a result.
    pub fn probed(&mut self, at: Option<Instant>) {
        if let State::Ejected { probed, .. } = &mut self.state {
            *probed = at;
        }
    }

    /// Start of its silence, if that is longer than its [normal one](max_normal_silence). `suspect`: its heartbeats fail, so
    /// that a single waiting request is enough.
    pub fn silent_since(&self, latency: &Latency, suspect: bool, now: Instant) -> Option<Instant> {
        let enough = if suspect { 1 } else { WAITING };
        let quiet = self.quiet_since.filter(|_| self.waiting >= enough && self.state == State::Open)?;
        (now.saturating_duration_since(quiet) > max_normal_silence(latency, now)).then_some(quiet)
    }

    /// Stalls it: no new request is sent to it until a reply head comes.
    pub fn stall(&mut self) {
        self.state = State::Stalled;
    }

    /// Whether only probes are sent to it.
    pub fn is_unavailable(&self) -> bool {
        self.state != State::Open
    }

    /// Whether it is ejected.
    pub fn is_ejected(&self) -> bool {
        matches!(self.state, State::Ejected { .. })
    }

    /// When its next probe is due; `None` while it is not ejected.
    pub fn ejected_until(&self) -> Option<Instant> {
        match self.state {
            State::Ejected { until, .. } => Some(until),
            State::Open | State::Stalled => None,
        }
    }

    /// Time of the last reply head; `None`: none yet.
    pub fn last_reply(&self) -> Option<Instant> {
        self.last_reply
    }

    /// Number of requests that wait for a reply head.
    pub fn waiting(&self) -> usize {
        self.waiting
    }
}

/// The longest silence that is normal for a replica with this latency; a longer one is a stall, and a probe that waits
/// longer is hedged. It is twice its peak latency, at least 30 ms, at most
/// twice its mean latency, where that bound itself lies within 1 s … 5 s. So the peaks of a stall of the whole machine
/// delay the detection of the next stall by at most 1 s once replies come in time again.
pub fn max_normal_silence(latency: &Latency, now: Instant) -> Duration {
    let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    let bound = seconds(latency.mean_seconds() * MEANS).clamp(FAST_BOUND, SLOW_BOUND);
    seconds(latency.seconds(now).unwrap_or(0.0) * PEAKS).clamp(SHORTEST_STALL, bound)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn ejected(now: Instant) -> Health {
        let mut health = Health::default();
        health.eject(0.0, now);
        health
    }

    #[test]
    fn three_consecutive_failures_or_five_consecutive_errors_eject() {
        let now = Instant::now();
        let mut health = Health::default();
        for _ in 0..2 {
            health.failed(Failure::Failed);
            health.failed(Failure::Failed);
            assert!(!health.should_eject());
            health.completed();
        }
        (0..3).for_each(|_| health.failed(Failure::Failed));
        assert!(health.should_eject());

        let mut health = Health::default();
        for _ in 0..2 {
            (0..4).for_each(|_| health.replied(true, now));
            health.completed();
            assert!(!health.should_eject(), "errors are counted separately");
            health.replied(false, now);
        }
        (0..5).for_each(|_| health.replied(true, now));
        assert!(health.should_eject());
    }

    #[test]
    fn one_time_out_ejects_unless_a_reply_came_since() {
        let now = Instant::now();
        let mut health = Health::default();
        health.replied(false, now);
        health.failed(Failure::TimedOut { sent: now + MS });
        assert!(health.should_eject());
        let mut health = Health::default();
        health.replied(false, now + 2 * MS);
        health.failed(Failure::TimedOut { sent: now + MS });
        assert!(!health.should_eject());
    }

    #[test]
    fn an_ejected_replica_gets_one_request_and_its_success_readmits() {
        let now = Instant::now();
        let mut health = ejected(now);
        health.replied(false, now);
        health.completed();
        assert!(health.is_ejected(), "a reply to an earlier request does not readmit");
        assert!(!health.wants_probe(now + FIRST_PAUSE - MS));
        let due = now + FIRST_PAUSE;
        assert!(health.wants_probe(due));
        health.probed(Some(due));
        assert!(!health.wants_probe(due + MS), "only one probe");
        health.probed(None);
        assert!(health.wants_probe(due + MS), "the client left");
        health.readmit(due);
        assert!(!health.is_unavailable() && !health.should_eject());
    }

    #[test]
    fn the_pause_doubles_up_to_five_minutes_and_resets_after_a_healthy_time() {
        let mut now = Instant::now();
        let mut health = ejected(now);
        let mut pauses = Vec::new();
        for _ in 0..7 {
            let until = health.ejected_until().unwrap();
            pauses.push((until - now).as_secs());
            now = until;
            health.eject(0.0, now);
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 300, 300]);
        health.readmit(now);
        now += Duration::from_secs(299);
        health.eject(0.0, now);
        assert_eq!(health.ejected_until(), Some(now + LONGEST_PAUSE), "a relapse");
        health.readmit(now);
        now += Duration::from_secs(301);
        health.eject(1.0, now);
        assert_eq!(health.ejected_until(), Some(now + FIRST_PAUSE.mul_f64(1.1)));
    }

    #[test]
    fn a_stall_needs_several_waiting_requests_and_ends_with_a_reply() {
        let now = Instant::now();
        let (mut health, fast, mut slow) = (Health::default(), Latency::default(), Latency::default());
        slow.observe(20 * MS, now);
        health.sent(now);
        health.sent(now);
        assert_eq!(health.silent_since(&fast, false, now + 1000 * MS), None, "two slow ones");
        health.sent(now + 5 * MS);
        assert_eq!(health.silent_since(&fast, false, now + 30 * MS), None);
        assert_eq!(health.silent_since(&fast, false, now + 31 * MS), Some(now));
        assert_eq!(health.silent_since(&slow, false, now + 39 * MS), None, "about twice 20 ms");
        assert_eq!(health.silent_since(&slow, false, now + 41 * MS), Some(now));
        health.stall();
        assert!(health.is_unavailable() && !health.is_ejected());
        assert_eq!(health.silent_since(&fast, false, now + 99 * MS), None, "already stalled");
        health.replied(false, now + 50 * MS);
        assert!(!health.is_unavailable());
        assert_eq!(health.silent_since(&fast, false, now + 80 * MS), None, "a reply restarts the silence");
    }

    #[test]
    fn one_silent_request_is_a_stall_only_beside_failing_heartbeats() {
        let now = Instant::now();
        let (mut health, latency) = (Health::default(), Latency::default());
        assert_eq!(health.silent_since(&latency, true, now + 1000 * MS), None, "no request waits");
        health.sent(now);
        assert_eq!(health.silent_since(&latency, false, now + 60_000 * MS), None);
        assert_eq!(health.silent_since(&latency, true, now + 30 * MS), None);
        assert_eq!(health.silent_since(&latency, true, now + 31 * MS), Some(now));
    }

    #[test]
    fn the_normal_silence_is_bounded_whatever_the_past_latencies() {
        let now = Instant::now();
        let mut latency = Latency::default();
        (0..300).for_each(|_| latency.observe(5 * MS, now));
        // The whole machine stalls for 8 s, then replies come in time again.
        (0..100).for_each(|n| latency.observe(Duration::from_secs(8) - n * 80 * MS, now));
        (0..64).for_each(|_| latency.observe(5 * MS, now));
        assert_eq!(max_normal_silence(&latency, now), FAST_BOUND);
        // A replica whose replies are normally slow keeps twice their time, up to the bound.
        let mut slow = Latency::default();
        (0..10).for_each(|_| slow.observe(2000 * MS, now));
        assert_eq!(max_normal_silence(&slow, now), 4000 * MS);
        slow.observe(60_000 * MS, now);
        assert_eq!(max_normal_silence(&slow, now), SLOW_BOUND);
    }

    #[test]
    fn a_stall_ends_with_the_last_waiting_request() {
        let now = Instant::now();
        let mut health = Health::default();
        (0..3).for_each(|_| health.sent(now));
        health.stall();
        health.settled();
        health.settled();
        assert!(health.is_unavailable());
        health.settled();
        assert!(!health.is_unavailable());
    }

    #[test]
    fn at_most_half_of_the_replicas_may_be_unavailable() {
        let most =
            |replicas| (0..replicas).find(|over| !may_eject_one_more(*over, replicas)).unwrap_or(replicas);
        assert_eq!([0, 1, 2, 3, 4, 5, 10].map(most), [0, 0, 1, 1, 2, 2, 5]);
    }

    proptest! {
        /// A stalled replica always has a waiting request, so it never stays out for ever; an ejected one always has a
        /// time at which it is probed.
        #[test]
        fn every_unavailable_replica_is_retried(steps in prop::collection::vec(0u8..9, 1..300)) {
            let mut now = Instant::now();
            let mut health = Health::default();
            for step in steps {
                now += 7 * MS;
                match step {
                    0 | 1 => health.sent(now),
                    2 => health.settled(),
                    3 => health.replied(false, now),
                    4 => health.replied(true, now),
                    5 => health.completed(),
                    6 => health.failed(Failure::Failed),
                    7 => health.failed(Failure::TimedOut { sent: now - 40 * MS }),
                    _ if health.wants_probe(now) => health.probed(Some(now)),
                    _ => {}
                }
                if health.silent_since(&Latency::default(), false, now).is_some() {
                    health.stall();
                }
                if health.should_eject() {
                    health.eject(0.5, now);
                }
                match (health.is_unavailable(), health.ejected_until()) {
                    (true, Some(until)) => {
                        prop_assert!(until <= now + LONGEST_PAUSE.mul_f64(1.1));
                        prop_assert!(health.wants_probe(until + LONGEST_PAUSE));
                    }
                    (true, None) => prop_assert!(health.waiting() > 0),
                    (false, _) => prop_assert!(!health.should_eject()),
                }
            }
        }
    }
}
