//! The ring and the routers of the model world: requests begin wherever a router may send them by its present state.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Longest delay of an idle notice.
const IDLE_NOTICE: Duration = Duration::from_millis(100);

#[derive(Default)]
pub struct Router {
    /// Replicas to which this router may send requests.
    pub(super) routes: BTreeSet<Incarnation>,
    pub(super) in_flight: BTreeMap<Incarnation, usize>,
    /// Replicas for which it reported requests in flight, and owes an idle notice.
    pub(super) owes: BTreeSet<Incarnation>,
    /// When it gets its latest recall; `None`: there was none.
    latest_recall: Option<Instant>,
}

pub struct Recall {
    pub(super) gone: Vec<Incarnation>,
    /// The replica that gets requests again; it may have been cordoned before.
    pub(super) back: Option<Incarnation>,
    /// Replicas that get no new request from then on.
    pub(super) leaves: Vec<Incarnation>,
    pub(super) waits: usize,
    pub(super) busy: Busy,
}

impl World {
    /// Makes a change of the ring. `leaves`: the replicas that leave their seats for good.
    pub(super) fn change(
        &mut self,
        id: ChangeId,
        change: Change,
        leaves: Vec<Incarnation>,
        published: &[Transition],
    ) {
        for incarnation in &leaves {
            let takes = self.up_to(20);
            self.later(takes, Scheduled::Retired(*incarnation));
        }
        let (mut gone, mut back) = (Vec::new(), None);
        match change {
            Change::Join(seats) => {
                for (seat, weight, replica) in seats {
                    self.weights.insert(seat, weight);
                    let new = self.ring.insert(seat, replica.as_ref().map(|replica| replica.incarnation));
                    assert!(new.is_none(), "seat {seat} joined twice");
                    replica.into_iter().for_each(|replica| self.route(replica.incarnation));
                }
            }
            Change::Occupy(replica) => {
                let vacant = self.ring.insert(replica.seat, Some(replica.incarnation));
                assert_eq!(vacant, Some(None), "seat {} was not vacant", replica.seat);
                self.route(replica.incarnation);
                back = Some(replica.incarnation);
            }
            Change::Cordon(seat) => {
                let was = self.ring.insert(seat, None).expect("a seat in the ring");
                assert_eq!(was, published[0].incarnation, "seat {seat} was not its own");
                gone.push(was.expect("an occupied seat"));
            }
            Change::Vacate(seat) => {
                let was = self.ring.insert(seat, None).expect("a seat in the ring");
                gone.push(was.expect("an occupied seat"));
            }
            Change::Handover(to) => {
                let was = self.ring.insert(to.seat, Some(to.incarnation));
                let others = [Some(Some(leaves[0])), Some(None)]; // the seat of a cordoned one is vacant
                assert!(others.contains(&was), "seat {} was not the other's", to.seat);
                self.route(to.incarnation);
                gone.extend(was.flatten());
            }
            Change::Weigh(weights) => {
                for (seat, weight) in weights {
                    assert!(self.ring.contains_key(&seat), "seat {seat} is not in the ring");
                    assert_ne!(self.weights.insert(seat, weight), Some(weight), "nothing to change");
                }
            }
            Change::Leave(seats) => {
                gone.extend(
                    seats.iter().filter_map(|seat| self.ring.remove(seat).expect("a seat in the ring")),
                );
            }
        }
        self.changes.insert(id, Recall { gone, back, leaves, waits: ROUTERS, busy: Vec::new() });
        for router in 0..ROUTERS {
            let delay = if self.rare(2) { self.up_to(3000) } else { self.up_to(40) };
            // A mailbox keeps the order of the ring's recalls.
            let at = self.routers[router].latest_recall.max(Some(self.now + delay)).unwrap_or(self.now);
            self.routers[router].latest_recall = Some(at);
            self.later(at - self.now, Scheduled::Recalled(router, id));
        }
    }

    pub(super) fn route(&mut self, incarnation: Incarnation) {
        for router in &mut self.routers {
            router.routes.insert(incarnation);
        }
    }

    pub(super) fn recalled(&mut self, router: usize, id: ChangeId) {
        let Some(recall) = self.changes.get_mut(&id) else { return };
        let Router { routes, in_flight, owes, .. } = &mut self.routers[router];
        for incarnation in &recall.gone {
            routes.remove(incarnation);
            if in_flight.contains_key(incarnation) {
                recall.busy.push((RouterId(router as u64), *incarnation));
                owes.insert(*incarnation);
            }
        }
        if let Some(back) = recall.back {
            owes.remove(&back);
        }
        recall.waits -= 1;
        if recall.waits == 0 {
            let busy = recall.busy.clone();
            // A router sends an earlier idle notice before its answer, so the notice may not come after it.
            let delay = if recall.back.is_some() { IDLE_NOTICE } else { Duration::ZERO } + self.up_to(50);
            self.later(delay, Scheduled::Notify(Event::Ring { id, busy }));
        }
    }

    pub(super) fn requests(&mut self) {
        for router in 0..ROUTERS {
            let routes: Vec<Incarnation> = self.routers[router].routes.iter().copied().collect();
            let Some(incarnation) = self.rng.choice(routes) else { continue };
            *self.routers[router].in_flight.entry(incarnation).or_default() += 1;
            let takes = if self.rare(5) { self.up_to(90_000) } else { self.up_to(1500) };
            self.later(takes, Scheduled::RequestEnds(router, incarnation));
        }
        let pause = self.up_to(1000);
        self.later(pause, Scheduled::Requests);
    }

    pub(super) fn request_ends(&mut self, at: usize, incarnation: Incarnation) {
        let router = &mut self.routers[at];
        let in_flight = router.in_flight.get_mut(&incarnation).expect("a request in flight");
        *in_flight -= 1;
        if *in_flight > 0 {
            return;
        }
        router.in_flight.remove(&incarnation);
        self.ended.insert(incarnation, self.now);
        if router.owes.remove(&incarnation) {
            let delay = self.up_to(IDLE_NOTICE.as_millis() as u64);
            self.later(
                delay,
                Scheduled::Notify(Event::Router {
                    router: RouterId(at as u64),
                    event: RouterEvent::Idle(incarnation),
                }),
            );
        }
    }

    /// Whether a request may still begin, by the state of any router.
    pub fn routed(&self, incarnation: Incarnation) -> bool {
        self.routers.iter().any(|router| router.routes.contains(&incarnation))
            || self.changes.values().any(|recall| recall.gone.contains(&incarnation))
    }

    pub fn in_flight(&self, incarnation: Incarnation) -> usize {
        self.routers.iter().filter_map(|router| router.in_flight.get(&incarnation)).sum()
    }

    /// Whether the fleet must know by now that no request is in flight any more.
    pub fn idle(&self, incarnation: Incarnation) -> bool {
        let is_delivered = |at: Option<&Instant>| at.is_none_or(|at| self.now > *at + LATE);
        let times = [self.left.get(&incarnation), self.ended.get(&incarnation)];
        self.in_flight(incarnation) == 0 && times.into_iter().all(is_delivered)
    }
}
