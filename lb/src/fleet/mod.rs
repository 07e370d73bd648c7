//! The fleet: what should run, what does run, and what to do about the difference. Pure: `on(event, now) -> actions`.
//!
//! # Layout
//! - `event`: what the fleet is told · `action`: what it wants done
//! - `member`: one replica: its phase and its heartbeats
//! - `health`: when a replica is suspect, when it is dead
//! - `restart`: how fast a seat may be refilled · `shortage`: launches that fail for a reason outside the replica
//! - `lifecycle`: launched, ready, dead, launched anew
//! - `replace`: a replica gives its seat to a new one · `rollout`: because it is outdated · `rolling`: one after the other
//! - `departure`: drained, stopped, gone
//! - `drain`: out of the ring by hand, and back
//! - `adopt`: the first look around · `target`: what it is to come to · `record`: what the next balancer goes by ·
//!   `recorder`: when that is written
//! - `after`: what follows the ring's answers
//! - `change`: /add and /rm · `configure`: other settings, another target · `weight`: what a seat weighs
//! - `external`: servers that are not managed by the balancer · `upstreams`: their list · `refusal`: why something is not done
//! - `view`: what people are shown · `tally`: what is counted · `transition`: what is told of all this

mod action;
mod adopt;
mod change;
mod command_error;
mod configure;
mod counters;
mod departure;
mod drain;
mod event;
mod external;
mod health;
mod lifecycle;
mod member;
mod on_ring_reply;
mod record;
mod recorder;
mod replace;
mod restart;
mod rollout;
mod shortage;
#[cfg(test)]
mod simulation;
mod target;
#[cfg(test)]
mod tests;
mod transition;
mod upstreams;
mod view;
mod weight;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::ring::{Incarnation, Layout, SeatId, Weight};
use crate::runtime::Upstream;

pub use action::{Action, Answer, Change};
pub use command_error::Refusal;
pub use counters::Tally;
pub use event::{
    Activity, Busy, CallId, ChangeId, Event, HeartbeatResult, Loads, Removal, Revision, RouterId,
};
pub use external::{Ownership, Vacancy};
pub use member::Phase;
pub use record::{Configured, Cordoned, InvalidRecord, Record, SeatRecord};
pub use transition::{Progress, Transition};
pub use view::{MemberView, SeatView, View};

use external::External;
use health::Suspects;
use member::Member;
use on_ring_reply::OnRingReply;
use recorder::Recorder;
use restart::Restart;
use rollout::manual::Rolling;

/// What the rules of the fleet depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many seats a first start makes.
    pub replicas: usize,
    /// How many seats there may be.
    pub max_replicas: usize,
    /// The weights of seats when they are made; of the others it is 100, or what the replica that is found says.
    pub weights: BTreeMap<SeatId, Weight>,
    /// Whether we run the replicas, or somebody else does and we only watch.
    pub ownership: Ownership,
    /// The configured external servers, in the order of their seats; empty if we run the replicas.
    pub upstreams: Vec<Upstream>,
    /// Time between two heartbeats of a replica.
    pub heartbeat_interval: Duration,
    /// Missed heartbeats after which a replica is suspect.
    pub heartbeat_failures: u32,
    /// Silence after which a replica is replaced.
    pub replace_after: Duration,
    /// How long a silent replica for which a request waits is busy at most; `None`: for any time.
    pub head_timeout: Option<Duration>,
    /// Time from launch to the first good heartbeat.
    pub start_timeout: Duration,
    /// How long a leaving replica may finish what is in flight.
    pub drain: Duration,
    /// Time from SIGTERM to SIGKILL.
    pub stop_timeout: Duration,
    /// What the seats and their weights must fit.
    pub layout: Layout,
    /// Whether /rm of more seats than there are is refused, instead of removing all.
    pub strict_rm: bool,
    /// Whether the replicas go on when the balancer ends.
    pub keep: bool,
}

/// The state machine that the supervisor drives.
pub struct Fleet {
    settings: Settings,
    rng: fastrand::Rng,
    /// The seats of the target, those reserved by an unanswered /add among them.
    seats: BTreeMap<SeatId, Seat>,
    /// Every replica that is not gone, those on their way out among them.
    members: BTreeMap<Incarnation, Member>,
    /// What to do when the ring has answered.
    tickets: BTreeMap<ChangeId, OnRingReply>,
    last_ticket: u64,
    last_incarnation: u64,
    /// When we asked to be woken: an event that comes much later voids the heartbeats.
    due: Option<Instant>,
    announced: bool,
    suspects: Suspects,
    /// How long the latest replica took from its launch to its first good heartbeat.
    start_time: Option<Duration>,
    /// Under way.
    rolling: Option<Rolling>,
    tally: Tally,
    /// The record of the target, and the answers that wait for it.
    recorder: Recorder,
    /// Why nothing is launched or cleared away any more, and no change accepted.
    frozen: Option<Refusal>,
    stopping: bool,
    halted: bool,
    actions: Vec<Action>,
}

struct Seat {
    weight: Weight,
    /// The /add that waits for its replica; `None` once the seat is in the ring.
    reserved_by: Option<CallId>,
    /// Who has it, from `Occupy` or `Join` on.
    occupant: Option<Incarnation>,
    /// Who starts for it.
    candidate: Option<Incarnation>,
    /// The next replica's name, if it is not to be a random one.
    name: Option<crate::name::Name>,
    restart: Restart,
    /// Whom its next replica answers, whether it gets ready or not: it was asked for.
    replacing: Option<CallId>,
    /// Vacant because this replica was drained by hand; it may have died since. Not refilled until that is taken back.
    drained: Option<Incarnation>,
    /// Its external server, if we do not run the replicas.
    external: Option<External>,
    /// Why it is vacant; `None` if it is not, or if nothing was tried yet.
    vacancy: Option<Vacancy>,
    /// Vacant because its replica hung: while it is, no second one is replaced in a mass hang.
    hung: bool,
}

impl Fleet {
    /// An empty fleet; it does nothing before [`Event::Listed`]. `rng` draws the names.
    pub fn new(settings: Settings, rng: fastrand::Rng) -> Self {
        Self {
            settings,
            rng,
            seats: BTreeMap::new(),
            members: BTreeMap::new(),
            tickets: BTreeMap::new(),
            last_ticket: 0,
            last_incarnation: 0,
            due: None,
            announced: false,
            suspects: Suspects::default(),
            start_time: None,
            rolling: None,
            tally: Tally::default(),
            recorder: Recorder::default(),
            frozen: None,
            stopping: false,
            halted: false,
            actions: Vec::new(),
        }
    }

    /// Takes in what happened and says what to do about it, in order.
    pub fn on(&mut self, event: Event, now: Instant) -> Vec<Action> {
        self.void_late_heartbeats(now);
        match event {
            Event::Restored(record) => {
                self.recorder.restored = Some(record);
                return Vec::new(); // nothing follows before the replicas are listed
            }
            Event::Listed(found) => self.adopt(found, now),
            Event::Launched { incarnation, result } => self.launched(incarnation, result, now),
            Event::Exited { incarnation, exit } => self.exited(incarnation, exit, now),
            Event::Terminated { incarnation } => self.terminated(incarnation),
            Event::Resolved { seat, id, addresses } => self.resolved(seat, &id, addresses, now),
            Event::AddUpstream { call, upstream } => self.add_upstream(call, upstream, now),
            Event::RemoveUpstream { call, name } => self.remove_upstream(call, &name),
            Event::Conflict { container } => self.conflict(&container),
            Event::Available => self.retry_uncounted(now),
            Event::Ended { incarnation } => self.ended(incarnation, now),
            Event::HeartbeatResult { incarnation, beat } => self.beat(incarnation, beat, now),
            Event::Answered { incarnation, activity, suspended } => {
                self.answered(incarnation, activity, suspended, now);
            }
            Event::LastLogLine { incarnation, line } => self.last_log_line(incarnation, line, now),
            Event::Ring { ticket, busy } => self.ring_answered(ticket, busy, now),
            Event::Idle { router, incarnation } => self.idle(router, incarnation),
            Event::Suspected { router, incarnation } => self.suspected(router, incarnation, now),
            Event::Readmitted { router, incarnation } => self.judged("readmitted", router, incarnation),
            Event::Stopped { incarnation } => self.gone(incarnation),
            Event::Recorded { revision, result } => self.recorded(revision, result, now),
            Event::RecordLost => self.record_lost(now),
            Event::Add { call, n, names } => self.add(call, n, names, now),
            Event::Remove { call, removal, loads } => self.remove(call, &removal, &loads),
            Event::Drain { call, name } => self.drain_by_hand(call, name),
            Event::Undrain { call, name } => self.undrain(call, name, now),
            Event::Replace { call, name } => self.replace(call, name, now),
            Event::RollingReplace { call } => self.roll(call),
            Event::Weigh { call, seat, weight } => self.weigh(call, seat, weight),
            Event::Configure(settings) => self.configure(settings, now),
            Event::Scale { call, target, loads } => self.scale(call, target, &loads, now),
            Event::Close => self.close(),
            Event::Stop => self.stop_all(),
            Event::Kill => self.kill_all(),
            Event::Tick => {}
        }
        self.tick(now);
        self.tell_suspects();
        self.announce();
        self.record(now);
        self.halt();
        self.due = Some(self.next_wake(now));
        std::mem::take(&mut self.actions)
    }

    /// How long a replica took to start, the last time one did.
    pub fn start_time(&self) -> Option<Duration> {
        self.start_time
    }

    /// What was counted since the start.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// When to send the next [`Event::Tick`], if nothing happens before: never later than a heartbeat interval,
    /// so that a starved machine is noticed whatever is under way.
    pub fn next_wake(&self, now: Instant) -> Instant {
        let seats = self.seats.values().filter(|_| self.frozen.is_none());
        let seats = seats.filter_map(|seat| seat.restart.due());
        let members = self.members.values().filter_map(|member| member.next_wake());
        let pulse = now + self.settings.heartbeat_interval;
        seats.chain(members).chain(self.next_record()).fold(pulse, Instant::min)
    }

    /// What follows from the state and the time alone, whatever the event was.
    fn tick(&mut self, now: Instant) {
        self.give_up_starting(now);
        self.end_drains(now);
        if self.frozen.is_none() {
            self.remove_dead();
            self.roll_on(now);
            self.roll_out(now);
            self.refill(now);
        }
        self.probe_due(now);
    }

    /// Says once that the whole target is ready (of replicas that somebody else runs: one).
    fn announce(&mut self) {
        if self.announced || self.stopping {
            return;
        }
        let rests = |seat: &&Seat| self.serving(seat).is_some() || seat.drained.is_some();
        let ready = self.seats.values().filter(rests).count();
        let wanted = match self.settings.ownership {
            Ownership::Ours => self.target(),
            Ownership::Foreign => self.target().min(1),
        };
        if ready >= wanted {
            self.announced = true;
            self.actions.push(Action::Serving);
        }
    }

    /// How many seats the ring has, or is about to have.
    fn target(&self) -> usize {
        self.seats.values().filter(|seat| seat.joined()).count()
    }

    /// The replica that a seat routes to, if it is ready or suspect.
    fn serving(&self, seat: &Seat) -> Option<&Member> {
        let member = self.members.get(&seat.occupant?)?;
        matches!(member.phase, Phase::Ready | Phase::Suspect).then_some(member)
    }

    fn change_ring(&mut self, change: Change, after: OnRingReply) {
        self.last_ticket += 1;
        let ticket = ChangeId(self.last_ticket);
        self.tickets.insert(ticket, after);
        self.actions.push(Action::Ring { ticket, change });
    }
}

impl Seat {
    fn new(weight: Weight, reserved_by: Option<CallId>) -> Self {
        Self {
            weight,
            reserved_by,
            occupant: None,
            candidate: None,
            name: None,
            restart: Restart::default(),
            replacing: None,
            drained: None,
            external: None,
            vacancy: None,
            hung: false,
        }
    }

    fn joined(&self) -> bool {
        self.reserved_by.is_none()
    }
}
