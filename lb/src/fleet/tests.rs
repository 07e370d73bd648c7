//! Rules of the fleet as readable scenarios: what happens, and what must follow. They run on a world that carries out
//! actions at once.

mod add;
mod adoption;
mod busy;
mod configure;
mod cordon;
mod counters;
mod crash_loop;
mod external;
mod heartbeats;
mod record;
mod replace;
mod rm;
mod rollout;
mod start;
mod stop;
mod values;
mod weight;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::*;
use crate::fleet::runtime::{Exit, Found, Instance, Launch, RuntimeError, Standing};
use crate::name::Name;
use crate::ring::{Layout, Replica};
use values::*;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// A world that carries out each action of the fleet at once, except for those that a test holds back or breaks.
struct Scenario {
    fleet: Fleet,
    start: Instant,
    now: Instant,
    /// Actions that are not answered before [`Scenario::release`].
    hold: fn(&Action) -> bool,
    held: Vec<Action>,
    /// Outcomes of heartbeats that are not good.
    heartbeats: BTreeMap<Incarnation, HeartbeatResult>,
    /// Replicas that make progress on their requests.
    replying: BTreeSet<Incarnation>,
    /// What the routers observe of the other replicas.
    activity: BTreeMap<Incarnation, Activity>,
    /// Replicas that are stopped or paused.
    suspended: BTreeSet<Incarnation>,
    /// Routers with requests in flight to replicas that leave.
    busy: Busy,
    /// The error of every launch, if set.
    broken: Option<RuntimeError>,
    log: Vec<(Duration, Action)>,
}

impl Scenario {
    fn new(settings: Settings) -> Self {
        let now = Instant::now();
        Self {
            fleet: Fleet::new(settings, fastrand::Rng::with_seed(3)),
            start: now,
            now,
            hold: |_| false,
            held: Vec::new(),
            heartbeats: BTreeMap::new(),
            replying: BTreeSet::new(),
            activity: BTreeMap::new(),
            suspended: BTreeSet::new(),
            busy: Vec::new(),
            broken: None,
            log: Vec::new(),
        }
    }

    /// A first start of `n` replicas, all of them ready.
    fn ready(n: usize) -> Self {
        let mut scenario = Self::new(Settings { replicas: n, ..settings() });
        scenario.dispatch(Event::Listed(Vec::new()));
        scenario.pass(50 * MS);
        assert_eq!(scenario.names().len(), n);
        scenario
    }

    fn dispatch(&mut self, event: Event) {
        let mut events = vec![event];
        while !events.is_empty() {
            let actions: Vec<Action> =
                events.drain(..).flat_map(|event| self.fleet.on(event, self.now)).collect();
            for action in actions {
                self.log.push((self.now - self.start, action.clone()));
                if (self.hold)(&action) {
                    self.held.push(action);
                } else {
                    events.extend(self.answer(action));
                }
            }
        }
    }

    fn answer(&mut self, action: Action) -> Option<Event> {
        Some(match action {
            Action::Launch(Launch { incarnation, .. }) => Event::Launched {
                incarnation,
                result: match &self.broken {
                    Some(error) => Err(error.clone()),
                    None => Ok(instance(incarnation.0)),
                },
            },
            Action::Heartbeat(replica) => {
                let incarnation = replica.incarnation;
                Event::HeartbeatResult {
                    incarnation,
                    result: self.heartbeats.get(&incarnation).cloned().unwrap_or(HeartbeatResult::Good),
                }
            }
            Action::Ring { id, .. } => Event::Ring { id, busy: self.busy.clone() },
            Action::Inquire(incarnation) => {
                let activity = if self.replying.contains(&incarnation) {
                    Activity { last_progress: Some(self.now), waiting_since: None }
                } else {
                    self.activity.get(&incarnation).copied().unwrap_or_default()
                };
                let suspended = Some(self.suspended.contains(&incarnation));
                Event::InquiryResult { incarnation, activity: Some(activity), suspended }
            }
            Action::ReadLastLogLine(incarnation) => {
                Event::LastLogLine { incarnation, line: Some("still thinking".into()) }
            }
            Action::Stop { incarnation, .. } => Event::Stopped { incarnation },
            Action::KillDead(incarnation) => Event::DeadKilled { incarnation },
            Action::Record { revision, .. } => Event::Recorded { revision, result: Ok(()) },
            Action::Assign { .. }
            | Action::Reply { .. }
            | Action::Publish(_)
            | Action::Suspects(_)
            | Action::Serving
            | Action::Halted => return None,
        })
    }

    /// Answers the actions that were held back, and holds none back any more.
    fn release(&mut self) {
        self.hold = |_| false;
        for action in std::mem::take(&mut self.held) {
            if let Some(event) = self.answer(action) {
                self.dispatch(event);
            }
        }
    }

    /// Lets time pass, with a tick whenever the fleet has requested one.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let wake = self.fleet.next_wake(self.now);
            assert!(wake > self.now, "the requested tick is not in the future");
            if wake > end {
                break;
            }
            self.now = wake;
            self.dispatch(Event::Tick);
        }
        self.now = end;
    }

    /// Calls a command that needs no loads, or for which they do not matter.
    fn call(&mut self, call: u64, command: Command) {
        self.dispatch(Event::Call { call: CallId(call), command, loads: Loads::new() });
    }

    fn add(&mut self, call: u64, n: usize, names: &[&str]) {
        self.call(call, Command::Add { n, names: names.iter().map(|text| name(text)).collect() });
    }

    fn rm(&mut self, call: u64, n: usize, names: &[&str]) {
        self.rm_by(call, n, names, Loads::new());
    }

    fn rm_by(&mut self, call: u64, n: usize, names: &[&str], loads: Loads) {
        let names = names.iter().map(|text| name(text)).collect();
        self.remove(call, Removal { n, names, ..Removal::default() }, loads);
    }

    fn remove(&mut self, call: u64, removal: Removal, loads: Loads) {
        self.dispatch(Event::Call { call: CallId(call), command: Command::Remove(removal), loads });
    }

    fn weigh(&mut self, call: u64, id: u32, weight: u32) {
        let weight = Weight::new(weight).unwrap();
        self.call(call, Command::Weigh(vec![(seat(id), weight)]));
    }

    fn cordon(&mut self, call: u64, name: &str) {
        self.call(call, Command::Cordon(name.parse().unwrap()));
    }

    fn uncordon(&mut self, call: u64, name: &str) {
        self.call(call, Command::Uncordon(name.parse().unwrap()));
    }

    fn exit(&mut self, incarnation: u64) {
        let exit = Exit::Ended("exit status: 1".to_owned());
        self.dispatch(Event::Runtime(RuntimeEvent::Exited { incarnation: Incarnation(incarnation), exit }));
    }

    fn hang(&mut self, incarnation: u64) {
        self.heartbeats.insert(Incarnation(incarnation), HeartbeatResult::Missed("timeout".to_owned()));
    }

    fn names(&self) -> Vec<String> {
        self.fleet.names().iter().map(Name::to_string).collect()
    }

    /// Seat, incarnation and phase of each replica that has a seat or is starting for one.
    fn seats(&self) -> Vec<(u32, Option<(u64, Phase)>)> {
        let of = |member: MemberView| (member.incarnation.0, member.phase);
        self.fleet.view().seats.into_iter().map(|seat| (seat.seat.get(), seat.replica.map(of))).collect()
    }

    fn reply(&self, call: u64) -> Option<Result<Vec<String>, CommandError>> {
        let names = |answer: Answer| answer.replicas.iter().map(Name::to_string).collect();
        Some(self.answered(call)?.map(names))
    }

    /// The seat and the replica that a call concerned.
    fn about(&self, call: u64) -> Result<(u32, String), CommandError> {
        let answer = self.answered(call).expect("an answer")?;
        Ok(answer.about.map(|(seat, name)| (seat.get(), name.to_string())).expect("a seat and a replica"))
    }

    fn answered(&self, call: u64) -> Option<Result<Answer, CommandError>> {
        let mut replies = self.log.iter().filter_map(|(_, action)| match action {
            Action::Reply { call: of, result } if *of == CallId(call) => Some(result.clone()),
            _ => None,
        });
        let reply = replies.next()?;
        assert!(replies.next().is_none(), "call {call} was answered twice");
        Some(reply)
    }

    fn error(&self, call: u64) -> CommandError {
        self.reply(call).expect("an answer").unwrap_err()
    }

    fn launches(&self) -> Vec<Launch> {
        self.log
            .iter()
            .filter_map(|(_, action)| match action {
                Action::Launch(launch) => Some(launch.clone()),
                _ => None,
            })
            .collect()
    }

    fn stops(&self) -> Vec<(u64, Duration)> {
        self.log
            .iter()
            .filter_map(|(_, action)| match action {
                Action::Stop { incarnation, grace } => Some((incarnation.0, *grace)),
                _ => None,
            })
            .collect()
    }

    fn changes(&self) -> Vec<Change> {
        self.log
            .iter()
            .filter_map(|(_, action)| match action {
                Action::Ring { change, .. } => Some(change.clone()),
                _ => None,
            })
            .collect()
    }

    /// The replica that takes a seat, and the one that gives it up.
    fn handovers(&self) -> Vec<(u64, u64)> {
        let handover = |(_, action): &(Duration, Action)| match action {
            Action::Ring { change: Change::Handover(to), retire, .. } => {
                Some((to.incarnation.0, retire[0].0))
            }
            _ => None,
        };
        self.log.iter().filter_map(handover).collect()
    }

    /// The replicas that left for good, and what was published, by the last change of the ring.
    fn last_change(&self) -> (Vec<Incarnation>, Vec<Transition>) {
        let change = |(_, action): &(Duration, Action)| match action {
            Action::Ring { retire, transitions, .. } => Some((retire.clone(), transitions.clone())),
            _ => None,
        };
        self.log.iter().rev().find_map(change).expect("a change of the ring")
    }

    fn times(&self, is: fn(&Action) -> bool) -> Vec<Duration> {
        self.log.iter().filter(|(_, action)| is(action)).map(|(at, _)| *at).collect()
    }
}
