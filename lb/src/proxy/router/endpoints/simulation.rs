//! Seeded simulation: random changes of seats, suspects and requests; the invariants are checked after each step.
//! `LB_SEED=<n>` replays one seed; a failure prints the seed and the last steps.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::tests::seated;
use super::*;
use crate::balance::Failure;

const SEEDS: u64 = 400;
const STEPS: usize = 300;
const SEATS: u32 = 6;
/// Requests in flight beyond which the next ones are refused.
const MAX_IN_FLIGHT: usize = 40;
const TRACE: usize = 40;

#[test]
fn the_invariants_hold_after_every_step() {
    match std::env::var("LB_SEED") {
        Ok(seed) => Simulation::new(seed.parse().expect("LB_SEED is a number")).run(),
        Err(_) => (0..SEEDS).for_each(|seed| Simulation::new(seed).run()),
    }
}

struct Simulation {
    seed: u64,
    rng: fastrand::Rng,
    endpoints: Endpoints,
    now: Instant,
    /// The present or latest incarnation of each seat.
    incarnations: BTreeMap<u32, u64>,
    next_incarnation: u64,
    requests: Vec<Outstanding>,
    /// Replicas that left the ring with requests in flight.
    leaving: BTreeSet<Incarnation>,
    trace: VecDeque<String>,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let policies = Policy::ALL;
        let bounds = [None, Some(Bound { load: 1250, floor: 2 }), Some(Bound { load: 0, floor: 0 })];
        let limits = Limits {
            policy: policies[rng.usize(..policies.len())],
            bound: bounds[rng.usize(..bounds.len())],
            max_in_flight: MAX_IN_FLIGHT,
        };
        Self {
            seed,
            endpoints: Endpoints::new(limits, rng.fork()),
            rng,
            now: Instant::now(),
            incarnations: BTreeMap::new(),
            next_incarnation: 1,
            requests: Vec::new(),
            leaving: BTreeSet::new(),
            trace: VecDeque::new(),
        }
    }

    fn run(mut self) {
        self.reseat();
        for _ in 0..STEPS {
            self.step();
            self.check();
        }
        while let Some(mut request) = self.requests.pop() {
            let change = self.endpoints.end(&mut request);
            self.apply(change);
            self.check();
        }
        assert!(self.leaving.is_empty(), "every replica that left was reported as idle");
    }

    fn step(&mut self) {
        self.now += Duration::from_millis(match self.rng.u32(..10) {
            0 => self.rng.u64(..20_000),
            _ => self.rng.u64(..300),
        });
        match self.rng.u32(..20) {
            0 => self.reseat(),
            1 | 2 => self.suspect(),
            3..9 => self.request(),
            9..13 => self.reply(),
            13..16 => self.fail(),
            _ => self.end(),
        }
    }

    /// Vacates, occupies and replaces random seats, with random weights.
    fn reseat(&mut self) {
        let mut fleet = Vec::new();
        for seat in 1..=SEATS {
            let replace = !self.incarnations.contains_key(&seat) || self.rng.u32(..4) == 0;
            if self.rng.u32(..4) == 0 {
                continue;
            }
            if replace {
                self.incarnations.insert(seat, self.next_incarnation);
                self.next_incarnation += 1;
            }
            fleet.push(seated(seat, self.incarnations[&seat], self.rng.u32(1..=1000)));
        }
        let stays: BTreeSet<_> = fleet.iter().map(|seated| seated.replica.incarnation).collect();
        let before = self.endpoints.seated().iter().map(|endpoint| endpoint.incarnation());
        let gone: Vec<_> = before.filter(|incarnation| !stays.contains(incarnation)).collect();
        self.note(format!("seats {stays:?} gone {gone:?}"));
        let busy = self.endpoints.remove(&gone);
        for incarnation in gone {
            let in_flight = self.requests.iter().any(|one| one.endpoint().incarnation() == incarnation);
            assert_eq!(busy.contains(&incarnation), in_flight, "{incarnation}");
        }
        self.leaving.extend(busy);
        self.leaving.retain(|incarnation| !stays.contains(incarnation));
        let changes = self.endpoints.seat(&fleet, self.now);
        self.apply(changes);
        assert!(self.unavailable() * 2 <= fleet.len(), "{} of {}", self.unavailable(), fleet.len());
    }

    fn suspect(&mut self) {
        let all = self.incarnations.values().map(|incarnation| Incarnation(*incarnation));
        let mut suspects: Vec<_> = all.filter(|_| self.rng.u32(..3) == 0).collect();
        suspects.sort_unstable();
        self.note(format!("suspects {suspects:?}"));
        let changes = self.endpoints.suspect(&suspects, self.now);
        self.apply(changes);
        assert!(
            self.endpoints.seated().iter().all(|e| e.is_suspect() == suspects.contains(&e.incarnation()))
        );
    }

    /// A request whose walk is a random order of the seats; now and then the seats change between two of its pages.
    fn request(&mut self) {
        let options = AttemptOptions {
            may_probe: self.rng.bool(),
            bodiless: self.rng.bool(),
            healthy_only: self.rng.u32(..4) == 0,
        };
        let seated = self.endpoints.seated().to_vec();
        let tried: Vec<_> = seated.iter().map(|endpoint| endpoint.incarnation()).collect();
        let tried: Vec<_> = tried.into_iter().filter(|_| self.rng.u32(..4) == 0).collect();
        if tried.is_empty() && self.endpoints.picks_by_policy() {
            let (picked, changes) = self.endpoints.pick(options, self.now);
            self.apply(changes);
            let open = self.endpoints.seated().iter().any(|endpoint| !endpoint.is_last_resort());
            assert!(picked.is_some() || !open, "a policy picks an available replica");
            if let Some(picked) = picked {
                return self.begin(picked, options);
            }
        }
        let mut walk = seated;
        self.rng.shuffle(&mut walk);
        let mut selection = Selection::new(&tried, options);
        for page in walk.chunks(2) {
            let chosen = self.endpoints.offer_page(&mut selection, page, self.now);
            self.apply(selection.take_changes());
            if chosen {
                break;
            }
            if self.rng.u32(..20) == 0 {
                self.reseat();
                // A look-up of an older epoch is repeated: the next pages hold seated replicas only.
                walk = self.endpoints.seated().to_vec();
                self.endpoints.offer_page(&mut selection, &walk, self.now);
                self.apply(selection.take_changes());
                break;
            }
        }
        let Choice { endpoint, .. } = self.endpoints.finish(selection);
        let untried = || self.endpoints.seated().iter().filter(|e| !tried.contains(&e.incarnation()));
        let Some(endpoint) = endpoint else {
            // A hedge that meets a due probe before a healthy replica is not started.
            let due = |e: &Rc<Endpoint>| options.may_probe && e.health.borrow().wants_probe(self.now);
            let none_is_healthy = untried().all(|endpoint| endpoint.is_last_resort());
            let refused = options.healthy_only && (none_is_healthy || untried().any(due));
            return assert!(refused || untried().next().is_none(), "a request finds an occupied seat");
        };
        assert!(endpoint.is_in_ring() && !tried.contains(&endpoint.incarnation()));
        assert!(!(options.healthy_only && endpoint.is_last_resort()));
        let probe = options.may_probe && endpoint.health.borrow().wants_probe(self.now);
        if let Some(skip) = self.endpoints.skip(&endpoint).filter(|_| !probe) {
            assert!(
                untried().all(|other| self.endpoints.skip(other).is_some()),
                "an open one before {skip:?}"
            );
        }
        self.begin(endpoint, options);
    }

    fn begin(&mut self, endpoint: Rc<Endpoint>, options: AttemptOptions) {
        self.note(format!("request to {} {options:?}", endpoint.incarnation()));
        match self.endpoints.begin(endpoint, options, self.now) {
            Ok(request) => self.requests.push(request),
            Err(LimitReached) => assert_eq!(self.requests.len(), MAX_IN_FLIGHT),
        }
    }

    fn reply(&mut self) {
        let Some(mut request) = self.take() else { return };
        let (error, took) = (self.rng.u32(..3) == 0, self.now - request.since());
        self.note(format!("reply of {} error {error}", request.endpoint().incarnation()));
        let change = self.endpoints.replied(&mut request, error, took, self.now);
        self.apply(change);
        if self.rng.bool() {
            let change = self.endpoints.completed(&mut request, || self.now);
            self.apply(change);
        }
        self.requests.push(request);
    }

    fn fail(&mut self) {
        let Some(mut request) = self.take() else { return };
        let failures = [Failure::Failed, Failure::TimedOut { sent: request.since() }];
        let failure = failures[self.rng.usize(..2)];
        self.note(format!("failure of {} {failure:?}", request.endpoint().incarnation()));
        let change = self.endpoints.failed(&mut request, failure, self.now);
        self.apply(change);
        self.requests.push(request);
    }

    fn end(&mut self) {
        let Some(mut request) = self.take() else { return };
        self.note(format!("end of a request to {}", request.endpoint().incarnation()));
        let change = self.endpoints.end(&mut request);
        self.apply(change);
    }

    fn take(&mut self) -> Option<Outstanding> {
        let at = (!self.requests.is_empty()).then(|| self.rng.usize(..self.requests.len()))?;
        Some(self.requests.swap_remove(at))
    }

    fn apply(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            self.note(format!("  {change:?}"));
            match change.kind {
                ChangeKind::Ejected(_) | ChangeKind::Stalled(_) => {
                    assert!(self.unavailable() * 2 <= self.endpoints.seated().len(), "{change:?}");
                }
                ChangeKind::Idle => assert!(self.leaving.remove(&change.incarnation), "{change:?}"),
                _ => {}
            }
        }
    }

    fn check(&self) {
        let endpoints = &self.endpoints;
        let open = endpoints.seated().iter().filter(|endpoint| !endpoint.is_last_resort());
        let weight: u64 = open.map(|endpoint| u64::from(endpoint.weight().get())).sum();
        assert_eq!(endpoints.available_weight, weight);
        assert_eq!(endpoints.in_flight(), self.requests.len());
        let seated: BTreeSet<_> = endpoints.seated().iter().map(|endpoint| endpoint.incarnation()).collect();
        for endpoint in endpoints.known() {
            let to_it = |request: &&Outstanding| request.endpoint().incarnation() == endpoint.incarnation();
            assert_eq!(endpoint.in_flight(), self.requests.iter().filter(to_it).count());
            assert!(endpoint.waiting() <= endpoint.in_flight());
            assert_eq!(endpoint.is_in_ring(), seated.contains(&endpoint.incarnation()));
            assert!(endpoint.is_in_ring() || endpoint.in_flight() > 0, "forgotten with its last request");
        }
        assert!(seated.iter().all(|incarnation| endpoints.get(*incarnation).is_some()));
    }

    fn unavailable(&self) -> usize {
        self.endpoints.seated().iter().filter(|endpoint| endpoint.is_unavailable()).count()
    }

    fn note(&mut self, line: String) {
        if self.trace.len() == TRACE {
            self.trace.pop_front();
        }
        self.trace.push_back(line);
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
