//! A seeded simulation: a world where everything goes wrong drives the fleet, and its promises are checked after each
//! step. `LB_SEED=<n>` replays one seed; a failure prints the seed and the last events.

mod world;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::restart::STABLE;
use super::*;
use crate::name::Name;
use world::World;

const SEEDS: u64 = 300;
const SECOND: Duration = Duration::from_secs(1);
/// Longer than any delay of the fleet and of the world.
const LONG: Duration = Duration::from_secs(240);
const TRACE: usize = 80;
const NAMES: [&str; 6] = ["S5", "a b", "a_b", "3", "server1", "server2"];

#[test]
fn the_fleet_keeps_its_promises() {
    match std::env::var("LB_SEED") {
        Ok(seed) => Simulation::new(seed.parse().expect("LB_SEED is a number")).run(),
        Err(_) => (0..SEEDS).for_each(|seed| Simulation::new(seed).run()),
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
    /// Per seat, since it was made.
    launches: BTreeMap<SeatId, Vec<Instant>>,
    serving: usize,
    halted: usize,
    trace: VecDeque<String>,
}

enum Call {
    Add(usize),
    Remove(Vec<Name>),
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed);
        let settings = Settings {
            replicas: world.rng.usize(0..5),
            max_replicas: 8,
            ownership: if world.foreign { Ownership::Foreign } else { Ownership::Ours },
            heartbeat_interval: SECOND / 2,
            heartbeat_failures: 3,
            replace_after: 3 * SECOND,
            start_timeout: 30 * SECOND,
            drain: 30 * SECOND,
            stop_timeout: 10 * SECOND,
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
            serving: 0,
            halted: 0,
            trace: VecDeque::new(),
        }
    }

    fn run(mut self) {
        let found = self.world.leftovers();
        self.feed(Event::Listed(found));
        let chaos = Duration::from_secs(self.world.rng.u64(1..180));
        self.pass(chaos);
        if self.world.percent(70) {
            self.world.calm();
            self.pass(LONG);
            self.assert_whole();
        }
        (0..self.world.rng.usize(..4)).for_each(|_| self.call());
        if self.world.percent(70) {
            self.feed(Event::Close);
            let drain = Duration::from_secs(self.world.rng.u64(..30));
            self.pass(drain);
        }
        self.feed(Event::Stop);
        self.pass(LONG);
        assert_eq!((self.halted, self.calls.len()), (1, 0), "halted, calls without an answer");
        let left = &self.world.processes;
        if self.settings.keep {
            assert!(
                !left.values().any(|process| process.stopping),
                "stopped and left behind: {:?}",
                left.keys()
            );
        } else if !self.world.foreign {
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
                self.feed(Event::Tick);
            } else if let Some(event) = self.world.step() {
                self.feed(event);
            }
            if self.world.chaos && self.world.rng.u16(..800) == 0 {
                self.call();
            }
        }
    }

    /// Somebody calls /add or /rm.
    fn call(&mut self) {
        self.last_call += 1;
        let call = CallId(self.last_call);
        let n = self.world.rng.usize(1..4);
        let known: Vec<Name> = self.fleet.names();
        let mut names: Vec<Name> = Vec::new();
        for _ in 0..self.world.rng.usize(..=n) {
            let known = self.world.rng.choice(&known).cloned().filter(|_| self.last_call.is_multiple_of(2));
            let name = known.unwrap_or_else(|| NAMES[self.world.rng.usize(..NAMES.len())].parse().unwrap());
            names.push(name);
        }
        if self.world.percent(50) {
            self.calls.insert(call, Call::Add(n));
            self.feed(Event::Add { call, n, names });
        } else {
            self.calls.insert(call, Call::Remove(names.clone()));
            let seats: Vec<SeatId> = self.world.ring.keys().copied().collect();
            let mut load = || (self.world.rng.usize(..3), self.world.rng.usize(..3));
            let loads = seats.into_iter().map(|seat| (seat, load())).collect();
            self.feed(Event::Remove { call, n, names, loads });
        }
    }

    fn feed(&mut self, event: Event) {
        self.forget_launches_of_the_stable();
        if !matches!(event, Event::Tick | Event::Beat { beat: Beat::Good, .. }) {
            self.note(format!("> {event:?}"));
        }
        for action in self.fleet.on(event, self.world.now) {
            if !matches!(action, Action::Probe(_)) {
                self.note(format!("  < {action:?}"));
            }
            self.check_action(&action);
            self.world.act(action);
        }
        let wake = self.fleet.next_wake(self.world.now);
        assert!(wake > self.world.now, "the fleet would tick for ever");
        self.check_state();
    }

    /// The limit of launches holds for seats that do not become stable.
    fn forget_launches_of_the_stable(&mut self) {
        let stable = |of: &Incarnation| {
            self.fleet.members.get(of).is_some_and(|member| member.stable(STABLE, self.world.now))
        };
        let stable = self.fleet.seats.iter().filter(|(_, seat)| seat.occupant.iter().any(stable));
        for (id, _) in stable {
            self.launches.remove(id);
        }
    }

    fn check_action(&mut self, action: &Action) {
        let refuses = matches!(action, Action::Reply { result: Err(_), .. });
        assert!(self.halted == 0 || refuses, "something is done after the end");
        let now = self.world.now;
        match action {
            Action::Launch(launch) => {
                assert_eq!(self.fleet.frozen, None, "launched while stopping");
                let of_seat = self.launches.entry(launch.seat).or_default();
                of_seat.push(now);
                let too_many = of_seat.windows(6).any(|six| six[5] < six[0] + 60 * SECOND);
                assert!(!too_many || self.world.foreign, "more than 5 launches");
            }
            Action::Stop { incarnation, .. } if !self.fleet.stopping => {
                assert!(!self.world.routed(*incarnation), "stopped, but the ring still routes to it");
                let drained = self.world.in_flight(*incarnation) == 0
                    || self.world.processes.get(incarnation).is_none_or(|process| !process.running);
                let left = self.world.left.get(incarnation);
                let cut_short = left.is_some_and(|left| now < *left + self.settings.drain);
                assert!(drained || !cut_short, "stopped, but requests are in flight");
            }
            Action::Ring { change: Change::Vacate(seat), .. } => {
                let occupant = self.world.ring.get(seat).copied().flatten().expect("an occupant");
                assert!(!self.world.well(occupant), "a replica that is well was killed");
                if let Some(last_good) = self.world.busy_since(occupant) {
                    assert!(now >= last_good + 10 * self.settings.replace_after, "a busy replica was killed");
                }
            }
            Action::Reply { call, result } => {
                let asked = self.calls.remove(call).expect("a call that waits");
                match (asked, result) {
                    (Call::Add(n), Ok(_)) => assert!(n <= self.settings.max_replicas),
                    (Call::Remove(named), Ok(left)) => {
                        let stays = named.iter().find(|name| left.contains(name));
                        assert_eq!(stays, None, "removed, but still listed");
                    }
                    (_, Err(_)) => {}
                }
            }
            Action::Serving => {
                self.serving += 1;
                assert_eq!(self.serving, 1, "announced twice");
            }
            Action::Halted => self.halted += 1,
            _ => {}
        }
    }

    fn check_state(&mut self) {
        let Fleet { seats, members, .. } = &self.fleet;
        let alive = |m: &&Member| matches!(m.phase, Phase::Starting | Phase::Ready | Phase::Suspect);
        self.launches.retain(|seat, _| seats.contains_key(seat));
        for (id, seat) in seats {
            for of in seat.occupant.iter().chain(&seat.candidate) {
                let Some(member) = members.get(of).filter(|m| alive(m)) else {
                    assert!(self.fleet.stopping, "seat {id} waits for nobody");
                    continue;
                };
                assert_eq!(member.launch.seat, *id, "in a seat that is not its own");
            }
            assert!(!seat.hung || self.fleet.serving(seat).is_none(), "the mark of a hang outlives it");
            let outdated = seat.occupant.and_then(|of| members.get(&of)).is_none_or(|member| member.outdated);
            assert!(outdated || seat.candidate.is_none(), "a candidate for an occupied seat");
        }
        for member in members.values().filter(alive) {
            let seat = seats.get(&member.launch.seat).expect("a living replica has a seat");
            let incarnation = Some(member.launch.incarnation);
            assert!(seat.occupant == incarnation || seat.candidate == incarnation, "surplus {incarnation:?}");
        }
        let draining = members.values().filter(|member| member.phase == Phase::Draining);
        let idle = draining.map(|m| m.launch.incarnation).find(|of| self.world.idle(*of));
        assert_eq!(idle, None, "waits although no request is in flight");
        let holds = |m: &&Member| alive(m) || m.phase == Phase::Leaving;
        let names = members.values().filter(holds).map(|member| member.launch.name.container());
        let mut seen = BTreeSet::new();
        names.for_each(|name| assert!(seen.insert(name.clone()), "two replicas are called {name}"));

        let joined = seats.iter().filter(|(_, seat)| seat.joined());
        let occupants: BTreeMap<SeatId, Option<Incarnation>> =
            joined.map(|(id, seat)| (*id, seat.occupant)).collect();
        assert_eq!(occupants, self.world.ring, "the fleet's seats, the ring's");
        let view = self.fleet.view();
        assert_eq!(view.target, self.world.ring.len(), "target, seats in the ring");
        for seat in view.seats {
            let listed = seat.replica.filter(|m| matches!(m.phase, Phase::Ready | Phase::Suspect));
            let routed = self.world.ring[&seat.seat];
            assert!(listed.is_none_or(|member| routed == Some(member.incarnation)), "listed, not routed");
        }
    }

    /// In a world at peace all is as it should be.
    fn assert_whole(&self) {
        let Fleet { members, tickets, .. } = &self.fleet;
        let target = self.world.ring.len();
        assert_eq!(self.fleet.names().len(), target, "listed, target");
        assert_eq!(
            (members.len(), tickets.len(), self.calls.len()),
            (target, 0, 0),
            "members, tickets, calls"
        );
        assert_eq!(self.serving, 1, "announced");
        assert!(members.values().all(|member| member.phase == Phase::Ready), "not all are ready");
        assert!(!members.values().any(|member| member.outdated), "outdated");
        if !self.world.foreign {
            assert!(members.keys().eq(self.world.processes.keys()), "processes of no replica");
        }
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
