//! The fleet: what should run, what does run, and what to do about the difference. Pure: `on(event, now) -> actions`.
//!
//! # Layout
//! - `event`: what the fleet is told and what it asks for
//! - `member`: one replica: its phase and its heartbeats
//! - `health`: when a replica is suspect, when it is dead
//! - `restart`: how fast a seat may be refilled
//! - `lifecycle`: launched, ready, dead, launched anew
//! - `rollout`: what is outdated is replaced
//! - `departure`: drained, stopped, gone
//! - `adopt`: the first look around
//! - `change`: /add and /rm
//! - `view`: what people are shown
//! - `transition`: what is told of all this

mod adopt;
mod change;
mod departure;
mod event;
mod health;
mod lifecycle;
mod member;
mod restart;
mod rollout;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod transition;
mod view;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::ring::{Incarnation, SeatId, Weight};

pub use event::{Action, Beat, Busy, CallId, Change, Event, Loads, Refusal, RouterId, Ticket};
pub use member::Phase;
pub use transition::Transition;
pub use view::{MemberView, SeatView, View};

use event::After;
use member::Member;
use restart::Restart;

/// What the rules of the fleet depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many seats a first start makes.
    pub replicas: usize,
    /// How many seats there may be.
    pub max_replicas: usize,
    /// Whether we run the replicas, or somebody else does and we only watch.
    pub ownership: Ownership,
    /// Time between two heartbeats of a replica.
    pub heartbeat_interval: Duration,
    /// Missed heartbeats after which a replica is suspect.
    pub heartbeat_failures: u32,
    /// Silence after which a replica is replaced.
    pub replace_after: Duration,
    /// Time from launch to the first good heartbeat.
    pub start_timeout: Duration,
    /// How long a leaving replica may finish what is in flight.
    pub drain: Duration,
    /// Time from SIGTERM to SIGKILL.
    pub stop_timeout: Duration,
    /// Whether /rm of more seats than there are is refused, instead of removing all.
    pub strict_rm: bool,
    /// Whether the replicas go on when the balancer ends.
    pub keep: bool,
}

/// Who runs the replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// We do: the dead are replaced under a new name, by the rules of restart intensity.
    Ours,
    /// Somebody else does: a dead one keeps its name and seat, and is asked again every heartbeat interval.
    Foreign,
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
    tickets: BTreeMap<Ticket, After>,
    last_ticket: u64,
    last_incarnation: u64,
    /// When we asked to be woken: an event that comes much later voids the heartbeats.
    due: Option<Instant>,
    announced: bool,
    /// How long the latest replica took from its launch to its first good heartbeat.
    start_time: Option<Duration>,
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
            start_time: None,
            frozen: None,
            stopping: false,
            halted: false,
            actions: Vec::new(),
        }
    }

    /// Takes in what happened and says what to do about it, in order.
    pub fn on(&mut self, event: Event, now: Instant) -> Vec<Action> {
        self.forgive_lateness(now);
        match event {
            Event::Listed(found) => self.adopt(found, now),
            Event::Launched { incarnation, result } => self.launched(incarnation, result, now),
            Event::Exited { incarnation, exit } => self.exited(incarnation, exit, now),
            Event::Terminated { incarnation } => self.terminated(incarnation),
            Event::Rival { container } => self.rival(&container),
            Event::Beat { incarnation, beat } => self.beat(incarnation, beat, now),
            Event::Answered { incarnation, last_reply } => self.answered(incarnation, last_reply, now),
            Event::LastWords { incarnation, line } => self.last_words(incarnation, line, now),
            Event::Ring { ticket, busy } => self.ring_answered(ticket, busy, now),
            Event::Idle { router, incarnation } => self.idle(router, incarnation),
            Event::Suspected { incarnation } => self.suspected(incarnation, now),
            Event::Stopped { incarnation } => self.gone(incarnation),
            Event::Add { call, n, names } => self.add(call, n, names, now),
            Event::Remove { call, n, names, loads } => self.remove(call, n, &names, &loads),
            Event::Close => self.close(),
            Event::Stop => self.stop_all(),
            Event::Kill => self.kill_all(),
            Event::Tick => {}
        }
        self.tick(now);
        self.announce();
        self.halt();
        self.due = Some(self.next_wake(now));
        std::mem::take(&mut self.actions)
    }

    /// How long a replica took to start, the last time one did.
    pub fn start_time(&self) -> Option<Duration> {
        self.start_time
    }

    /// When to send the next [`Event::Tick`], if nothing happens before: never later than a heartbeat interval,
    /// so that a starved machine is noticed whatever is under way.
    pub fn next_wake(&self, now: Instant) -> Instant {
        let seats = self.seats.values().filter(|_| self.frozen.is_none());
        let seats = seats.filter_map(|seat| seat.restart.due());
        let members = self.members.values().filter_map(|member| member.next_wake());
        let pulse = now + self.settings.heartbeat_interval;
        seats.chain(members).fold(pulse, Instant::min)
    }

    /// What follows from the state and the time alone, whatever the event was.
    fn tick(&mut self, now: Instant) {
        self.give_up_starting(now);
        self.end_drains(now);
        if self.frozen.is_none() {
            self.bury();
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
        let ready = self.seats.values().filter(|seat| self.serving(seat).is_some()).count();
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

    fn change_ring(&mut self, change: Change, after: After) {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
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
            hung: false,
        }
    }

    fn joined(&self) -> bool {
        self.reserved_by.is_none()
    }
}
