//! One replica: its origin, its process and its state.

mod phases;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::fleet::runtime::{Found, Instance, Launch, RuntimeError, Standing};
use crate::ring::Replica;

use super::Phase;
use super::heartbeat_state::Heartbeats;
use super::process::Process;
use super::state::State;

pub(super) struct Member {
    pub launch: Launch,
    pub heartbeats: Heartbeats,
    origin: Origin,
    process: Process,
    state: State,
    /// Time at which it last became ready after joining the ring; `None`: not yet.
    ready_since: Option<Instant>,
    /// It got a SIGTERM that the balancer did not send.
    terminated: bool,
}

/// How a replica came into the fleet.
#[derive(Debug)]
enum Origin {
    /// The balancer launched it at this time.
    Launched(Instant),
    /// It was found at the start.
    Adopted {
        /// Its specification differs from the present one.
        outdated: bool,
    },
    /// It is an external server, at one of its addresses.
    External,
}

impl Member {
    /// A replica that is launched now, and must have its first good heartbeat within `start_timeout`. `repeated`: the
    /// launch repeats one that failed for a reason outside the replica.
    pub fn launch(launch: Launch, start_timeout: Duration, repeated: bool, now: Instant) -> Self {
        let process = Process::launching(repeated);
        Self::new(launch, Origin::Launched(now), process, Some(now + start_timeout), now)
    }

    /// An external server, which is tried without a time limit.
    pub fn external(launch: Launch, now: Instant) -> Self {
        Self::new(launch, Origin::External, Process::launching(false), None, now)
    }

    /// A replica that was found at the start: it is dead, or must have its first good heartbeat within `start_timeout`.
    pub fn adopt(found: Found, start_timeout: Duration, now: Instant) -> Self {
        let Found { launch, instance, standing, weight: _ } = found;
        let origin = Origin::Adopted { outdated: standing == Standing::Outdated };
        let process = Process::found(instance);
        let mut member = Self::new(launch, origin, process, Some(now + start_timeout), now);
        member.heartbeats.adopted(now);
        if !member.may_run() {
            member.state = State::Dead { routed: false };
        }
        member
    }

    fn new(
        launch: Launch,
        origin: Origin,
        process: Process,
        deadline: Option<Instant>,
        now: Instant,
    ) -> Self {
        Self {
            launch,
            heartbeats: Heartbeats::new(now),
            origin,
            process,
            state: State::AwaitingHeartbeat { deadline, last_failure: "no heartbeat was tried".to_owned() },
            ready_since: None,
            terminated: false,
        }
    }

    /// Applies the answer to the launch. Returns whether the launch is to be published now, because it was not before.
    pub fn launched(&mut self, result: &Result<Instance, RuntimeError>, now: Instant) -> bool {
        if result.is_ok() {
            self.heartbeats.launched(now);
        }
        self.process.launched(result)
    }

    /// Its process has ended.
    pub fn end_process(&mut self) {
        self.process.end();
    }

    /// It got a SIGTERM that the balancer did not send.
    pub fn set_terminated(&mut self) {
        self.terminated = true;
    }

    /// Changes the displayed id of an external server: it is configured under another host name.
    pub fn set_id(&mut self, id: &str) {
        self.process.set_id(id);
    }

    /// Whether it got a SIGTERM that the balancer did not send.
    pub fn is_terminated(&self) -> bool {
        self.terminated
    }

    /// Whether the runtime has not answered its launch: it cannot be stopped yet.
    pub fn is_launching(&self) -> bool {
        self.process.is_launching()
    }

    /// Whether its launch failed for a reason outside the replica.
    pub fn is_unavailable(&self) -> bool {
        self.process.is_unavailable()
    }

    /// Whether its process may still exist.
    pub fn may_run(&self) -> bool {
        self.process.may_run()
    }

    /// Id and address of its process; `None`: the launch is unanswered or has failed, or the process had ended before
    /// it was found.
    pub fn instance(&self) -> Option<&Instance> {
        self.process.instance()
    }

    /// The address of its process, if it has an instance.
    pub fn address(&self) -> Option<SocketAddr> {
        self.instance().map(|instance| instance.address)
    }

    /// Whether it was adopted, and its specification differs from the present one.
    pub fn is_outdated(&self) -> bool {
        matches!(self.origin, Origin::Adopted { outdated: true })
    }

    /// Gives a replica the specification of an earlier configuration.
    #[cfg(test)]
    pub fn make_outdated(&mut self) {
        self.origin = Origin::Adopted { outdated: true };
    }

    /// Time since its launch; `None`: the balancer did not launch it.
    pub fn age(&self, now: Instant) -> Option<Duration> {
        match self.origin {
            Origin::Launched(at) => Some(now.saturating_duration_since(at)),
            Origin::Adopted { .. } | Origin::External => None,
        }
    }

    /// Time at which it last became ready after joining the ring; `None`: not yet.
    pub fn ready_since(&self) -> Option<Instant> {
        self.ready_since
    }

    pub fn phase(&self) -> Phase {
        self.state.phase()
    }

    pub fn is_cordoned(&self) -> bool {
        self.state.is_cordoned()
    }

    /// Whether a request may reach it by the present seats: from `Join` or `Occupy` until `Vacate` is answered.
    pub fn is_routed(&self) -> bool {
        self.state.is_routed()
    }

    /// Whether it has had no good heartbeat since its launch or adoption.
    pub fn awaits_first_heartbeat(&self) -> bool {
        matches!(self.state, State::AwaitingHeartbeat { .. })
    }

    /// Whether it has had a good heartbeat, and waits for the other replicas of its /add.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting)
    }

    /// The replica as the routers need it; `None` before it has an address.
    pub fn replica(&self) -> Option<Arc<Replica>> {
        let Launch { seat, name, incarnation } = self.launch.clone();
        let address = self.address()?;
        Some(Arc::new(Replica { seat, name, incarnation, address }))
    }

    /// Whether it is draining and may be stopped: no request is in flight, or its process has ended, so that none can
    /// succeed.
    pub fn is_drained(&self) -> bool {
        let State::Draining { in_flight, .. } = &self.state else { return false };
        in_flight.routers() == 0 || !self.may_run()
    }

    /// Whether it has drained for too long.
    pub fn is_drain_over(&self, now: Instant) -> bool {
        matches!(self.state, State::Draining { deadline, .. } if deadline <= now)
    }

    /// Whether it was adopted, and has had no good heartbeat since.
    pub fn is_adopted_unready(&self) -> bool {
        self.awaits_first_heartbeat() && matches!(self.origin, Origin::Adopted { .. })
    }

    /// Whether heartbeats are sent to it.
    pub fn watched(&self) -> bool {
        let alive = matches!(self.phase(), Phase::Starting | Phase::Ready | Phase::Suspect);
        self.instance().is_some() && (alive || self.is_cordoned())
    }

    /// Whether it was ready for at least `ready_for`, so that its death does not count as part of a crash loop.
    pub fn stable(&self, ready_for: Duration, now: Instant) -> bool {
        self.ready_since.is_some_and(|since| now >= since + ready_for)
    }

    pub fn next_wake(&self) -> Option<Instant> {
        let heartbeat = self.heartbeats.next().filter(|_| self.watched());
        let deadline = match self.state {
            State::AwaitingHeartbeat { deadline, .. } => deadline,
            State::Draining { deadline, .. } => Some(deadline),
            _ => None,
        };
        [heartbeat, deadline].into_iter().flatten().min()
    }
}
