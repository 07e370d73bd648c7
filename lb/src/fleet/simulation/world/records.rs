//! What the engine keeps when the balancer is killed: the record of the target, and the replicas.

use super::processes::found;
use super::*;
use crate::runtime::{Found, Launch};

#[derive(Default)]
pub struct Records {
    /// What a balancer that starts now would find.
    pub stored: Option<Record>,
    /// A write has failed since the last good one: calls are answered all the same.
    pub failing: bool,
    /// The replicas that were made, by what they were launched as.
    pub(super) launches: BTreeMap<Incarnation, Launch>,
    /// Those that bear a leaving name.
    pub(super) retired: BTreeSet<Incarnation>,
}

impl World {
    pub(super) fn write_record(&mut self, revision: Revision, record: Option<Record>) {
        let (takes, answered) = (self.up_to(200), self.up_to(200));
        let failed = self.rare(3);
        if !failed || self.percent(50) {
            self.later(takes, Happening::Written(record));
        }
        let result = if failed { Err("no".to_owned()) } else { Ok(()) };
        self.later(takes + answered, Happening::Told(Event::Recorded { revision, result }));
    }

    /// The balancer is gone, and with it all that it waited for. Some of what it asked the engine for happens.
    pub fn crash(&mut self) -> Vec<Found> {
        for (_, happening) in std::mem::take(&mut self.queue) {
            match happening {
                Happening::Written(record) if self.percent(50) => self.records.stored = record,
                Happening::Retired(incarnation) if self.percent(50) => {
                    self.records.retired.insert(incarnation);
                }
                Happening::Told(Event::Launched { incarnation, result })
                    if result.is_err() || self.percent(30) =>
                {
                    self.processes.remove(&incarnation);
                }
                Happening::Told(Event::Stopped { incarnation }) if self.percent(50) => {
                    self.processes.remove(&incarnation);
                }
                Happening::Exits(incarnation, _) => {
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
        self.later(Duration::ZERO, Happening::Mischief);
        self.later(Duration::ZERO, Happening::Requests);
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
