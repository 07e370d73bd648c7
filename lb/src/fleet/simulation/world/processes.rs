//! Processes of the model world: they start late or never, crash, hang, refuse connections and recover.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::*;
use crate::fleet::runtime::{Found, Instance, Launch, RuntimeError, Standing};
use crate::ring::Replica;

pub struct Process {
    pub running: bool,
    pub stopping: bool,
    pub(super) listens: Option<Instant>,
    pub(super) health: Condition,
    pub(super) since: Instant,
    /// When the fleet last got a good heartbeat.
    pub(super) last_good: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    Well,
    Refusing,
    /// Neither heartbeats nor requests are answered.
    Hung,
    /// Heartbeats are not answered, but requests are, or bytes of a body move.
    Busy,
    /// Heartbeats are not answered, and one request waits for its reply: a server that handles one request at a time.
    Working,
    /// Stopped or paused: requests wait, and the kernel accepts bytes for the process.
    Stopped,
}

impl World {
    /// Replicas that an earlier balancer left behind.
    pub fn leftovers(&mut self) -> Vec<Found> {
        if self.external {
            return Vec::new();
        }
        let n = self.rng.u64(0..8).saturating_sub(3);
        (1..=n)
            .map(|incarnation| {
                let seat = self.rng.u32(1..5);
                let launch = Launch {
                    seat: SeatId::new(seat).unwrap(),
                    name: format!("old{incarnation}").parse().unwrap(),
                    incarnation: Incarnation(incarnation),
                };
                let runs = self.percent(70);
                self.records.launches.insert(launch.incarnation, launch.clone());
                self.begin(launch.incarnation, runs, Duration::ZERO);
                let instance = runs.then(|| instance(launch.incarnation));
                let standing = match self.rng.u8(..10) {
                    0 => Standing::Leaving,
                    1..=3 => Standing::Outdated,
                    _ => Standing::Current,
                };
                Found { launch, weight: Weight::DEFAULT, instance, standing }
            })
            .collect()
    }

    /// Ends the chaos. `ends`: requests have a `--head-timeout`.
    pub fn calm(&mut self, ends: bool) {
        self.chaos = false;
        let now = self.now;
        for process in self.processes.values_mut().filter(|process| process.running) {
            process.listens.get_or_insert(now);
            // A replica that is stopped, or works for longer than --head-timeout, is replaced.
            let lasts = process.health == Condition::Stopped || process.health == Condition::Working && ends;
            if !lasts || process.stopping {
                (process.health, process.since) = (Condition::Well, now);
            }
        }
    }

    pub(super) fn begin(&mut self, incarnation: Incarnation, running: bool, listens: Duration) {
        let process = Process {
            running,
            stopping: false,
            listens: Some(self.now + listens),
            health: Condition::Well,
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
                self.later(
                    after,
                    Scheduled::Notify(Event::Runtime(RuntimeEvent::Exited { incarnation, exit })),
                );
            }
            let why = "no".to_owned();
            let result = Err(match self.rng.u8(..4) {
                0 => RuntimeError::Unavailable(why),
                1 => RuntimeError::NoAddress(why),
                _ => RuntimeError::Refused(why),
            });
            return self.later(delay, Scheduled::Notify(Event::Launched { incarnation, result }));
        }
        let listens = if self.external { Duration::ZERO } else { delay + self.up_to(2000) };
        self.begin(incarnation, true, listens);
        self.records.launches.insert(incarnation, launch.clone());
        if self.rare(3)
            && let Some(process) = self.processes.get_mut(&incarnation)
        {
            process.listens = None;
        }
        self.later(
            delay,
            Scheduled::Notify(Event::Launched { incarnation, result: Ok(instance(incarnation)) }),
        );
        if self.external {
            return;
        }
        let crashing = self.chaos && self.crashing == Some(launch.seat);
        if crashing || self.rare(8) {
            let exit = if self.percent(30) { Exit::PortTaken } else { Exit::Ended("early".to_owned()) };
            let after = self.up_to(listens.as_millis() as u64 + 1000);
            self.later(after, Scheduled::Exits(incarnation, exit));
        }
    }

    pub(super) fn heartbeat(&mut self, replica: &Replica) {
        let incarnation = replica.incarnation;
        let missed = || HeartbeatResult::Missed("timeout".to_owned());
        let lost = self.rare(2);
        let result = match self.processes.get(&incarnation) {
            Some(process) if process.running && process.listens.is_some_and(|at| at <= self.now) => {
                match process.health {
                    Condition::Well if lost => missed(),
                    Condition::Well => HeartbeatResult::Good,
                    Condition::Refusing => HeartbeatResult::Refused,
                    Condition::Hung | Condition::Busy | Condition::Working | Condition::Stopped => missed(),
                }
            }
            _ => HeartbeatResult::Refused,
        };
        let delay = if matches!(result, HeartbeatResult::Missed(_)) {
            Duration::from_millis(400)
        } else {
            self.up_to(50)
        };
        self.later(delay, Scheduled::Notify(Event::HeartbeatResult { incarnation, result }));
    }

    pub(super) fn fault(&mut self) {
        let pause = self.up_to(4000);
        self.later(pause, Scheduled::Fault);
        let running = self.processes.iter().filter(|(_, process)| process.running);
        let running: Vec<Incarnation> = running.map(|(incarnation, _)| *incarnation).collect();
        let Some(incarnation) = self.rng.choice(running).filter(|_| self.chaos) else { return };
        if self.external && self.percent(20) {
            return self.name_moves();
        }
        let health = match self.rng.u8(..11) {
            8 => {
                // A SIGTERM that the balancer did not send.
                self.later(
                    Duration::ZERO,
                    Scheduled::Notify(Event::Runtime(RuntimeEvent::Terminated { incarnation })),
                );
                let after = self.up_to(2000);
                return self.later(after, Scheduled::Exits(incarnation, Exit::Ended("SIGTERM".to_owned())));
            }
            0 | 1 => return self.exits(incarnation, Exit::Ended("killed".to_owned())),
            2 => Condition::Hung,
            3 => Condition::Busy,
            4 => Condition::Refusing,
            9 => Condition::Working,
            10 => Condition::Stopped,
            _ => Condition::Well,
        };
        // All processes at once, as when the machine or the network is at fault.
        let all = self.rng.u8(..20) == 0;
        for (of, process) in &mut self.processes {
            // On a change from silence to work, the routers' answer may be older than the change.
            let silent = matches!(process.health, Condition::Hung | Condition::Stopped | Condition::Working);
            let works = matches!(health, Condition::Busy | Condition::Working);
            if (all || *of == incarnation) && !(silent && works) {
                (process.health, process.since) = (health, self.now);
            }
        }
    }

    /// The name of an external server gets other addresses, or does not resolve.
    fn name_moves(&mut self) {
        let Some((seat, id)) = self.rng.choice(self.assigned.clone()) else { return };
        let elsewhere = |n: u8| SocketAddr::from(([10, 1, 1, n], 80));
        let addresses = match self.rng.u8(..3) {
            0 => Err("no such host".to_owned()),
            n => Ok((0..n).map(elsewhere).collect()),
        };
        self.later(
            Duration::ZERO,
            Scheduled::Notify(Event::Runtime(RuntimeEvent::Resolved { seat, id, addresses })),
        );
    }

    pub(super) fn exits(&mut self, incarnation: Incarnation, exit: Exit) {
        let Some(process) = self.processes.get_mut(&incarnation).filter(|process| process.running) else {
            return;
        };
        process.running = false;
        let lost = process.stopping || self.external || self.rare(3);
        if !lost {
            let delay = self.up_to(50);
            self.later(delay, Scheduled::Notify(Event::Runtime(RuntimeEvent::Exited { incarnation, exit })));
        }
    }

    /// Kills a process that is dead to the fleet, and keeps its container; the engine may fail to.
    pub(super) fn kill_dead(&mut self, incarnation: Incarnation) {
        let Some(process) = self.processes.get_mut(&incarnation) else { return };
        process.running = false;
        let delay = self.up_to(500);
        if !self.rare(20) {
            self.later(delay, Scheduled::Notify(Event::DeadKilled { incarnation }));
        }
    }

    /// The result of an inquiry about a replica now.
    pub(super) fn inquire(&mut self, incarnation: Incarnation) -> Event {
        let now = self.now;
        let (mut activity, mut suspended) = (Activity::default(), false);
        if let Some(process) = self.processes.get(&incarnation).filter(|process| process.running) {
            match process.health {
                Condition::Well | Condition::Busy => activity.last_progress = Some(now),
                Condition::Working => activity.waiting_since = Some(process.since),
                Condition::Stopped => {
                    suspended = !self.external;
                    if suspended {
                        activity = Activity { last_progress: Some(now), waiting_since: Some(now) };
                    }
                }
                Condition::Hung | Condition::Refusing => {}
            }
        }
        // A starved router does not answer.
        let unknown = self.rare(3);
        Event::InquiryResult {
            incarnation,
            activity: (!unknown).then_some(activity),
            suspended: Some(suspended),
        }
    }

    /// Whether the process misses heartbeats but answers requests.
    pub fn busy(&self, incarnation: Incarnation) -> bool {
        self.settled(incarnation).is_some_and(|process| process.health == Condition::Busy)
    }

    /// How long a request has waited for the process, since the last good heartbeat.
    pub fn working_for(&self, incarnation: Incarnation) -> Option<Duration> {
        let process = self.settled(incarnation).filter(|process| process.health == Condition::Working)?;
        Some(self.now - process.since.max(process.last_good))
    }

    /// The process if it is alive and no notice about an earlier state can be under way.
    fn settled(&self, incarnation: Incarnation) -> Option<&Process> {
        let process = self.processes.get(&incarnation).filter(|process| process.running)?;
        (self.now >= process.since + Duration::from_secs(1)).then_some(process)
    }

    /// Whether the fleet has stopped the process.
    pub fn stopping(&self, incarnation: Incarnation) -> bool {
        self.processes.get(&incarnation).is_some_and(|process| process.stopping)
    }

    /// Whether the process has answered everything for so long that no bad notice can be under way.
    pub fn well(&self, incarnation: Incarnation) -> bool {
        let well = |p: &&Process| p.running && p.health == Condition::Well && self.now > p.since + LATE;
        self.processes.get(&incarnation).filter(well).is_some()
    }
}

/// A replica as a starting balancer finds it.
pub(super) fn found(launch: Launch, running: bool, leaving: bool) -> Found {
    let instance = running.then(|| instance(launch.incarnation));
    let standing = if leaving { Standing::Leaving } else { Standing::Current };
    Found { launch, weight: Weight::DEFAULT, instance, standing }
}

fn instance(incarnation: Incarnation) -> Instance {
    let port = 1024 + (incarnation.0 % 60_000) as u16;
    Instance { id: incarnation.to_string(), address: ([127, 0, 0, 1], port).into() }
}
