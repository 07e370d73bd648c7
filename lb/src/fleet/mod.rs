//! The fleet: which replicas should run, which do run, and the actions that close the gap. Pure: `on(event, now) ->
//! actions`.
//!
//! # Layout
//! - `event`: the input · `action`: the output · `command`: the operations, and how each is dispatched · `transition`:
//!   the changes that are published · `runtime`, `router_event`: the types that the fleet exchanges with a runtime and
//!   with the routers
//! - `seat`: one seat: its replica, candidate and next launch · `member`: one replica · `process`: its process ·
//!   `state`: its phases, each with its data · `phase`: as they are published · `heartbeat_state`: when the
//!   next heartbeat is due, and the latest results
//!
//! The life of a replica: `launch` → `ready` → `heartbeats` (suspect and back) → `death`, or `departure` (leaving,
//! draining, stopping, gone). `restart`: how fast a seat may be refilled · `outage`: launches that fail for a reason
//! outside the replica · `on_ring_reply`: the steps that follow the ring's replies.
//!
//! The operations: `adopt` at the start (`target`: the seats of a start) · `add` · `remove` · `cordon` · `replace` ·
//! `rollout` of outdated replicas, `rollout::manual` by a call · `weight` · `configure`: new settings, another target ·
//! `shutdown`. `lifecycle`: whether the fleet acts, only routes, or ends · `lookup`: replicas by name · `reply`: answers
//! to calls · `command_error`: why a call is rejected.
//!
//! - `record`: the state that survives the balancer · `recorder`: when it is written
//! - `external`: servers that are not managed by the balancer · `upstreams`: their list
//! - `view`: the fleet as the API shows it · `counters`: counters for the metrics

mod action;
mod add;
mod adopt;
mod command;
mod command_error;
mod configure;
mod cordon;
mod counters;
mod death;
mod departure;
mod event;
mod external;
mod heartbeat_state;
mod heartbeats;
mod launch;
mod lifecycle;
mod lookup;
mod member;
mod on_ring_reply;
mod outage;
mod phase;
mod process;
mod ready;
mod record;
mod recorder;
mod remove;
mod replace;
mod reply;
mod restart;
mod rollout;
mod router_event;
pub mod runtime;
mod seat;
mod shutdown;
#[cfg(test)]
mod simulation;
mod state;
mod target;
#[cfg(test)]
mod tests;
mod transition;
mod upstreams;
mod view;
mod weight;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::fleet::runtime::{RuntimeEvent, Upstream};
use crate::ring::{Change, Incarnation, Layout, SeatId, Weight};

pub use action::Action;
pub use command::{Answer, Command, Loads, Removal};
pub use command_error::CommandError;
pub use counters::Counters;
pub use event::{CallId, ChangeId, Event, HeartbeatResult, Revision};
pub use external::{Ownership, Vacancy};
pub use phase::Phase;
pub use record::{Configured, Cordoned, InvalidRecord, Record, SeatRecord};
pub use router_event::{Activity, Busy, RouterEvent, RouterId};
pub use transition::{Progress, Transition};
pub use view::{MemberView, SeatView, View};

use heartbeats::Suspects;
use lifecycle::Lifecycle;
use member::Member;
use on_ring_reply::OnRingReply;
use recorder::Recorder;
use rollout::manual::ManualRollout;
use seat::Seat;

/// The settings of the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Number of seats of a first start.
    pub replicas: usize,
    /// Largest number of seats.
    pub max_replicas: usize,
    /// Configured weights of seats, for the time when a seat is made. Other seats get 100, or the weight of the
    /// replica that is found.
    pub weights: BTreeMap<SeatId, Weight>,
    /// Whether the balancer runs the replicas, or only watches external servers.
    pub ownership: Ownership,
    /// The configured external servers, in the order of their seats; empty if the balancer runs the replicas.
    pub upstreams: Vec<Upstream>,
    /// Time between two heartbeats of a replica.
    pub heartbeat_interval: Duration,
    /// Missed heartbeats after which a replica is suspect.
    pub heartbeat_failures: u32,
    /// Silence after which a replica is replaced.
    pub replace_after: Duration,
    /// How long a silent replica may be busy while a request waits for its reply head; `None`: without limit.
    pub head_timeout: Option<Duration>,
    /// Longest time from the launch to the first good heartbeat.
    pub start_timeout: Duration,
    /// How long a leaving replica may finish its requests in flight.
    pub drain: Duration,
    /// Time from SIGTERM to SIGKILL.
    pub stop_timeout: Duration,
    /// The layout that the seats and their weights must fit.
    pub layout: Layout,
    /// Whether /rm of more seats than there are is an error, instead of removing all.
    pub strict_rm: bool,
    /// Whether the replicas outlive the balancer.
    pub keep: bool,
}

/// The state machine behind the supervisor.
pub struct Fleet {
    settings: Settings,
    rng: fastrand::Rng,
    /// The seats of the target, those reserved by an unanswered /add included.
    seats: BTreeMap<SeatId, Seat>,
    /// Every replica that is not gone, departing ones included.
    members: BTreeMap<Incarnation, Member>,
    /// Continuations of the changes that the ring has not answered.
    pending_changes: BTreeMap<ChangeId, OnRingReply>,
    last_change: u64,
    last_incarnation: u64,
    /// The wake-up that was last requested; an event that comes much later voids the heartbeats.
    due: Option<Instant>,
    suspects: Suspects,
    /// Time from the launch to the first good heartbeat of the latest replica.
    start_duration: Option<Duration>,
    /// The rolling replacement that is under way.
    manual_rollout: Option<ManualRollout>,
    counters: Counters,
    /// The record of the target, and the answers that wait for it.
    recorder: Recorder,
    lifecycle: Lifecycle,
    actions: Vec<Action>,
}

impl Fleet {
    /// An empty fleet, which does nothing before [`Event::Listed`]. `rng` draws the names.
    pub fn new(settings: Settings, rng: fastrand::Rng) -> Self {
        Self {
            settings,
            rng,
            seats: BTreeMap::new(),
            members: BTreeMap::new(),
            pending_changes: BTreeMap::new(),
            last_change: 0,
            last_incarnation: 0,
            due: None,
            suspects: Suspects::default(),
            start_duration: None,
            manual_rollout: None,
            counters: Counters::default(),
            recorder: Recorder::default(),
            lifecycle: Lifecycle::default(),
            actions: Vec::new(),
        }
    }

    /// Handles an event, and returns the actions that follow, in order.
    pub fn on(&mut self, event: Event, now: Instant) -> Vec<Action> {
        self.void_late_heartbeats(now);
        match event {
            Event::Restored(record) => {
                self.recorder.restore(record);
                return Vec::new(); // the next event is the list of replicas
            }
            Event::Listed(found) => self.adopt(found, now),
            Event::Launched { incarnation, result } => self.launched(incarnation, result, now),
            Event::DeadKilled { incarnation } => self.dead_killed(incarnation, now),
            Event::HeartbeatResult { incarnation, result } => self.heartbeat_ended(incarnation, result, now),
            Event::InquiryResult { incarnation, activity, suspended } => {
                self.inquiry_ended(incarnation, activity, suspended, now);
            }
            Event::LastLogLine { incarnation, line } => self.last_log_line(incarnation, line, now),
            Event::Ring { id, busy } => self.ring_answered(id, busy, now),
            Event::Stopped { incarnation } => self.stopped(incarnation),
            Event::Recorded { revision, result } => self.recorded(revision, result, now),
            Event::Runtime(event) => self.on_runtime_event(event, now),
            Event::Router { router, event } => self.on_router_event(router, event, now),
            Event::Call { call, command, loads } => self.execute(call, command, &loads, now),
            Event::Configure(settings) => self.configure(settings, now),
            Event::Close => self.close(),
            Event::Stop => self.stop_all(),
            Event::Kill => self.kill_all(),
            Event::Tick => {}
        }
        self.tick(now);
        self.publish_suspects(now);
        self.emit_serving();
        self.record(now);
        self.emit_halted();
        self.due = Some(self.next_wake(now));
        std::mem::take(&mut self.actions)
    }

    fn on_runtime_event(&mut self, event: RuntimeEvent, now: Instant) {
        match event {
            RuntimeEvent::Exited { incarnation, exit } => self.exited(incarnation, exit, now),
            RuntimeEvent::Terminated { incarnation } => self.terminated(incarnation),
            RuntimeEvent::RecordLost => self.record_lost(now),
            RuntimeEvent::Resolved { seat, id, addresses } => self.resolved(seat, &id, addresses, now),
            RuntimeEvent::Conflict { container } => self.conflict(&container),
            RuntimeEvent::Available => self.retry_uncounted(now),
        }
    }

    /// Time from the launch to the first good heartbeat of the latest replica; `None`: no replica that was launched has had one.
    pub fn start_duration(&self) -> Option<Duration> {
        self.start_duration
    }

    /// The counters since the start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// When to send [`Event::Tick`] if no event comes before: at most a heartbeat interval ahead, so that a starved
    /// machine is always noticed.
    pub fn next_wake(&self, now: Instant) -> Instant {
        let seats = self.seats.values().filter(|_| self.lifecycle.is_active());
        let seats = seats.filter_map(|seat| seat.restart.due());
        let members = self.members.values().filter_map(|member| member.next_wake());
        let pulse = now + self.settings.heartbeat_interval;
        seats.chain(members).chain(self.next_record()).fold(pulse, Instant::min)
    }

    /// Emits the actions that follow from the state and the time alone, after any event.
    fn tick(&mut self, now: Instant) {
        self.expire_starts(now);
        self.end_drains(now);
        if self.lifecycle.is_active() {
            self.remove_dead();
            self.continue_manual_rollout(now);
            self.replace_outdated(now);
            self.refill(now);
        }
        self.send_due_heartbeats(now);
    }

    /// Emits [`Action::Serving`] once: when the whole target is ready, or one external server.
    fn emit_serving(&mut self) {
        if !self.lifecycle.is_unannounced() {
            return;
        }
        let settled = |seat: &&Seat| self.serving(seat).is_some() || seat.cordoned().is_some();
        let ready = self.seats.values().filter(settled).count();
        let wanted = match self.settings.ownership {
            Ownership::Managed => self.target(),
            Ownership::External => self.target().min(1),
        };
        if ready >= wanted {
            self.lifecycle.announce();
            self.actions.push(Action::Serving);
        }
    }

    /// Number of seats that the ring has, or is about to have.
    fn target(&self) -> usize {
        self.seats.values().filter(|seat| seat.joined()).count()
    }

    /// The replica that requests of the seat are routed to, if it is ready or suspect.
    fn serving(&self, seat: &Seat) -> Option<&Member> {
        let member = self.members.get(&seat.occupant()?)?;
        matches!(member.phase(), Phase::Ready | Phase::Suspect).then_some(member)
    }

    /// Requests a change of the ring; `after` follows when every router has acknowledged it.
    fn change_ring(&mut self, change: Change, after: OnRingReply) {
        self.last_change += 1;
        let id = ChangeId(self.last_change);
        let (retire, transitions) = (after.retired(), self.transitions(&change));
        self.pending_changes.insert(id, after);
        self.actions.push(Action::Ring { id, change, retire, transitions });
    }
}
