//! What the engine stores when the balancer is killed: the record of the target, and the replicas.

use super::processes::found;
use super::*;
use crate::fleet::runtime::{Found, Launch};

#[derive(Default)]
pub struct Records {
    /// The record that a balancer would find now.
    pub stored: Option<Record>,
    /// Whether a write has failed since the last good one: calls are then answered without a record.
    pub failing: bool,
    /// Launch arguments of all replicas that were made.
    pub(super) launches: BTreeMap<Incarnation, Launch>,
    /// Replicas that have a leaving name.
    pub(super) retired: BTreeSet<Incarnation>,
}

impl World {
    pub(super) fn write_record(&mut self, revision: Revision, record: Option<Record>) {
        let (takes, answered) = (self.up_to(200), self.up_to(200));
        let failed = self.rare(3);
        if !failed || self.percent(50) {
            self.later(takes, Scheduled::Written(record));
        }
        let result = if failed { Err("no".to_owned()) } else { Ok(()) };
        self.later(takes + answered, Scheduled::Notify(Event::Recorded { revision, result }));
    }

    /// The balancer is killed: its pending events are dropped, and some of its requests to the engine still take
    /// effect.
    pub fn crash(&mut self) -> Vec<Found> {
        for (_, scheduled) in std::mem::take(&mut self.queue) {
            match scheduled {
                Scheduled::Written(record) if self.percent(50) => self.records.stored = record,
                Scheduled::Retired(incarnation) if self.percent(50) => {
                    self.records.retired.insert(incarnation);
                }
                Scheduled::Notify(Event::Launched { incarnation, result })
                    if result.is_err() || self.percent(30) =>
                {
                    self.processes.remove(&incarnation);
                }
                Scheduled::Notify(Event::Stopped { incarnation }) if self.percent(50) => {
                    self.processes.remove(&incarnation);
                }
                Scheduled::Exits(incarnation, _) => {
                    if let Some(process) = self.processes.get_mut(&incarnation) {
                        process.running = false;
                    }
                }
                _ => {}
            }
        }
        let Self { ring, changes, left, ended, routers, .. } = self;
        ring.clear();
        changes.clear();
        left.clear();
        ended.clear();
        routers.iter_mut().for_each(|router| *router = Router::default());
        self.later(Duration::ZERO, Scheduled::Fault);
        self.later(Duration::ZERO, Scheduled::Requests);
        // A lost incarnation may be used again.
        self.records.retired.retain(|incarnation| self.processes.contains_key(incarnation));
        let Records { launches, retired, .. } = &self.records;
        let listed = self.processes.iter_mut().filter_map(|(incarnation, process)| {
            process.stopping = false;
            Some(found(launches.get(incarnation)?.clone(), process.running, retired.contains(incarnation)))
        });
        listed.collect()
    }
}
