//! The state of a router, and its copy of the ring: leases, and the replicas of all occupied seats.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Instant;

use actix::{Addr, MailboxError, Recipient};

use crate::balance::Budget;
use crate::fleet::{RouterEvent, RouterId};
use crate::proxy::client::Pool;
use crate::ring::{Incarnation, Layout, SeatId, Seated, Slot};
use crate::stats::counters::Tally;

use super::endpoint::Endpoint;
use super::{Counts, Error, HotKeyTracker, LoadOf, Loaded, Settings};
use crate::control::ring::{Found, Lookup, Registered, RingActor};
use crate::control::supervisor::Notice;

/// The state of a router, shared with the requests that it forwards, on one thread.
pub(crate) struct Router {
    pub id: RouterId,
    pub settings: RefCell<Rc<Settings>>,
    pub ring: Addr<RingActor>,
    pub layout: OnceCell<Layout>,
    pub client: awc::Client,
    pub rng: RefCell<fastrand::Rng>,
    pub budget: RefCell<Budget>,
    pub counts: Cell<Counts>,
    pub in_flight: Cell<usize>,
    pub hot_keys: RefCell<HotKeyTracker>,
    /// The replicas of the occupied seats, in seat order.
    pub seated: RefCell<Vec<Rc<Endpoint>>>,
    /// The latest replica of each seat, whether or not it is still in the ring.
    pub last: RefCell<BTreeMap<SeatId, Rc<Endpoint>>>,
    /// Total weight of the seated replicas that are neither suspect nor unavailable.
    pub available_weight: Cell<u64>,
    pub pool: Pool,
    /// Recipient of the router's notices: SupervisorActor.
    notices: Recipient<Notice>,
    pub tally: RefCell<Tally>,
    /// Number of answers to [`Measure`](super::Measure).
    pub sequence: Cell<u64>,
    /// Number of requests that wait for a look-up in the ring.
    pub lookups: Cell<u64>,
    /// Time of the last [`RouterEvent::NotRepeated`]; `None`: none was sent.
    pub not_repeated_reported: Cell<Option<Instant>>,
    /// Epoch of the last recall. Look-up answers of another epoch are discarded.
    epoch: Cell<u64>,
    /// Leases by slot; a lease is the first page of the slot's walk.
    leases: RefCell<Vec<Option<Page>>>,
    /// All replicas that are in the ring or still have requests in flight.
    endpoints: RefCell<HashMap<Incarnation, Rc<Endpoint>>>,
}

/// A part of a slot's walk: consecutive replicas of occupied seats.
pub(crate) type Page = Rc<[Rc<Endpoint>]>;

impl Router {
    pub fn new(id: RouterId, settings: Settings, ring: Addr<RingActor>, notices: Recipient<Notice>) -> Self {
        let pool = Pool::new(settings.upstream);
        let hot_keys = HotKeyTracker::new(settings.key_redactor.clone(), super::now());
        Self {
            id,
            budget: RefCell::new(Budget::new(settings.retry_budget, super::now())),
            settings: RefCell::new(Rc::new(settings)),
            ring,
            layout: OnceCell::new(),
            client: pool.client(),
            rng: RefCell::new(fastrand::Rng::new()),
            counts: Cell::default(),
            in_flight: Cell::new(0),
            hot_keys: RefCell::new(hot_keys),
            seated: RefCell::default(),
            last: RefCell::default(),
            available_weight: Cell::new(0),
            pool,
            notices,
            tally: RefCell::default(),
            sequence: Cell::new(0),
            lookups: Cell::new(0),
            not_repeated_reported: Cell::new(None),
            epoch: Cell::new(0),
            leases: RefCell::default(),
            endpoints: RefCell::default(),
        }
    }

    /// The current settings. A request keeps them to its end.
    pub fn settings(&self) -> Rc<Settings> {
        self.settings.borrow().clone()
    }

    pub fn configure(&self, settings: Settings) {
        self.budget.borrow_mut().configure(settings.retry_budget);
        self.pool.configure(settings.upstream);
        self.hot_keys.borrow_mut().configure(&settings.key_redactor, super::now());
        *self.settings.borrow_mut() = Rc::new(settings);
    }

    pub fn registered(&self, Registered { epoch, layout, seated }: Registered) {
        self.epoch.set(epoch);
        *self.leases.borrow_mut() = vec![None; layout.slots() as usize];
        // A router registers once: a restarted worker starts a new router.
        let _ = self.layout.set(layout);
        self.update_endpoints(&seated);
    }

    /// A page of the walk from a slot, from the lease or from the ring. Empty at the end of the walk.
    pub async fn walk_page(&self, slot: Slot, offset: usize) -> Result<Page, Error> {
        if let (0, Some(lease)) = (offset, self.lease(slot)) {
            return Ok(lease);
        }
        loop {
            let found = self.look_up(slot, offset).await;
            let Found { epoch, walk } = found.map_err(|_| Error::Stopping)?;
            // Look-up answers and recalls are not ordered: an answer older than the last recall may contain a replica
            // that has left since, a newer one a replica that this router has not received yet.
            if epoch != self.epoch.get() {
                continue;
            }
            let endpoints = self.endpoints.borrow();
            let known = |replica: &Incarnation| endpoints.get(replica).cloned();
            let page: Page = walk.iter().filter_map(|replica| known(&replica.incarnation)).collect();
            if offset == 0
                && let Some(lease) = self.leases.borrow_mut().get_mut(slot.index())
            {
                *lease = Some(page.clone());
            }
            return Ok(page);
        }
    }

    async fn look_up(&self, slot: Slot, offset: usize) -> Result<Found, MailboxError> {
        let _pending = self.pending_lookup();
        self.ring.send(Lookup { slot, offset }).await
    }

    fn lease(&self, slot: Slot) -> Option<Page> {
        self.leases.borrow().get(slot.index()).cloned().flatten()
    }

    /// Epoch of the last recall.
    pub fn epoch(&self) -> u64 {
        self.epoch.get()
    }

    /// Drops every lease and updates the replicas. Returns those in `gone` that still have requests of this router in
    /// flight.
    pub fn recall(
        &self,
        epoch: u64,
        seated: &[Seated],
        gone: &[Incarnation],
        abort: bool,
    ) -> Vec<Incarnation> {
        self.epoch.set(epoch);
        self.leases.borrow_mut().fill(None);
        let mut busy = Vec::new();
        for incarnation in gone {
            self.pool.retire(*incarnation, abort);
            let mut endpoints = self.endpoints.borrow_mut();
            let Some(endpoint) = endpoints.get(incarnation) else { continue };
            endpoint.gone.set(true);
            if endpoint.in_flight.get() > 0 {
                busy.push(*incarnation);
            } else {
                endpoints.remove(incarnation);
            }
        }
        self.update_endpoints(seated);
        busy
    }

    /// Sends a notice to the supervisor; a reply is never awaited.
    pub fn notify(&self, event: RouterEvent) {
        self.notices.do_send(Notice { router: self.id, event });
    }

    /// Removes a replica that left the ring, after its last request, and notifies the supervisor.
    pub fn remove_idle(&self, incarnation: Incarnation) {
        self.endpoints.borrow_mut().remove(&incarnation);
        self.notify(RouterEvent::Idle(incarnation));
    }

    pub fn loaded(&self) -> Loaded {
        let endpoints = self.endpoints.borrow();
        let load = |endpoint: &Rc<Endpoint>| LoadOf {
            incarnation: endpoint.incarnation,
            in_flight: endpoint.in_flight.get(),
            skip: self.skip(endpoint),
        };
        Loaded { replicas: endpoints.values().map(load).collect(), counts: self.counts.get() }
    }

    /// Updates the replicas of the occupied seats. A new incarnation starts with empty health and counters; one that
    /// returns from a drain keeps its counters.
    fn update_endpoints(&self, seated: &[Seated]) {
        let (mut endpoints, mut last) = (self.endpoints.borrow_mut(), self.last.borrow_mut());
        let endpoint = |seated: &Seated| {
            let replica = &seated.replica;
            self.pool.admit(replica.address, replica.incarnation);
            let known = endpoints.entry(replica.incarnation);
            let before = || last.get(&replica.seat).filter(|last| last.incarnation == replica.incarnation);
            let tally = || before().map(|last| last.tally.clone()).unwrap_or_default();
            let endpoint = known.or_insert_with(|| Rc::new(Endpoint::new(seated, tally()))).clone();
            endpoint.weight.set(seated.weight);
            endpoint.gone.set(false); // it may have been drained before
            last.insert(replica.seat, endpoint.clone());
            endpoint
        };
        *self.seated.borrow_mut() = seated.iter().map(endpoint).collect();
        drop((endpoints, last));
        self.enforce_max_ejected();
    }
}
