//! Processes that start late or never, crash, hang, refuse and recover.

use std::time::{Duration, Instant};

use super::*;
use crate::ring::Replica;
use crate::runtime::{Error, Found, Instance, Launch, Standing};

pub struct Process {
    pub running: bool,
    pub stopping: bool,
    pub(super) listens: Option<Instant>,
    pub(super) health: Health,
    pub(super) since: Instant,
    /// When the fleet last saw a good heartbeat, and whether the data path has answered ever since.
    pub(super) last_good: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Health {
    Well,
    Refusing,
    /// No heartbeat is answered, and no request.
    Hung,
    /// No heartbeat is answered, but requests are.
    Busy,
}

impl World {
    /// What an earlier life left behind.
    pub fn leftovers(&mut self) -> Vec<Found> {
        let foreign = self.foreign;
        let n = if foreign { self.rng.u64(1..4) } else { self.rng.u64(0..8).saturating_sub(3) };
        (1..=n)
            .map(|incarnation| {
                let seat = if foreign { incarnation as u32 } else { self.rng.u32(1..5) };
                let launch = Launch {
                    seat: SeatId::new(seat).unwrap(),
                    name: format!("old{incarnation}").parse().unwrap(),
                    incarnation: Incarnation(incarnation),
                };
                let runs = self.percent(70);
                if runs || !foreign {
                    self.begin(launch.incarnation, runs, Duration::ZERO);
                }
                let instance = runs.then(|| instance(launch.incarnation));
                let standing = match self.rng.u8(..10) {
                    0 if !foreign => Standing::Leaving,
                    1..=3 if !foreign => Standing::Outdated,
                    _ => Standing::Current,
                };
                Found { launch, weight: Weight::DEFAULT, instance, standing }
            })
            .collect()
    }

    /// From now on nothing goes wrong any more.
    pub fn calm(&mut self) {
        self.chaos = false;
        let now = self.now;
        for process in self.processes.values_mut().filter(|process| process.running) {
            (process.health, process.since) = (Health::Well, now);
            process.listens.get_or_insert(now);
        }
    }

    pub(super) fn begin(&mut self, incarnation: Incarnation, running: bool, listens: Duration) {
        let process = Process {
            running,
            stopping: false,
            listens: Some(self.now + listens),
            health: Health::Well,
            since: self.now,
            last_good: self.now,
        };
        self.processes.insert(incarnation, process);
    }

    pub(super) fn launch(&mut self, launch: Launch) {
        let incarnation = launch.incarnation;
        let slow = self.rare(2);
        let delay = if slow { self.up_to(40_000) } else { self.up_to(300) };
        if self.rare(5) {
            if self.percent(30) {
                let (exit, after) = (Exit::Ended("at once".to_owned()), self.up_to(delay.as_millis() as u64));
                self.later(after, Happening::Told(Event::Exited { incarnation, exit }));
            }
            let why = "no".to_owned();
            let result = Err(match self.rng.u8(..4) {
                0 => Error::Unavailable(why),
                1 => Error::NoAddress(why),
                _ => Error::Refused(why),
            });
            return self.later(delay, Happening::Told(Event::Launched { incarnation, result }));
        }
        let listens = if self.foreign { Duration::ZERO } else { delay + self.up_to(2000) };
        self.begin(incarnation, true, listens);
        if self.rare(3)
            && let Some(process) = self.processes.get_mut(&incarnation)
        {
            process.listens = None;
        }
        self.later(
            delay,
            Happening::Told(Event::Launched { incarnation, result: Ok(instance(incarnation)) }),
        );
        if self.foreign {
            return;
        }
        let cursed = self.chaos && self.cursed == Some(launch.seat);
        if cursed || self.rare(8) {
            let exit = if self.percent(30) { Exit::PortTaken } else { Exit::Ended("early".to_owned()) };
            let after = self.up_to(listens.as_millis() as u64 + 1000);
            self.later(after, Happening::Exits(incarnation, exit));
        }
    }

    pub(super) fn probe(&mut self, replica: &Replica) {
        let incarnation = replica.incarnation;
        let missed = || Beat::Missed("timeout".to_owned());
        let lost = self.rare(2);
        let beat = match self.processes.get(&incarnation) {
            Some(process) if process.running && process.listens.is_some_and(|at| at <= self.now) => {
                match process.health {
                    Health::Well if lost => missed(),
                    Health::Well => Beat::Good,
                    Health::Refusing => Beat::Refused,
                    Health::Hung | Health::Busy => missed(),
                }
            }
            _ => Beat::Refused,
        };
        let delay = if matches!(beat, Beat::Missed(_)) { Duration::from_millis(400) } else { self.up_to(50) };
        self.later(delay, Happening::Told(Event::Beat { incarnation, beat }));
    }

    pub(super) fn mischief(&mut self) {
        let pause = self.up_to(4000);
        self.later(pause, Happening::Mischief);
        let running = self.processes.iter().filter(|(_, process)| process.running);
        let running: Vec<Incarnation> = running.map(|(incarnation, _)| *incarnation).collect();
        let Some(incarnation) = self.rng.choice(running).filter(|_| self.chaos) else { return };
        let health = match self.rng.u8(..9) {
            8 => {
                // Somebody else's SIGTERM.
                self.later(Duration::ZERO, Happening::Told(Event::Terminated { incarnation }));
                let after = self.up_to(2000);
                return self.later(after, Happening::Exits(incarnation, Exit::Ended("told to".to_owned())));
            }
            0 | 1 => return self.exits(incarnation, Exit::Ended("killed".to_owned())),
            2 => Health::Hung,
            3 => Health::Busy,
            4 => Health::Refusing,
            _ => Health::Well,
        };
        // All at once, as when the machine or the network is at fault.
        let all = self.rng.u8(..20) == 0;
        for (of, process) in &mut self.processes {
            // From hung to busy the routers' answer may be older than the change.
            if (all || *of == incarnation) && (process.health, health) != (Health::Hung, Health::Busy) {
                (process.health, process.since) = (health, self.now);
            }
        }
    }

    pub(super) fn exits(&mut self, incarnation: Incarnation, exit: Exit) {
        let Some(process) = self.processes.get_mut(&incarnation).filter(|process| process.running) else {
            return;
        };
        process.running = false;
        let lost = process.stopping || self.foreign || self.rare(3);
        if !lost {
            let delay = self.up_to(50);
            self.later(delay, Happening::Told(Event::Exited { incarnation, exit }));
        }
    }

    /// Kills what is dead to the fleet, and keeps it; the engine may fail to.
    pub(super) fn end(&mut self, incarnation: Incarnation) {
        let Some(process) = self.processes.get_mut(&incarnation) else { return };
        process.running = false;
        let delay = self.up_to(500);
        if !self.rare(20) {
            self.later(delay, Happening::Told(Event::Ended { incarnation }));
        }
    }

    /// Since when a living process has answered requests but no heartbeat: the last good heartbeat before.
    pub fn busy_since(&self, incarnation: Incarnation) -> Option<Instant> {
        let process = self.processes.get(&incarnation).filter(|process| process.running)?;
        let settled = self.now >= process.since + Duration::from_secs(1);
        (process.health == Health::Busy && settled).then_some(process.last_good)
    }

    /// Whether the fleet has told it to end.
    pub fn stopping(&self, incarnation: Incarnation) -> bool {
        self.processes.get(&incarnation).is_some_and(|process| process.stopping)
    }

    /// Whether it has answered everything for so long that no bad news can be under way.
    pub fn well(&self, incarnation: Incarnation) -> bool {
        let well = |p: &&Process| p.running && p.health == Health::Well && self.now > p.since + LATE;
        self.processes.get(&incarnation).filter(well).is_some()
    }
}

impl Process {
    pub(super) fn answers(&self) -> bool {
        self.running && matches!(self.health, Health::Well | Health::Busy)
    }
}

fn instance(incarnation: Incarnation) -> Instance {
    let port = 1024 + (incarnation.0 % 60_000) as u16;
    Instance { id: incarnation.to_string(), address: ([127, 0, 0, 1], port).into() }
}
