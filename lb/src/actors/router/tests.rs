//! The router's parts put together, over a ring without sockets and with a clock that only we move.

use std::cell::RefCell;
use std::io;

use awc::http::StatusCode;
use futures::future::{join_all, poll_immediate};
use tokio::time::advance;

use super::choice::Wish;
use super::*;
use crate::actors::ring::{Join, Registered, Snapshot, Vacate};
use crate::actors::supervisor::{Idle, Suspicion};
use crate::ring::{Layout, Replica, SeatId, Slot, Weight};
use crate::upstream::{Error as Failure, Kind, Phase};

/// May be a probe, and waits for nothing but the replica.
const GET: Wish = Wish { probe: true, waits: true };
const POST: Wish = Wish { probe: false, waits: false };

/// What the supervisor would be told.
#[derive(Clone, Default)]
struct Told {
    idle: Rc<RefCell<Vec<Incarnation>>>,
    suspected: Rc<RefCell<Vec<Incarnation>>>,
}

impl Actor for Told {
    type Context = Context<Self>;
}

impl Handler<Idle> for Told {
    type Result = ();

    fn handle(&mut self, idle: Idle, _: &mut Self::Context) {
        self.idle.borrow_mut().push(idle.incarnation);
    }
}

impl Handler<Suspicion> for Told {
    type Result = ();

    fn handle(&mut self, suspicion: Suspicion, _: &mut Self::Context) {
        self.suspected.borrow_mut().push(suspicion.incarnation);
    }
}

/// A ring of some seats, and a router that knows it.
struct Scene {
    ring: Addr<RingActor>,
    router: Rc<Router>,
    slot: Slot,
    told: Told,
}

impl Scene {
    async fn new(seats: u32, change: impl FnOnce(&mut Settings)) -> Self {
        let ring = RingActor::new(Layout::default()).start();
        let join =
            seated(1..=seats).iter().map(|s| (s.replica.seat, s.weight, Some(s.replica.clone()))).collect();
        ring.send(Join(join)).await.unwrap().unwrap();
        let mut settings = Settings {
            key: KeySources::random(),
            policy: Policy::Hash,
            bound: None,
            retries: 2,
            retry_budget: 20,
            request_timeout: None,
            max_in_flight: 1000,
            upstream: crate::upstream::Settings::default(),
        };
        change(&mut settings);
        let told = Told::default();
        let supervisor = told.clone().start();
        let notices = Notices { idle: supervisor.clone().recipient(), suspicion: supervisor.recipient() };
        let router = Rc::new(Router::new(RouterId(1), settings, ring.clone(), notices));
        let epoch = ring.send(Snapshot).await.unwrap().epoch;
        router.registered(Registered { epoch, layout: Layout::default(), seated: seated(1..=seats) });
        Self { ring, router, slot: Layout::default().position(b"alice").slot, told }
    }

    async fn enter(&self, tried: &[Incarnation], wish: Wish) -> Option<InFlight> {
        self.router.enter(self.slot, tried, wish).await.unwrap()
    }

    async fn get(&self) -> InFlight {
        self.enter(&[], GET).await.unwrap()
    }

    /// Who would be chosen; nothing comes of it.
    async fn first(&self, wish: Wish) -> Incarnation {
        self.enter(&[], wish).await.unwrap().upstream().incarnation
    }

    /// The walk of our slot.
    async fn walk(&self) -> Vec<Incarnation> {
        let mut tried = Vec::new();
        while let Some(next) = self.enter(&tried, POST).await {
            tried.push(next.upstream().incarnation);
        }
        tried
    }

    /// Lets every mailbox be read.
    async fn settle(&self) {
        for _ in 0..10 {
            self.ring.send(Snapshot).await.unwrap();
        }
    }

    fn skips(&self) -> Vec<Incarnation> {
        let loads = self.router.loaded().replicas;
        let mut skips: Vec<_> =
            loads.iter().filter(|load| load.skip.is_some()).map(|load| load.incarnation).collect();
        skips.sort_unstable();
        skips
    }
}

fn seated(seats: impl IntoIterator<Item = u32>) -> Arc<[Seated]> {
    let one = |seat: u32| Seated {
        replica: Arc::new(Replica {
            seat: SeatId::new(seat).unwrap(),
            name: format!("r{seat}").parse().unwrap(),
            incarnation: Incarnation(seat.into()),
            address: ([127, 0, 0, 1], 1000 + seat as u16).into(),
        }),
        weight: Weight::DEFAULT,
    };
    seats.into_iter().map(one).collect()
}

fn reset() -> Failure {
    Failure { kind: Kind::Broke(io::ErrorKind::ConnectionReset.into()), sent: true, received: false }
}

fn late() -> Failure {
    Failure { kind: Kind::TimedOut(Phase::Head), sent: true, received: false }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[actix::test]
async fn an_answer_that_a_recall_overtook_is_not_believed() {
    let scene = Scene::new(3, |_| {}).await;
    let first = scene.first(POST).await;
    let epoch = scene.ring.send(Snapshot).await.unwrap().epoch;
    scene.router.recall(epoch, &seated(1..=3), &[], false);

    let mut late = Box::pin(scene.router.enter(scene.slot, &[], POST));
    assert!(poll_immediate(&mut late).await.is_none(), "it has asked");
    let seat = u32::try_from(first.0).unwrap();
    let changed = scene.ring.send(Vacate(SeatId::new(seat).unwrap())).await.unwrap().unwrap();
    let left = seated((1..=3).filter(|n| *n != seat));
    scene.router.recall(changed.epoch, &left, &[first], true);
    assert_ne!(late.await.unwrap().unwrap().upstream().incarnation, first);
}

#[actix::test]
async fn a_recall_drops_the_lease_and_the_last_request_is_told() {
    let scene = Scene::new(3, |settings| settings.max_in_flight = 2).await;
    let (one, two) = (scene.get().await, scene.get().await);
    let third = scene.router.enter(scene.slot, &[], GET).await;
    assert!(matches!(third, Err(Error::Overloaded)), "the limit is 2");
    let gone = one.upstream().incarnation;
    assert_eq!(scene.router.recall(7, &seated([2]), &[gone], false), [gone]);
    drop(one);
    scene.settle().await;
    assert!(scene.told.idle.borrow().is_empty(), "one is still in flight");
    drop(two);
    scene.settle().await;
    assert_eq!(*scene.told.idle.borrow(), [gone]);
    assert_eq!(scene.router.loaded().replicas.len(), 2, "of the three replicas");
    assert_eq!(scene.router.recall(8, &seated([2]), &[Incarnation(99)], false), []);
}

#[actix::test]
async fn the_walk_goes_on_past_what_was_tried() {
    let scene = Scene::new(10, |_| {}).await;
    let all: std::collections::BTreeSet<_> = scene.walk().await.into_iter().collect();
    assert_eq!(all.len(), 10, "more than a page");
}

#[actix::test]
async fn a_burst_that_waits_for_one_lease_stays_within_the_limit() {
    let scene = Scene::new(3, |settings| settings.max_in_flight = 2).await;
    let entered = join_all((0..9).map(|_| scene.router.enter(scene.slot, &[], GET))).await;
    let (admitted, refused): (Vec<_>, Vec<_>) = entered.into_iter().partition(Result::is_ok);
    assert_eq!((admitted.len(), refused.len()), (2, 7));
    assert!(refused.iter().all(|refused| matches!(refused, Err(Error::Overloaded))));
    drop(admitted);
    assert!(scene.router.enter(scene.slot, &[], GET).await.is_ok());
}

#[actix::test]
async fn three_failures_in_a_row_eject_and_one_get_after_ten_seconds_readmits() {
    tokio::time::pause();
    let scene = Scene::new(3, |_| {}).await;
    let walk = scene.walk().await;
    for _ in 0..3 {
        let mut one = scene.get().await;
        assert_eq!(one.upstream().incarnation, walk[0]);
        one.failed(&reset());
    }
    scene.settle().await;
    assert_eq!(*scene.told.suspected.borrow(), [walk[0]]);
    assert_eq!(scene.skips(), [walk[0]]);
    assert_eq!(scene.first(GET).await, walk[1]);

    advance(Duration::from_secs(11)).await;
    assert_eq!(scene.first(POST).await, walk[1], "no POST is risked");
    let mut probe = scene.get().await;
    assert_eq!(probe.upstream().incarnation, walk[0]);
    assert_eq!(scene.first(GET).await, walk[1], "one live request");
    probe.replied(StatusCode::OK);
    assert_eq!(scene.first(GET).await, walk[1], "not before its end");
    probe.completed();
    assert_eq!(scene.first(POST).await, walk[0]);
    assert_eq!(scene.router.counts.get().ejections, 1);
}

#[actix::test]
async fn a_probe_that_fails_waits_twice_as_long_and_one_whose_client_left_does_not_count() {
    tokio::time::pause();
    let scene = Scene::new(3, |_| {}).await;
    let walk = scene.walk().await;
    scene.get().await.failed(&late());
    for pause in [11, 22] {
        assert_eq!(scene.first(GET).await, walk[1]);
        advance(Duration::from_secs(pause - 2)).await;
        assert_eq!(scene.first(GET).await, walk[1]);
        advance(Duration::from_secs(2)).await;
        assert_eq!(scene.first(GET).await, walk[0], "and its client leaves");
        let mut probe = scene.get().await;
        assert_eq!(probe.upstream().incarnation, walk[0]);
        probe.replied(StatusCode::INTERNAL_SERVER_ERROR);
        probe.completed();
    }
    assert_eq!(scene.first(GET).await, walk[1]);
}

#[actix::test]
async fn what_the_client_did_counts_for_nothing() {
    let scene = Scene::new(3, |_| {}).await;
    let first = scene.first(GET).await;
    for _ in 0..9 {
        for kind in [Kind::Client("gone".into()), Kind::Request("x"), Kind::TimedOut(Phase::Upload)] {
            scene.get().await.failed(&Failure { kind, sent: true, received: false });
        }
        let mut not_found = scene.get().await;
        not_found.replied(StatusCode::NOT_FOUND);
        not_found.completed();
    }
    let ours = Kind::Connect(io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error()));
    scene.get().await.failed(&Failure { kind: ours, sent: false, received: false });
    assert_eq!((scene.first(GET).await, scene.skips()), (first, vec![]));
}

#[actix::test]
async fn at_most_half_is_ejected_and_the_last_is_never() {
    for (seats, most) in [(1, 0), (2, 1), (3, 1), (4, 2)] {
        let scene = Scene::new(seats, |_| {}).await;
        for _ in 0..20 {
            let mut one = scene.get().await;
            one.failed(&late());
        }
        assert_eq!(scene.skips().len(), most, "of {seats}");
        assert!(scene.enter(&[], POST).await.is_some());
    }
}

#[actix::test]
async fn when_the_others_leave_who_was_ejected_first_comes_back() {
    tokio::time::pause();
    let scene = Scene::new(4, |_| {}).await;
    for _ in 0..2 {
        scene.get().await.failed(&late());
        advance(ms(1)).await;
    }
    let ejected = scene.skips();
    let walk = scene.walk().await;
    assert_eq!(ejected.len(), 2);
    let stays = |seat: &u32| ejected.contains(&Incarnation((*seat).into()));
    let gone: Vec<_> = walk.iter().copied().filter(|incarnation| !ejected.contains(incarnation)).collect();
    scene.router.recall(9, &seated((1..=4).filter(stays)), &gone, false);
    assert_eq!(scene.skips().len(), 1);
}

#[actix::test]
async fn a_new_incarnation_starts_clean() {
    let scene = Scene::new(3, |_| {}).await;
    let first = scene.first(GET).await;
    scene.get().await.failed(&late());
    assert_eq!(scene.skips(), [first]);
    let replaced: Arc<[Seated]> = seated(1..=3)
        .iter()
        .map(|seated| match seated.replica.incarnation {
            old if old == first => {
                let replica = Replica { incarnation: Incarnation(9), ..(*seated.replica).clone() };
                Seated { replica: Arc::new(replica), ..seated.clone() }
            }
            _ => seated.clone(),
        })
        .collect();
    scene.router.recall(9, &replaced, &[first], true);
    assert_eq!(scene.skips(), []);
}

#[actix::test]
async fn a_replica_stalls_when_several_wait_and_others_answer() {
    tokio::time::pause();
    let scene = Scene::new(3, |_| {}).await;
    let walk = scene.walk().await;
    let waiting = [scene.get().await, scene.get().await, scene.get().await];
    advance(ms(500)).await;
    assert_eq!(scene.first(GET).await, walk[0], "nobody else has answered either");
    scene.enter(&walk[..1], GET).await.unwrap().replied(StatusCode::OK);
    assert_eq!(scene.first(POST).await, walk[1]);
    assert!(waiting.iter().all(InFlight::is_given_up));
    let [mut one, two, three] = waiting;
    drop((two, three));
    assert_eq!(scene.first(GET).await, walk[1], "one still waits");
    assert!(one.is_last());
    one.replied(StatusCode::OK);
    assert_eq!(scene.first(GET).await, walk[0]);
    assert_eq!(scene.router.counts.get().stalls, 1);
}

#[actix::test]
async fn slow_requests_do_not_stall_a_replica_that_answers_others() {
    tokio::time::pause();
    let scene = Scene::new(3, |_| {}).await;
    let walk = scene.walk().await;
    let polls = [scene.get().await, scene.get().await, scene.get().await, scene.get().await];
    for _ in 0..200 {
        advance(ms(20)).await;
        for seat in &walk {
            let others: Vec<_> = walk.iter().copied().filter(|other| other != seat).collect();
            scene.enter(&others, GET).await.unwrap().replied(StatusCode::OK);
        }
        assert_eq!(scene.first(GET).await, walk[0]);
    }
    assert!(!polls.iter().any(InFlight::is_given_up));
}

#[actix::test]
async fn a_hot_key_spills_to_the_next_of_its_walk_and_nobody_is_refused() {
    let bound = Bound { load: 1250, floor: 2 };
    let scene = Scene::new(3, |settings| settings.bound = Some(bound)).await;
    let mut in_flight = Vec::new();
    let mut loads = std::collections::BTreeMap::new();
    for n in 1..=60usize {
        let one = scene.get().await;
        let load = loads.entry(one.upstream().incarnation).or_insert(0);
        *load += 1;
        assert!(*load <= bound.limit(n, 100, 300), "{load} of {n}");
        in_flight.push(one);
        if n == 2 {
            assert_eq!(scene.skips().len(), 1, "the floor is reached, and seen");
        }
    }
    let spills = scene.router.counts.get().spills;
    assert_eq!(spills, 60 - *loads.values().max().unwrap() as u64);
    let first = in_flight[0].upstream().incarnation;
    drop(in_flight);
    assert_eq!((scene.first(GET).await, scene.skips()), (first, vec![]));

    // Those that may be chosen share what an ejected one would have had.
    let walk = scene.walk().await;
    scene.get().await.failed(&late());
    let all: Vec<_> = join_all((0..60).map(|_| scene.get())).await;
    let second = all.iter().filter(|one| one.upstream().incarnation == walk[1]).count();
    assert_eq!(second, 38, "ceil(1.25 * 60 / 2)");
}

#[actix::test]
async fn a_policy_spreads_one_key_and_a_retry_follows_its_walk() {
    tokio::time::pause();
    for policy in [Policy::RoundRobin, Policy::LeastRequests, Policy::PeakEwma] {
        let scene = Scene::new(4, |settings| settings.policy = policy).await;
        let walk: Vec<_> =
            scene.ring.send(crate::actors::ring::Lookup { slot: scene.slot, offset: 0 }).await.unwrap().walk;
        let walk: Vec<_> = walk.iter().map(|replica| replica.incarnation).collect();
        let all: Vec<_> = join_all((0..40).map(|_| scene.get())).await;
        for replica in &walk {
            let share = all.iter().filter(|one| one.upstream().incarnation == *replica).count();
            assert!((5..=15).contains(&share), "{policy:?} {share}");
        }
        let retry = scene.enter(&[walk[0], walk[2]], GET).await.unwrap();
        assert_eq!(retry.upstream().incarnation, walk[1], "{policy:?}");
        drop(all);

        let mut sick = scene.get().await;
        let ejected = sick.upstream().incarnation;
        sick.failed(&late());
        for _ in 0..20 {
            assert_ne!(scene.first(GET).await, ejected, "{policy:?}");
        }
        advance(Duration::from_secs(11)).await;
        assert_eq!(scene.first(GET).await, ejected, "its one request, {policy:?}");
    }
}
