//! A model world: processes, a ring and routers that do to the fleet whatever may happen to it.

mod processes;
mod records;
mod routers;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::super::*;
use crate::runtime::{Exit, Upstream};
use processes::{Health, Process};
use records::Records;
use routers::{Recall, Router};

const ROUTERS: usize = 3;
/// The longest starvation, in milliseconds.
const STARVED: u64 = 8000;
/// No news is older.
const LATE: Duration = Duration::from_secs(10);

pub struct World {
    pub now: Instant,
    pub rng: fastrand::Rng,
    /// Whether the replicas are somebody else's.
    pub foreign: bool,
    /// Whether things go wrong.
    pub chaos: bool,
    queue: BTreeMap<(Instant, u64), Happening>,
    sequence: u64,
    pub processes: BTreeMap<Incarnation, Process>,
    /// Its replicas crash as soon as they listen.
    cursed: Option<SeatId>,
    pub ring: BTreeMap<SeatId, Option<Incarnation>>,
    routers: Vec<Router>,
    /// `HOST:PORT` of the external servers.
    assigned: BTreeMap<SeatId, String>,
    changes: BTreeMap<ChangeId, Recall>,
    /// When the fleet was told that all routers know that these are to be drained.
    pub left: BTreeMap<Incarnation, Instant>,
    /// When the last request to these ended.
    ended: BTreeMap<Incarnation, Instant>,
    /// What the engine holds of the target.
    pub records: Records,
}

/// Something that is going to happen.
enum Happening {
    /// The fleet is told.
    Told(Event),
    /// A replica gets its leaving name.
    Retired(Incarnation),
    /// A write of the record takes effect.
    Written(Option<Record>),
    /// A router learns what has left the ring.
    Recalled(usize, ChangeId),
    /// Requests begin.
    Requests,
    RequestEnds(usize, Incarnation),
    /// Something happens to a process.
    Mischief,
    Exits(Incarnation, Exit),
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let cursed = if rng.u8(..4) == 0 { SeatId::new(rng.u32(1..4)) } else { None };
        let mut world = Self {
            now: Instant::now(),
            foreign: rng.u8(..10) == 0,
            rng,
            chaos: true,
            queue: BTreeMap::new(),
            sequence: 0,
            processes: BTreeMap::new(),
            cursed,
            ring: BTreeMap::new(),
            routers: (0..ROUTERS).map(|_| Router::default()).collect(),
            assigned: BTreeMap::new(),
            changes: BTreeMap::new(),
            left: BTreeMap::new(),
            ended: BTreeMap::new(),
            records: Records::default(),
        };
        world.later(Duration::ZERO, Happening::Mischief);
        world.later(Duration::ZERO, Happening::Requests);
        world
    }

    /// The external servers, if the replicas are external.
    pub fn upstreams(&mut self) -> Vec<Upstream> {
        let n = if self.foreign { self.rng.u64(1..4) } else { 0 };
        (1..=n).map(|n| format!("old{n}=10.0.0.{n}:80").parse().expect("an upstream")).collect()
    }

    /// When something happens next.
    pub fn next(&self) -> Option<Instant> {
        self.queue.keys().next().map(|(at, _)| *at)
    }

    /// Lets the next thing happen; `Some`: the fleet is told.
    pub fn step(&mut self) -> Option<Event> {
        let ((..), happening) = self.queue.pop_first()?;
        match happening {
            Happening::Told(event) => return Some(self.told(event)),
            Happening::Retired(incarnation) => drop(self.records.retired.insert(incarnation)),
            Happening::Written(record) => self.records.stored = record,
            Happening::Recalled(router, ticket) => self.recalled(router, ticket),
            Happening::Requests => self.requests(),
            Happening::RequestEnds(router, incarnation) => self.request_ends(router, incarnation),
            Happening::Mischief => self.mischief(),
            Happening::Exits(incarnation, exit) => self.exits(incarnation, exit),
        }
        None
    }

    pub fn act(&mut self, action: Action) {
        match action {
            Action::Launch(launch) => self.launch(launch),
            Action::Probe(replica) => self.probe(&replica),
            Action::Ring { ticket, change } => self.change(ticket, change),
            Action::Ask(incarnation) => {
                let answer = self.inquire(incarnation);
                let delay = self.up_to(100);
                self.later(delay, Happening::Told(answer));
            }
            Action::Inquire(incarnation) => {
                let delay = self.up_to(100);
                self.later(delay, Happening::Told(Event::LastLogLine { incarnation, line: None }));
            }
            Action::Stop { incarnation, grace } => {
                let silent = |process: &Process| matches!(process.health, Health::Hung | Health::Stopped);
                let hung = self.processes.get(&incarnation).is_some_and(silent);
                let grace = if hung { grace } else { self.up_to(grace.as_millis() as u64 + 1) };
                if let Some(process) = self.processes.get_mut(&incarnation) {
                    assert!(!process.stopping, "stopped twice");
                    process.stopping = true;
                }
                self.later(grace, Happening::Told(Event::Stopped { incarnation }));
            }
            Action::End(incarnation) => self.end(incarnation),
            Action::Record { revision, record } => self.write_record(revision, record),
            Action::Assign { seat, upstream } => {
                if let Some(upstream) = upstream {
                    self.assigned.insert(seat, upstream.authority());
                }
            }
            Action::Reply { .. }
            | Action::Tell(_)
            | Action::Suspects(_)
            | Action::Serving
            | Action::Halted => {}
        }
    }

    /// The balancer gets no time for a while: what is under way comes late, and heartbeats have timed out.
    pub fn starve(&mut self) {
        let starved = self.up_to(STARVED);
        self.now += starved;
        for happening in self.queue.range_mut(..(self.now, 0)).map(|(_, happening)| happening) {
            if let Happening::Told(Event::HeartbeatResult { beat, .. }) = happening {
                *beat = HeartbeatResult::Missed("timeout".to_owned());
            }
        }
    }

    fn told(&mut self, event: Event) -> Event {
        match &event {
            Event::Ring { ticket, .. } => {
                if let Some(recall) = self.changes.remove(ticket) {
                    self.left.extend(recall.leaves.into_iter().map(|incarnation| (incarnation, self.now)));
                }
            }
            Event::Recorded { result, .. } => self.records.failing = result.is_err(),
            Event::Stopped { incarnation } => drop(self.processes.remove(incarnation)),
            Event::HeartbeatResult { incarnation, beat: HeartbeatResult::Good } => {
                if let Some(process) = self.processes.get_mut(incarnation) {
                    process.last_good = self.now;
                }
            }
            _ => {}
        }
        event
    }

    fn later(&mut self, delay: Duration, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((self.now + delay, self.sequence), happening);
    }

    pub fn percent(&mut self, percent: u8) -> bool {
        self.rng.u8(..100) < percent
    }

    /// So many times in a hundred, while things go wrong.
    fn rare(&mut self, percent: u8) -> bool {
        self.chaos && self.percent(percent)
    }

    pub fn up_to(&mut self, ms: u64) -> Duration {
        Duration::from_millis(self.rng.u64(..ms.max(1)))
    }
}
