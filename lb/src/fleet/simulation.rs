//! Seeded simulation: a chaotic model world drives the fleet, and the invariants are checked after each step.
//! `LB_SEED=<n>` replays one seed; a failure prints the seed and the last events.

mod calls;
mod crash;
mod invariants;
mod world;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::*;
use crate::fleet::runtime::Upstream;
use crate::name::Name;
use crate::ring::Layout;
use crash::AllowedTargets;
use world::World;

const SEEDS: u64 = 300;
/// Threads that share the seeds: this is the longest of the unit tests.
const THREADS: u64 = 2;
const SECOND: Duration = Duration::from_secs(1);
/// Longer than any delay of the fleet or of the world.
const LONG: Duration = Duration::from_secs(240);
const TRACE: usize = 80;
const NAMES: [&str; 6] = ["S5", "a b", "a_b", "3", "server1", "server2"];

#[test]
fn the_invariants_hold_in_every_world() {
    match crate::testing::variable::number("LB_SEED") {
        Some(seed) => Simulation::new(seed).run(),
        None => std::thread::scope(|scope| {
            for first in 0..THREADS {
                scope.spawn(move || {
                    (first..SEEDS).step_by(THREADS as usize).for_each(|seed| Simulation::new(seed).run());
                });
            }
        }),
    }
}

struct Simulation {
    seed: u64,
    start: Instant,
    settings: Settings,
    fleet: Fleet,
    world: World,
    last_call: u64,
    calls: BTreeMap<CallId, Call>,
    /// Times of launches per seat, since the seat was made.
    launches: BTreeMap<SeatId, Vec<Instant>>,
    /// A rolling replacement has run at some time.
    rolled: bool,
    serving: usize,
    halted: usize,
    /// The numbers of seats that a restart may restore.
    allowed: AllowedTargets,
    trace: VecDeque<String>,
}

enum Call {
    Add(usize),
    Remove(Vec<Name>),
    Cordon(Name),
    Uncordon,
    Weigh,
    Replace,
    Roll,
    AddUpstream(Name),
    RemoveUpstream(Name),
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed);
        let settings = Settings {
            replicas: world.rng.usize(0..5),
            max_replicas: 8,
            weights: BTreeMap::new(),
            ownership: if world.external { Ownership::External } else { Ownership::Managed },
            upstreams: world.upstreams(),
            heartbeat_interval: SECOND / 2,
            heartbeat_failures: 3,
            replace_after: 3 * SECOND,
            head_timeout: [None, Some(30 * SECOND), Some(5 * SECOND)][world.rng.usize(..3)],
            start_timeout: 30 * SECOND,
            drain: 30 * SECOND,
            stop_timeout: 10 * SECOND,
            layout: Layout::default(),
            strict_rm: world.percent(20),
            keep: world.percent(20),
        };
        Self {
            seed,
            start: world.now,
            fleet: Fleet::new(settings.clone(), world.rng.fork()),
            settings,
            world,
            last_call: 0,
            calls: BTreeMap::new(),
            launches: BTreeMap::new(),
            rolled: false,
            serving: 0,
            halted: 0,
            allowed: AllowedTargets::default(),
            trace: VecDeque::new(),
        }
    }

    fn run(mut self) {
        let found = self.world.leftovers();
        self.dispatch(Event::Listed(found));
        self.allowed.begin(&self.fleet);
        let crashes = if self.world.external { 0 } else { self.world.rng.usize(..6) };
        for _ in 0..crashes {
            let life = self.world.up_to(40_000);
            self.pass(life);
            self.crash();
        }
        let chaos = Duration::from_secs(self.world.rng.u64(1..180));
        self.pass(chaos);
        if self.world.percent(70) {
            self.world.calm(self.settings.head_timeout.is_some());
            self.uncordon_all();
            self.pass(LONG);
            self.assert_whole();
        }
        (0..self.world.rng.usize(..4)).for_each(|_| self.call());
        if self.world.percent(70) {
            self.dispatch(Event::Close);
            let drain = Duration::from_secs(self.world.rng.u64(..30));
            self.pass(drain);
        }
        self.dispatch(Event::Stop);
        self.pass(LONG);
        assert_eq!((self.halted, self.calls.len()), (1, 0), "halted, calls without an answer");
        let left = &self.world.processes;
        if self.settings.keep {
            assert!(
                !left.values().any(|process| process.stopping),
                "stopped and left behind: {:?}",
                left.keys()
            );
        } else if !self.world.external {
            assert!(left.is_empty(), "left behind: {:?}", left.keys());
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.world.now + time;
        loop {
            let wake = self.fleet.next_wake(self.world.now);
            let happens = self.world.next().filter(|at| *at <= wake);
            let next = happens.unwrap_or(wake);
            if next > end {
                return;
            }
            self.world.now = next.max(self.world.now);
            if self.world.chaos && self.world.rng.u16(..3000) == 0 {
                self.world.starve();
            }
            if happens.is_none() {
                self.dispatch(Event::Tick);
            } else if let Some(event) = self.world.step() {
                self.dispatch(event);
            }
            if self.world.chaos && self.world.rng.u16(..400) == 0 {
                self.call();
            }
        }
    }

    fn dispatch(&mut self, event: Event) {
        self.forget_launches_of_the_stable();
        self.forget_uncounted_launch(&event);
        if !matches!(event, Event::Tick | Event::HeartbeatResult { result: HeartbeatResult::Good, .. }) {
            self.note(format!("> {event:?}"));
        }
        for action in self.fleet.on(event, self.world.now) {
            if !matches!(action, Action::Heartbeat(_)) {
                self.note(format!("  < {action:?}"));
            }
            self.check_action(&action);
            self.world.carry_out(action);
        }
        let wake = self.fleet.next_wake(self.world.now);
        assert!(wake > self.world.now, "the requested tick is not in the future");
        self.check_state();
    }

    fn note(&mut self, line: String) {
        if self.trace.len() == TRACE {
            self.trace.pop_front();
        }
        self.trace.push_back(format!("{:9.3} {line}", (self.world.now - self.start).as_secs_f64()));
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.trace.iter().for_each(|line| eprintln!("{line}"));
            eprintln!("replay with LB_SEED={}", self.seed);
        }
    }
}
