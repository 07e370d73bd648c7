//! Model world: processes, a ring and routers that expose the fleet to everything that may happen.

mod processes;
mod records;
mod routers;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::super::*;
use crate::fleet::runtime::{Exit, RuntimeEvent, Upstream};
use processes::{Condition, Process};
use records::Records;
use routers::{Recall, Router};

const ROUTERS: usize = 3;
/// The longest starvation, in milliseconds.
const STARVED: u64 = 8000;
/// Longest delay of a notice.
const LATE: Duration = Duration::from_secs(10);

pub struct World {
    pub now: Instant,
    pub rng: fastrand::Rng,
    /// Whether the replicas are external servers.
    pub external: bool,
    /// Whether things go wrong.
    pub chaos: bool,
    queue: BTreeMap<(Instant, u64), Scheduled>,
    sequence: u64,
    pub processes: BTreeMap<Incarnation, Process>,
    /// The seat whose replicas crash as soon as they listen.
    crashing: Option<SeatId>,
    pub ring: BTreeMap<SeatId, Option<Incarnation>>,
    /// Weights of the seats in the ring.
    weights: BTreeMap<SeatId, Weight>,
    routers: Vec<Router>,
    /// `HOST:PORT` of the external servers.
    assigned: BTreeMap<SeatId, String>,
    changes: BTreeMap<ChangeId, Recall>,
    /// Time at which the fleet got the acknowledgement of all routers that these replicas have left.
    pub left: BTreeMap<Incarnation, Instant>,
    /// When the last request to these replicas ended.
    ended: BTreeMap<Incarnation, Instant>,
    /// What the engine stores of the target.
    pub records: Records,
}

/// An event of the world that is scheduled.
enum Scheduled {
    /// The fleet gets an event.
    Notify(Event),
    /// A replica gets its leaving name.
    Retired(Incarnation),
    /// A write of the record takes effect.
    Written(Option<Record>),
    /// A router gets the recall of a change.
    Recalled(usize, ChangeId),
    /// New requests begin to arrive.
    Requests,
    RequestEnds(usize, Incarnation),
    /// A random fault of a process.
    Fault,
    Exits(Incarnation, Exit),
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let crashing = if rng.u8(..4) == 0 { SeatId::new(rng.u32(1..4)) } else { None };
        let mut world = Self {
            now: Instant::now(),
            external: rng.u8(..10) == 0,
            rng,
            chaos: true,
            queue: BTreeMap::new(),
            sequence: 0,
            processes: BTreeMap::new(),
            crashing,
            ring: BTreeMap::new(),
            weights: BTreeMap::new(),
            routers: (0..ROUTERS).map(|_| Router::default()).collect(),
            assigned: BTreeMap::new(),
            changes: BTreeMap::new(),
            left: BTreeMap::new(),
            ended: BTreeMap::new(),
            records: Records::default(),
        };
        world.later(Duration::ZERO, Scheduled::Fault);
        world.later(Duration::ZERO, Scheduled::Requests);
        world
    }

    /// The external servers, if the replicas are external.
    pub fn upstreams(&mut self) -> Vec<Upstream> {
        let n = if self.external { self.rng.u64(1..4) } else { 0 };
        (1..=n).map(|n| format!("old{n}=10.0.0.{n}:80").parse().expect("an upstream")).collect()
    }

    /// Time of the next scheduled event.
    pub fn next(&self) -> Option<Instant> {
        self.queue.keys().next().map(|(at, _)| *at)
    }

    /// Runs the next scheduled event; `Some`: an event for the fleet.
    pub fn step(&mut self) -> Option<Event> {
        let ((..), scheduled) = self.queue.pop_first()?;
        match scheduled {
            Scheduled::Notify(event) => return Some(self.delivered(event)),
            Scheduled::Retired(incarnation) => drop(self.records.retired.insert(incarnation)),
            Scheduled::Written(record) => self.records.stored = record,
            Scheduled::Recalled(router, id) => self.recalled(router, id),
            Scheduled::Requests => self.requests(),
            Scheduled::RequestEnds(router, incarnation) => self.request_ends(router, incarnation),
            Scheduled::Fault => self.fault(),
            Scheduled::Exits(incarnation, exit) => self.exits(incarnation, exit),
        }
        None
    }

    pub fn carry_out(&mut self, action: Action) {
        match action {
            Action::Launch(launch) => self.launch(launch),
            Action::Heartbeat(replica) => self.heartbeat(&replica),
            Action::Ring { id, change, retire, transitions } => self.change(id, change, retire, &transitions),
            Action::Inquire(incarnation) => {
                let result = self.inquire(incarnation);
                let delay = self.up_to(100);
                self.later(delay, Scheduled::Notify(result));
            }
            Action::ReadLastLogLine(incarnation) => {
                let delay = self.up_to(100);
                self.later(delay, Scheduled::Notify(Event::LastLogLine { incarnation, line: None }));
            }
            Action::Stop { incarnation, grace } => {
                let silent =
                    |process: &Process| matches!(process.health, Condition::Hung | Condition::Stopped);
                let hung = self.processes.get(&incarnation).is_some_and(silent);
                let grace = if hung { grace } else { self.up_to(grace.as_millis() as u64 + 1) };
                if let Some(process) = self.processes.get_mut(&incarnation) {
                    assert!(!process.stopping, "stopped twice");
                    process.stopping = true;
                }
                self.later(grace, Scheduled::Notify(Event::Stopped { incarnation }));
            }
            Action::KillDead(incarnation) => self.kill_dead(incarnation),
            Action::Record { revision, record } => self.write_record(revision, record),
            Action::Assign { seat, upstream } => {
                if let Some(upstream) = upstream {
                    self.assigned.insert(seat, upstream.authority());
                }
            }
            Action::Reply { .. }
            | Action::Publish(_)
            | Action::Suspects(_)
            | Action::Serving
            | Action::Halted => {}
        }
    }

    /// The balancer gets no CPU for a while: notices under way come late, and heartbeats time out.
    pub fn starve(&mut self) {
        let starved = self.up_to(STARVED);
        self.now += starved;
        for scheduled in self.queue.range_mut(..(self.now, 0)).map(|(_, scheduled)| scheduled) {
            if let Scheduled::Notify(Event::HeartbeatResult { result, .. }) = scheduled {
                *result = HeartbeatResult::Missed("timeout".to_owned());
            }
        }
    }

    fn delivered(&mut self, event: Event) -> Event {
        match &event {
            Event::Ring { id, .. } => {
                if let Some(recall) = self.changes.remove(id) {
                    self.left.extend(recall.leaves.into_iter().map(|incarnation| (incarnation, self.now)));
                }
            }
            Event::Recorded { result, .. } => self.records.failing = result.is_err(),
            Event::Stopped { incarnation } => drop(self.processes.remove(incarnation)),
            Event::HeartbeatResult { incarnation, result: HeartbeatResult::Good } => {
                if let Some(process) = self.processes.get_mut(incarnation) {
                    process.last_good = self.now;
                }
            }
            _ => {}
        }
        event
    }

    fn later(&mut self, delay: Duration, scheduled: Scheduled) {
        self.sequence += 1;
        self.queue.insert((self.now + delay, self.sequence), scheduled);
    }

    pub fn percent(&mut self, percent: u8) -> bool {
        self.rng.u8(..100) < percent
    }

    /// Whether an event with this probability in per cent happens; never without chaos.
    fn rare(&mut self, percent: u8) -> bool {
        self.chaos && self.percent(percent)
    }

    pub fn up_to(&mut self, ms: u64) -> Duration {
        Duration::from_millis(self.rng.u64(..ms.max(1)))
    }
}
