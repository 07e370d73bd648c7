//! What a router knows of the ring: leases, and the replicas of all occupied seats.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Instant;

use actix::{Addr, MailboxError, Recipient};

use crate::balance::Budget;
use crate::fleet::RouterId;
use crate::proxy::client::Pool;
use crate::ring::{Incarnation, Layout, SeatId, Seated, Slot};
use crate::stats::counters::Tally;

use super::endpoint::Endpoint;
use super::{Counts, Error, HotKeyTracker, LoadOf, Loaded, Settings};
use crate::control::ring::{Found, Lookup, Registered, RingActor};
use crate::control::supervisor::{Ejected, Idle, NotRepeated, Readmitted};

/// The state of a router, shared with the requests it forwards. All on one thread.
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
    pub hot: RefCell<HotKeyTracker>,
    /// The replicas of the occupied seats, in seat order.
    pub seated: RefCell<Vec<Rc<Endpoint>>>,
    /// Who had each seat last, in the ring or not.
    pub last: RefCell<BTreeMap<SeatId, Rc<Endpoint>>>,
    /// The weight of those that are not passed over.
    pub available_weight: Cell<u64>,
    pub pool: Pool,
    pub notices: Notices,
    pub tally: RefCell<Tally>,
    /// How often it was measured.
    pub turn: Cell<u64>,
    /// Requests that wait for an answer of the ring.
    pub lookups: Cell<u64>,
    /// When the supervisor was last told of a request that is not repeated.
    pub not_repeated_told: Cell<Option<Instant>>,
    /// Of the last recall: an answer of the ring from another is not believed.
    epoch: Cell<u64>,
    /// By slot. A lease is the first page of the walk.
    leases: RefCell<Vec<Option<Page>>>,
    /// Those that have left and still have requests in flight are among them.
    upstreams: RefCell<HashMap<Incarnation, Rc<Endpoint>>>,
}

/// A part of the walk from a slot: some of its occupied seats in order.
pub(crate) type Page = Rc<[Rc<Endpoint>]>;

/// Who is told what the router sees.
pub(crate) struct Notices {
    pub idle: Recipient<Idle>,
    pub suspicion: Recipient<Ejected>,
    pub readmission: Recipient<Readmitted>,
    pub not_repeated: Recipient<NotRepeated>,
}

impl Router {
    pub fn new(id: RouterId, settings: Settings, ring: Addr<RingActor>, notices: Notices) -> Self {
        let pool = Pool::new(settings.upstream);
        let hot = HotKeyTracker::new(settings.key_redactor.clone(), super::now());
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
            hot: RefCell::new(hot),
            seated: RefCell::default(),
            last: RefCell::default(),
            available_weight: Cell::new(0),
            pool,
            notices,
            tally: RefCell::default(),
            turn: Cell::new(0),
            lookups: Cell::new(0),
            not_repeated_told: Cell::new(None),
            epoch: Cell::new(0),
            leases: RefCell::default(),
            upstreams: RefCell::default(),
        }
    }

    /// What a request that begins now goes by, to its end.
    pub fn settings(&self) -> Rc<Settings> {
        self.settings.borrow().clone()
    }

    pub fn configure(&self, settings: Settings) {
        self.budget.borrow_mut().configure(settings.retry_budget);
        self.pool.configure(settings.upstream);
        self.hot.borrow_mut().configure(&settings.key_redactor, super::now());
        *self.settings.borrow_mut() = Rc::new(settings);
    }

    pub fn registered(&self, Registered { epoch, layout, seated }: Registered) {
        self.epoch.set(epoch);
        *self.leases.borrow_mut() = vec![None; layout.slots() as usize];
        // A router registers once: a restarted worker has a new one.
        let _ = self.layout.set(layout);
        self.seat(&seated);
    }

    /// A part of the walk from a slot, from the ring unless we hold its lease. Empty at the end of the walk.
    pub async fn walk_page(&self, slot: Slot, offset: usize) -> Result<Page, Error> {
        if let (0, Some(lease)) = (offset, self.lease(slot)) {
            return Ok(lease);
        }
        loop {
            let found = self.look_up(slot, offset).await;
            let Found { epoch, walk } = found.map_err(|_| Error::Stopping)?;
            // The answer and a recall take different ways: one that is older than our last recall may name a replica
            // that has left since, a newer one a replica that we do not know yet.
            if epoch != self.epoch.get() {
                continue;
            }
            let upstreams = self.upstreams.borrow();
            let known = |replica: &Incarnation| upstreams.get(replica).cloned();
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
        let _waiting = self.waiting();
        self.ring.send(Lookup { slot, offset }).await
    }

    fn lease(&self, slot: Slot) -> Option<Page> {
        self.leases.borrow().get(slot.index()).cloned().flatten()
    }

    /// Of the last recall.
    pub fn epoch(&self) -> u64 {
        self.epoch.get()
    }

    /// Gives back every lease; returns the replicas that left and still have requests of ours in flight.
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
            let mut upstreams = self.upstreams.borrow_mut();
            let Some(upstream) = upstreams.get(incarnation) else { continue };
            upstream.gone.set(true);
            if upstream.in_flight.get() > 0 {
                busy.push(*incarnation);
            } else {
                upstreams.remove(incarnation);
            }
        }
        self.seat(seated);
        busy
    }

    /// The last request to a replica that has left has ended.
    pub fn forget(&self, incarnation: Incarnation) {
        self.upstreams.borrow_mut().remove(&incarnation);
        self.notices.idle.do_send(Idle { router: self.id, incarnation });
    }

    pub fn loaded(&self) -> Loaded {
        let upstreams = self.upstreams.borrow();
        let load = |upstream: &Rc<Endpoint>| LoadOf {
            incarnation: upstream.incarnation,
            in_flight: upstream.in_flight.get(),
            activity: self.pool.activity(upstream.incarnation),
            skip: self.skip(upstream),
        };
        Loaded { replicas: upstreams.values().map(load).collect(), counts: self.counts.get() }
    }

    /// Who is there now. A new incarnation starts with a clean record, and counts from 0; one that was drained counts on.
    fn seat(&self, seated: &[Seated]) {
        let (mut upstreams, mut last) = (self.upstreams.borrow_mut(), self.last.borrow_mut());
        let upstream = |seated: &Seated| {
            let replica = &seated.replica;
            self.pool.admit(replica.address, replica.incarnation);
            let known = upstreams.entry(replica.incarnation);
            let before = || last.get(&replica.seat).filter(|last| last.incarnation == replica.incarnation);
            let tally = || before().map(|last| last.tally.clone()).unwrap_or_default();
            let upstream = known.or_insert_with(|| Rc::new(Endpoint::new(seated, tally()))).clone();
            upstream.weight.set(seated.weight);
            upstream.gone.set(false); // it may have been drained, and is back
            last.insert(replica.seat, upstream.clone());
            upstream
        };
        *self.seated.borrow_mut() = seated.iter().map(upstream).collect();
        drop((upstreams, last));
        self.enforce_max_ejected();
    }
}
