//! What a router knows of the ring: leases, and what is in flight to each replica.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;

use actix::{Addr, Recipient};
use awc::http::uri::Authority;

use crate::fleet::RouterId;
use crate::ring::{Incarnation, Layout, Slot};
use crate::upstream::Pool;

use super::super::ring::{Found, Lookup, Registered, RingActor};
use super::super::supervisor::Idle;
use super::{Error, LoadOf, Settings};

/// The state of a router, shared with the requests it forwards. All on one thread.
pub(super) struct Router {
    pub id: RouterId,
    pub settings: Settings,
    pub ring: Addr<RingActor>,
    pub layout: OnceCell<Layout>,
    pub client: awc::Client,
    pub rng: RefCell<fastrand::Rng>,
    pool: Pool,
    supervisor: Recipient<Idle>,
    /// Of the last recall: an older answer of the ring is not believed.
    epoch: Cell<u64>,
    /// By slot. A lease is the first page of the walk.
    leases: RefCell<Vec<Option<Page>>>,
    upstreams: RefCell<HashMap<Incarnation, Rc<Upstream>>>,
    in_flight: Cell<usize>,
}

/// A part of the walk from a slot: some of its occupied seats in order.
type Page = Rc<[Rc<Upstream>]>;

/// A replica as one router sees it.
pub(super) struct Upstream {
    pub incarnation: Incarnation,
    pub address: SocketAddr,
    pub authority: Option<Authority>,
    in_flight: Cell<usize>,
    /// It has left the ring; the supervisor waits for its last request.
    gone: Cell<bool>,
}

/// A request in flight to a replica, from the choice to the last byte of the reply.
pub struct InFlight {
    router: Rc<Router>,
    upstream: Rc<Upstream>,
}

impl Router {
    pub fn new(id: RouterId, settings: Settings, ring: Addr<RingActor>, supervisor: Recipient<Idle>) -> Self {
        let pool = Pool::new(settings.upstream);
        Self {
            id,
            settings,
            ring,
            layout: OnceCell::new(),
            client: pool.client(),
            rng: RefCell::new(fastrand::Rng::new()),
            pool,
            supervisor,
            epoch: Cell::new(0),
            leases: RefCell::new(Vec::new()),
            upstreams: RefCell::new(HashMap::new()),
            in_flight: Cell::new(0),
        }
    }

    pub fn registered(&self, Registered { epoch, layout }: Registered) {
        self.epoch.set(epoch);
        *self.leases.borrow_mut() = vec![None; layout.slots() as usize];
        // A router registers once: a restarted worker has a new one.
        let _ = self.layout.set(layout);
    }

    /// Chooses the first replica of the walk that was not tried and counts the request in flight: one synchronous
    /// step after the lease is there, so that a recall comes either before (and the replica is not in the lease) or
    /// after (and the request is counted). The limit of what is in flight is checked in that step too: many requests
    /// may wait for the same lease.
    pub async fn enter(
        self: &Rc<Self>,
        slot: Slot,
        tried: &[Incarnation],
    ) -> Result<Option<InFlight>, Error> {
        let mut offset = 0;
        loop {
            let page = self.page(slot, offset).await?;
            if let Some(upstream) = page.iter().find(|upstream| !tried.contains(&upstream.incarnation)) {
                let room = self.in_flight.get() < self.settings.max_in_flight;
                return if room { Ok(Some(InFlight::new(self, upstream))) } else { Err(Error::Overloaded) };
            }
            if page.is_empty() {
                return Ok(None);
            }
            offset += page.len();
        }
    }

    async fn page(&self, slot: Slot, offset: usize) -> Result<Page, Error> {
        if let (0, Some(lease)) = (offset, self.lease(slot)) {
            return Ok(lease);
        }
        loop {
            let found = self.ring.send(Lookup { slot, offset }).await;
            let Found { epoch, walk } = found.map_err(|_| Error::Stopping)?;
            // The answer and a recall take different ways: one that is older than our last recall may name a
            // replica that has left since.
            if epoch < self.epoch.get() {
                continue;
            }
            let page: Page = walk.iter().map(|replica| self.upstream(replica)).collect();
            if offset == 0
                && let Some(lease) = self.leases.borrow_mut().get_mut(slot.index())
            {
                *lease = Some(page.clone());
            }
            return Ok(page);
        }
    }

    fn lease(&self, slot: Slot) -> Option<Page> {
        self.leases.borrow().get(slot.index()).cloned().flatten()
    }

    fn upstream(&self, replica: &crate::ring::Replica) -> Rc<Upstream> {
        let mut upstreams = self.upstreams.borrow_mut();
        let upstream = upstreams.entry(replica.incarnation).or_insert_with(|| {
            self.pool.admit(replica.address, replica.incarnation);
            Rc::new(Upstream {
                incarnation: replica.incarnation,
                address: replica.address,
                authority: replica.address.to_string().parse().ok(),
                in_flight: Cell::new(0),
                gone: Cell::new(false),
            })
        });
        upstream.clone()
    }

    /// Gives back every lease; returns the replicas that left and still have requests of ours in flight.
    pub fn recall(&self, epoch: u64, gone: &[Incarnation], abort: bool) -> Vec<Incarnation> {
        self.epoch.set(epoch);
        self.leases.borrow_mut().fill(None);
        let mut upstreams = self.upstreams.borrow_mut();
        let mut busy = Vec::new();
        for incarnation in gone {
            self.pool.retire(*incarnation, abort);
            match upstreams.get(incarnation) {
                Some(upstream) if upstream.in_flight.get() > 0 => {
                    upstream.gone.set(true);
                    busy.push(*incarnation);
                }
                _ => drop(upstreams.remove(incarnation)),
            }
        }
        busy
    }

    pub fn loads(&self) -> Vec<LoadOf> {
        let upstreams = self.upstreams.borrow();
        let load = |upstream: &Rc<Upstream>| LoadOf {
            incarnation: upstream.incarnation,
            in_flight: upstream.in_flight.get(),
            last_reply: self.pool.last_reply(upstream.incarnation),
        };
        upstreams.values().map(load).collect()
    }
}

impl InFlight {
    fn new(router: &Rc<Router>, upstream: &Rc<Upstream>) -> Self {
        router.in_flight.update(|n| n + 1);
        upstream.in_flight.update(|n| n + 1);
        Self { router: router.clone(), upstream: upstream.clone() }
    }

    pub(super) fn upstream(&self) -> &Upstream {
        &self.upstream
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let Self { router, upstream } = self;
        router.in_flight.update(|n| n - 1);
        upstream.in_flight.update(|n| n - 1);
        if upstream.gone.get() && upstream.in_flight.get() == 0 {
            router.upstreams.borrow_mut().remove(&upstream.incarnation);
            router.supervisor.do_send(Idle { router: router.id, incarnation: upstream.incarnation });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix::prelude::*;
    use futures::future::{join_all, poll_immediate};

    use super::*;
    use crate::actors::ring::{Join, Snapshot, Vacate};
    use crate::ring::{Replica, SeatId, Weight};

    struct Notices(Rc<RefCell<Vec<Incarnation>>>);

    impl Actor for Notices {
        type Context = Context<Self>;
    }

    impl Handler<Idle> for Notices {
        type Result = ();

        fn handle(&mut self, idle: Idle, _: &mut Self::Context) {
            self.0.borrow_mut().push(idle.incarnation);
        }
    }

    fn replica(seat: u32) -> Arc<Replica> {
        Arc::new(Replica {
            seat: SeatId::new(seat).unwrap(),
            name: format!("r{seat}").parse().unwrap(),
            incarnation: Incarnation(seat.into()),
            address: ([127, 0, 0, 1], 1000 + seat as u16).into(),
        })
    }

    /// A ring of three seats, a router that knows it, a slot, and the idle notices.
    async fn scene() -> (Addr<RingActor>, Rc<Router>, Slot, Rc<RefCell<Vec<Incarnation>>>) {
        let ring = RingActor::new(Layout::default()).start();
        let seats = (1..=3).map(|n| (SeatId::new(n).unwrap(), Weight::DEFAULT, Some(replica(n))));
        ring.send(Join(seats.collect())).await.unwrap().unwrap();
        let idle = Rc::default();
        let notices = Notices(Rc::clone(&idle)).start();
        let settings = Settings {
            key: crate::key::KeySources::random(),
            retries: 2,
            max_in_flight: 2,
            upstream: crate::upstream::Settings::default(),
        };
        let router = Rc::new(Router::new(RouterId(1), settings, ring.clone(), notices.recipient()));
        let epoch = ring.send(Snapshot).await.unwrap().epoch;
        router.registered(Registered { epoch, layout: Layout::default() });
        let slot = Layout::default().position(b"alice").slot;
        (ring, router, slot, idle)
    }

    #[actix::test]
    async fn an_answer_that_a_recall_overtook_is_not_believed() {
        let (ring, router, slot, _) = scene().await;
        let first = router.enter(slot, &[]).await.unwrap().unwrap().upstream().incarnation;
        router.recall(router.epoch.get(), &[], false);

        let mut late = Box::pin(router.enter(slot, &[]));
        assert!(poll_immediate(&mut late).await.is_none(), "it has asked");
        let seat = SeatId::new(u32::try_from(first.0).unwrap()).unwrap();
        let changed = ring.send(Vacate(seat)).await.unwrap().unwrap();
        router.recall(changed.epoch, &[first], true);
        let chosen = late.await.unwrap().unwrap().upstream().incarnation;
        assert_ne!(chosen, first);
    }

    #[actix::test]
    async fn a_recall_drops_the_lease_and_the_last_request_is_told() {
        let (ring, router, slot, idle) = scene().await;
        let one = router.enter(slot, &[]).await.unwrap().unwrap();
        let two = router.enter(slot, &[]).await.unwrap().unwrap();
        assert!(matches!(router.enter(slot, &[]).await, Err(Error::Overloaded)), "the limit is 2");
        let gone = one.upstream().incarnation;
        assert_eq!(router.recall(7, &[gone], false), [gone]);
        drop(one);
        ring.send(Snapshot).await.unwrap();
        assert!(idle.borrow().is_empty(), "one is still in flight");
        drop(two);
        for _ in 0..10 {
            ring.send(Snapshot).await.unwrap();
        }
        assert_eq!(*idle.borrow(), [gone]);
        assert_eq!(router.loads().len(), 2, "of the three replicas");
        assert_eq!(router.recall(8, &[Incarnation(99)], false), []);
    }

    #[actix::test]
    async fn the_walk_goes_on_past_what_was_tried() {
        let (_ring, router, slot, _) = scene().await;
        let mut tried = Vec::new();
        for _ in 0..3 {
            tried.push(router.enter(slot, &tried).await.unwrap().unwrap().upstream().incarnation);
        }
        let all: std::collections::BTreeSet<_> = tried.iter().copied().collect();
        assert_eq!(all.len(), 3);
        assert!(router.enter(slot, &tried).await.unwrap().is_none());
    }

    #[actix::test]
    async fn a_burst_that_waits_for_one_lease_stays_within_the_limit() {
        let (_ring, router, slot, _) = scene().await;
        let entered = join_all((0..9).map(|_| router.enter(slot, &[]))).await;
        let (admitted, refused): (Vec<_>, Vec<_>) = entered.into_iter().partition(Result::is_ok);
        assert_eq!((admitted.len(), refused.len()), (2, 7));
        assert!(refused.iter().all(|refused| matches!(refused, Err(Error::Overloaded))));
        drop(admitted);
        assert!(router.enter(slot, &[]).await.is_ok());
    }
}
