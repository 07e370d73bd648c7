//! The router's parts put together, over a ring without sockets and with a clock that only we move.

use std::cell::RefCell;
use std::io;

use awc::http::StatusCode;
use futures::future::{join_all, poll_immediate};
use tokio::time::advance;

use super::choice::AttemptOptions;
use super::*;
use crate::control::ring::{Join, Registered, Snapshot, Vacate};
use crate::control::supervisor::{Ejected, Idle, NotRepeated, Readmitted};
use crate::proxy::client::{Error as Failure, Kind, Phase};
use crate::ring::{Layout, Replica, SeatId, Slot, Weight};

mod choices;
mod ejections;
mod leases;
mod suspects;

/// May be a probe, and waits for nothing but the replica.
const GET: AttemptOptions = AttemptOptions { probe: true, waits: true, well_only: false };
const POST: AttemptOptions = AttemptOptions { probe: false, waits: false, well_only: false };

/// What the supervisor would be told.
#[derive(Clone, Default)]
struct Told {
    idle: Rc<RefCell<Vec<Incarnation>>>,
    suspected: Rc<RefCell<Vec<Incarnation>>>,
    readmitted: Rc<RefCell<Vec<Incarnation>>>,
    not_repeated: Rc<RefCell<Vec<Incarnation>>>,
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

impl Handler<Ejected> for Told {
    type Result = ();

    fn handle(&mut self, suspicion: Ejected, _: &mut Self::Context) {
        self.suspected.borrow_mut().push(suspicion.incarnation);
    }
}

impl Handler<Readmitted> for Told {
    type Result = ();

    fn handle(&mut self, readmission: Readmitted, _: &mut Self::Context) {
        self.readmitted.borrow_mut().push(readmission.incarnation);
    }
}

impl Handler<NotRepeated> for Told {
    type Result = ();

    fn handle(&mut self, notice: NotRepeated, _: &mut Self::Context) {
        self.not_repeated.borrow_mut().push(notice.replica.incarnation);
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
            key_redactor: KeyRedactor::new(Default::default()),
            policy: Policy::Hash,
            bound: None,
            retries: 2,
            retry_budget: 20,
            request_timeout: None,
            max_in_flight: 1000,
            eject_on: Statuses::parse("500,502-504", &(400..=599)).unwrap(),
            upstream: crate::proxy::client::Settings::default(),
        };
        change(&mut settings);
        let told = Told::default();
        let supervisor = told.clone().start();
        let notices = Notices {
            idle: supervisor.clone().recipient(),
            suspicion: supervisor.clone().recipient(),
            readmission: supervisor.clone().recipient(),
            not_repeated: supervisor.recipient(),
        };
        let router = Rc::new(Router::new(RouterId(1), settings, ring.clone(), notices));
        let epoch = ring.send(Snapshot).await.unwrap().epoch;
        router.registered(Registered { epoch, layout: Layout::default(), seated: seated(1..=seats) });
        Self { ring, router, slot: Layout::default().position(b"alice").slot, told }
    }

    async fn acquire(&self, tried: &[Incarnation], options: AttemptOptions) -> Option<InFlight> {
        self.router.acquire(self.slot, tried, options).await.unwrap()
    }

    async fn get(&self) -> InFlight {
        self.acquire(&[], GET).await.unwrap()
    }

    /// Who would be chosen; nothing comes of it.
    async fn first(&self, options: AttemptOptions) -> Incarnation {
        self.acquire(&[], options).await.unwrap().upstream().incarnation
    }

    /// The walk of our slot.
    async fn walk(&self) -> Vec<Incarnation> {
        let mut tried = Vec::new();
        while let Some(next) = self.acquire(&tried, POST).await {
            tried.push(next.upstream().incarnation);
        }
        tried
    }

    /// The supervisor tells who is suspect.
    fn suspect(&self, suspects: &[Incarnation]) {
        self.router.suspects(suspects);
    }

    /// Lets every mailbox be read.
    async fn settle(&self) {
        for _ in 0..10 {
            self.ring.send(Snapshot).await.unwrap();
        }
    }

    /// Who would be chosen, as an operator is told.
    async fn explained(&self) -> Option<Incarnation> {
        self.router.explain(self.slot).await.unwrap().chosen
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
