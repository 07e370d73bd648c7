//! RingActor: owns the seats, their occupants and the slot map, and grants leases of it to the routers.
//!
//! Every change starts a new epoch. The reply to a change is sent when every router has given back the leases that
//! the change has made stale (`Recalled`): from then on no new request reaches a replica that has left the ring.

mod handle;
mod message;

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, ready};
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::fleet::{Busy, RouterId};
use crate::ring::{self, Applied, Layout, PAGE, Ring, RingError};

use super::panic_guard::PanicGuard;
use crate::control::router_link;

pub use handle::RingHandle;
use message::{Apply, Explain, Lookup, Map, Plan, Recalled, Register, Snapshot};
pub use message::{Changed, Explained, Mapped, Registered, Snapshotted, WalkPage};

/// Age of a recall after which the routers that have not acknowledged it are logged; also the interval of this check.
const SILENT: Duration = Duration::from_secs(1);

/// Owns the ring and the recalls that the routers have not acknowledged.
struct RingActor {
    ring: Ring,
    routers: BTreeMap<RouterId, Recipient<router_link::Recall>>,
    pending: Vec<Pending>,
    _guard: PanicGuard,
}

/// A change that some router has not acknowledged.
struct Pending {
    epoch: u64,
    since: Instant,
    /// The routers that have not acknowledged the recall.
    waiting: BTreeSet<RouterId>,
    /// Whether the missing acknowledgements were logged.
    logged: bool,
    busy: Busy,
    reply: oneshot::Sender<Changed>,
}

impl RingActor {
    /// An actor with an empty ring of this layout.
    fn new(layout: Layout) -> Self {
        Self {
            ring: Ring::new(layout),
            routers: BTreeMap::new(),
            pending: Vec::new(),
            _guard: PanicGuard("ring"),
        }
    }

    /// Recalls the leases that a change has made stale; resolves when every router has acknowledged.
    fn recall(&mut self, Applied { gone, abort, slots }: Applied) -> impl Future<Output = Changed> + use<> {
        let epoch = self.ring.epoch();
        let recall =
            router_link::Recall { epoch, slots: slots.into(), seated: self.ring.occupied(), gone, abort };
        self.routers.retain(|_, router| router.try_send(recall.clone()).is_ok());
        let (reply, changed) = oneshot::channel();
        self.pending.push(Pending {
            epoch,
            since: Instant::now(),
            waiting: self.routers.keys().copied().collect(),
            logged: false,
            busy: Busy::new(),
            reply,
        });
        self.complete_acknowledged();
        // The sender is dropped only with the actor, when the process ends.
        async move { changed.await.unwrap_or(Changed { epoch, busy: Busy::new() }) }
    }

    /// Sends the replies of the changes that every router has acknowledged.
    fn complete_acknowledged(&mut self) {
        for done in self.pending.extract_if(.., |pending| pending.waiting.is_empty()) {
            // A caller that has been dropped does not matter: the change is made.
            let _ = done.reply.send(Changed { epoch: done.epoch, busy: done.busy });
        }
    }

    /// Logs routers that have not acknowledged a recall. A router whose mailbox is closed counts as acknowledged.
    fn check_silent(&mut self) {
        self.routers.retain(|_, recall| recall.connected());
        for pending in &mut self.pending {
            pending.waiting.retain(|router| self.routers.contains_key(router));
            if pending.since.elapsed() >= SILENT && !pending.waiting.is_empty() && !pending.logged {
                pending.logged = true;
                log::warn!(epoch:% = pending.epoch, routers:? = pending.waiting; "recall unanswered");
            }
        }
        self.complete_acknowledged();
    }
}

impl Actor for RingActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        ctx.run_interval(SILENT, |ring, _| ring.check_silent());
    }
}

impl Handler<Apply> for RingActor {
    type Result = ResponseFuture<Result<Changed, RingError>>;

    fn handle(&mut self, Apply(change): Apply, _: &mut Self::Context) -> Self::Result {
        match self.ring.apply(change) {
            Ok(applied) => {
                let changed = self.recall(applied);
                Box::pin(async { Ok(changed.await) })
            }
            Err(error) => Box::pin(ready(Err(error))),
        }
    }
}

impl Handler<Register> for RingActor {
    type Result = Registered;

    fn handle(&mut self, Register { router, recall }: Register, _: &mut Self::Context) -> Registered {
        self.routers.insert(router, recall);
        Registered { epoch: self.ring.epoch(), layout: *self.ring.layout(), seated: self.ring.occupied() }
    }
}

impl Handler<Recalled> for RingActor {
    type Result = ();

    fn handle(&mut self, Recalled { router, epoch, busy }: Recalled, _: &mut Self::Context) {
        for pending in self.pending.iter_mut().filter(|pending| pending.epoch == epoch) {
            if pending.waiting.remove(&router) {
                pending.busy.extend(busy.iter().map(|incarnation| (router, *incarnation)));
            }
        }
        self.complete_acknowledged();
    }
}

impl Handler<Lookup> for RingActor {
    type Result = WalkPage;

    fn handle(&mut self, Lookup { slot, offset }: Lookup, _: &mut Self::Context) -> WalkPage {
        WalkPage { epoch: self.ring.epoch(), walk: self.ring.lookup(slot, offset, PAGE) }
    }
}

impl Handler<Snapshot> for RingActor {
    type Result = Snapshotted;

    fn handle(&mut self, _: Snapshot, _: &mut Self::Context) -> Snapshotted {
        Snapshotted {
            epoch: self.ring.epoch(),
            digest: self.ring.digest(),
            layout: *self.ring.layout(),
            slots: self.ring.seats().map(|state| (state.seat, state.slots as usize)).collect(),
        }
    }
}

impl Handler<Map> for RingActor {
    type Result = Mapped;

    fn handle(&mut self, _: Map, _: &mut Self::Context) -> Mapped {
        let map = self.ring.slot_map().clone();
        Mapped { epoch: self.ring.epoch(), digest: self.ring.digest(), map }
    }
}

impl Handler<Plan> for RingActor {
    type Result = ResponseFuture<Result<ring::Plan, RingError>>;

    /// Computed on another thread: the placement of many seats would delay look-ups.
    fn handle(&mut self, Plan(proposal): Plan, _: &mut Self::Context) -> Self::Result {
        let ring = self.ring.clone();
        let plan = actix_rt::task::spawn_blocking(move || ring::Plan::new(&ring, &proposal));
        Box::pin(async { plan.await.expect("placement does not panic and is never cancelled") })
    }
}

impl Handler<Explain> for RingActor {
    type Result = Explained;

    fn handle(&mut self, Explain(key): Explain, _: &mut Self::Context) -> Explained {
        let position = self.ring.position(&key);
        let walk = self.ring.walk(position.slot).map(|(seat, replica)| (seat, replica.cloned()));
        Explained {
            epoch: self.ring.epoch(),
            number: position.number,
            slot: position.slot,
            walk: walk.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::sync::Arc;

    use super::*;
    use crate::ring::{Change, Incarnation, Replica, SeatId, Weight};

    /// A router that receives recalls and does not acknowledge them.
    struct Silent(Rc<RefCell<Vec<router_link::Recall>>>);

    impl Actor for Silent {
        type Context = Context<Self>;
    }

    impl Handler<router_link::Recall> for Silent {
        type Result = ();

        fn handle(&mut self, recall: router_link::Recall, _: &mut Self::Context) {
            self.0.borrow_mut().push(recall);
        }
    }

    /// Stops a [`Silent`].
    #[derive(Message)]
    #[rtype(result = "()")]
    struct End;

    impl Handler<End> for Silent {
        type Result = ();

        fn handle(&mut self, _: End, ctx: &mut Self::Context) {
            ctx.stop();
        }
    }

    fn replica(seat: u32, incarnation: u64) -> Arc<Replica> {
        Arc::new(Replica {
            seat: SeatId::new(seat).unwrap(),
            name: format!("r{incarnation}").parse().unwrap(),
            incarnation: Incarnation(incarnation),
            address: ([127, 0, 0, 1], 1000 + incarnation as u16).into(),
        })
    }

    fn seat(n: u32) -> SeatId {
        SeatId::new(n).unwrap()
    }

    async fn ring_of(seats: u32) -> Addr<RingActor> {
        let ring = RingActor::new(Layout::default()).start();
        let join = (1..=seats).map(|n| (seat(n), Weight::DEFAULT, Some(replica(n, n.into()))));
        ring.send(Apply(Change::Join(join.collect()))).await.unwrap().unwrap();
        ring
    }

    async fn silent(
        ring: &Addr<RingActor>,
        id: u64,
    ) -> (Addr<Silent>, Rc<RefCell<Vec<router_link::Recall>>>) {
        let recalls = Rc::default();
        let silent = Silent(Rc::clone(&recalls)).start();
        let register = Register { router: RouterId(id), recall: silent.clone().recipient() };
        ring.send(register).await.unwrap();
        (silent, recalls)
    }

    /// Waits until the actors have processed their mailboxes.
    async fn settle(ring: &Addr<RingActor>) {
        for _ in 0..10 {
            ring.send(Snapshot).await.unwrap();
        }
    }

    #[actix::test]
    async fn a_handover_aborts_no_request_and_moves_no_key() {
        let ring = ring_of(3).await;
        let (_router, recalls) = silent(&ring, 1).await;
        let before = ring.send(Snapshot).await.unwrap();
        let change = actix_rt::spawn(ring.send(Apply(Change::Handover(replica(2, 9)))));
        settle(&ring).await;
        let recall = recalls.borrow()[0].clone();
        assert_eq!((recall.gone, recall.abort), (vec![Incarnation(2)], false));
        let busy = vec![Incarnation(2)];
        ring.send(Recalled { router: RouterId(1), epoch: recall.epoch, busy }).await.unwrap();
        let changed = change.await.unwrap().unwrap().unwrap();
        assert_eq!(changed.busy, [(RouterId(1), Incarnation(2))]);
        let after = ring.send(Snapshot).await.unwrap();
        assert_eq!((after.digest, after.slots), (before.digest, before.slots));
        let walk = ring.send(Explain(b"key".to_vec())).await.unwrap().walk;
        assert!(walk.contains(&(seat(2), Some(replica(2, 9)))));
    }

    #[actix::test]
    async fn a_change_completes_when_every_router_has_given_its_leases_back() {
        let ring = ring_of(3).await;
        let (_one, recalls) = silent(&ring, 1).await;
        let (_two, _) = silent(&ring, 2).await;
        let change = actix_rt::spawn(ring.send(Apply(Change::Leave(vec![seat(2)]))));
        settle(&ring).await;
        let (epoch, gone) = (recalls.borrow()[0].epoch, recalls.borrow()[0].gone.clone());
        assert_eq!((gone, recalls.borrow()[0].abort), (vec![Incarnation(2)], false));

        ring.send(Recalled { router: RouterId(1), epoch, busy: vec![Incarnation(2)] }).await.unwrap();
        ring.send(Recalled { router: RouterId(2), epoch: epoch - 1, busy: vec![] }).await.unwrap();
        settle(&ring).await;
        assert!(!change.is_finished(), "router 2 has acknowledged only an earlier recall");
        ring.send(Recalled { router: RouterId(2), epoch, busy: vec![] }).await.unwrap();
        let changed = change.await.unwrap().unwrap().unwrap();
        assert_eq!(changed, Changed { epoch, busy: vec![(RouterId(1), Incarnation(2))] });
    }

    #[actix::test]
    async fn each_overlapping_change_completes_with_its_own_recall() {
        let ring = ring_of(3).await;
        let (_one, recalls) = silent(&ring, 1).await;
        let first = actix_rt::spawn(ring.send(Apply(Change::Vacate(seat(1)))));
        let second = actix_rt::spawn(ring.send(Apply(Change::Occupy(replica(1, 9)))));
        settle(&ring).await;
        let epochs: Vec<u64> = recalls.borrow().iter().map(|recall| recall.epoch).collect();
        assert!(recalls.borrow()[0].abort && recalls.borrow()[1].gone.is_empty());
        ring.send(Recalled { router: RouterId(1), epoch: epochs[1], busy: vec![] }).await.unwrap();
        assert_eq!(second.await.unwrap().unwrap().unwrap().epoch, epochs[1]);
        assert!(!first.is_finished());
        ring.send(Recalled { router: RouterId(1), epoch: epochs[0], busy: vec![] }).await.unwrap();
        assert_eq!(first.await.unwrap().unwrap().unwrap().epoch, epochs[0]);
    }

    #[actix::test]
    async fn a_stopped_router_counts_as_acknowledged() {
        let ring = ring_of(2).await;
        let (one, _) = silent(&ring, 1).await;
        let change = actix_rt::spawn(ring.send(Apply(Change::Vacate(seat(1)))));
        settle(&ring).await;
        assert!(!change.is_finished());
        one.send(End).await.unwrap();
        let changed = tokio::time::timeout(SILENT * 10, change)
            .await
            .expect("completes within the interval of the check");
        assert_eq!(changed.unwrap().unwrap().unwrap().busy, vec![]);
        let again = ring.send(Apply(Change::Vacate(seat(2)))).await.unwrap().unwrap();
        assert_eq!(again.busy, vec![]);
    }

    #[actix::test]
    async fn a_refused_change_leaves_the_ring_unchanged() {
        let ring = ring_of(2).await;
        let before = ring.send(Snapshot).await.unwrap();
        assert!(
            ring.send(Apply(Change::Occupy(replica(1, 7)))).await.unwrap().is_err(),
            "the seat is occupied"
        );
        assert!(
            ring.send(Apply(Change::Join(vec![(seat(2), Weight::DEFAULT, None)]))).await.unwrap().is_err()
        );
        let after = ring.send(Snapshot).await.unwrap();
        assert_eq!((after.epoch, after.digest), (before.epoch, before.digest));
    }

    #[actix::test]
    async fn look_ups_by_offset_cover_the_occupied_seats_of_the_walk() {
        let ring = ring_of(12).await;
        ring.send(Apply(Change::Vacate(seat(5)))).await.unwrap().unwrap();
        let Explained { slot, walk, epoch, .. } = ring.send(Explain(b"alice".to_vec())).await.unwrap();
        let expected: Vec<Incarnation> =
            walk.iter().filter_map(|(_, replica)| Some(replica.as_ref()?.incarnation)).collect();
        assert_eq!((walk.len(), expected.len()), (12, 11));
        let mut found = Vec::new();
        for offset in [0, PAGE] {
            let page = ring.send(Lookup { slot, offset }).await.unwrap();
            assert_eq!(page.epoch, epoch);
            found.extend(page.walk.iter().map(|replica| replica.incarnation));
        }
        assert_eq!(found, expected);
    }
}
