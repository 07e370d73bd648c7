//! Tests of the assembled router against a real RingActor, without sockets, with a paused clock.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use actix::prelude::*;
use awc::http::StatusCode;
use futures::future::{join_all, poll_immediate};
use tokio::time::advance;

use super::endpoints::AttemptOptions;
use super::notices::Notices;
use super::state::Router;
use super::*;
use crate::control::ring::{Registered, RingHandle};
use crate::control::router_link::Recall;
use crate::control::supervisor::{Notice, NoticeSender};
use crate::fleet::{RouterEvent, RouterId};
use crate::proxy::client::{Error as Failure, Kind, Phase};
use crate::ring::{Change, Layout, Replica, SeatId, Slot, Weight};
use crate::ring::{Incarnation, Seated, SlotSet};

mod choices;
mod ejections;
mod leases;
mod suspects;

/// An attempt without a body that may be a probe.
const GET: AttemptOptions = AttemptOptions { may_probe: true, bodiless: true, healthy_only: false };
const POST: AttemptOptions = AttemptOptions { may_probe: false, bodiless: false, healthy_only: false };

/// Records the notices that SupervisorActor would receive.
#[derive(Clone, Default)]
struct ReceivedNotices {
    idle: Rc<RefCell<Vec<Incarnation>>>,
    ejected: Rc<RefCell<Vec<Incarnation>>>,
    readmitted: Rc<RefCell<Vec<Incarnation>>>,
    not_repeated: Rc<RefCell<Vec<Incarnation>>>,
}

impl Actor for ReceivedNotices {
    type Context = Context<Self>;
}

impl Handler<Notice> for ReceivedNotices {
    type Result = ();

    fn handle(&mut self, notice: Notice, _: &mut Self::Context) {
        let (notices, incarnation) = match notice.event {
            RouterEvent::Idle(incarnation) => (&self.idle, incarnation),
            RouterEvent::Ejected(incarnation) => (&self.ejected, incarnation),
            RouterEvent::Readmitted(incarnation) => (&self.readmitted, incarnation),
            RouterEvent::NotRepeated { replica, .. } => (&self.not_repeated, replica.incarnation),
        };
        notices.borrow_mut().push(incarnation);
    }
}

/// A ring of some seats with a registered router.
struct Fixture {
    ring: RingHandle,
    router: Rc<Router>,
    slot: Slot,
    notices: ReceivedNotices,
}

impl Fixture {
    async fn new(seats: u32, change: impl FnOnce(&mut Settings)) -> Self {
        let ring = RingHandle::start(Layout::default());
        let join =
            seated(1..=seats).iter().map(|s| (s.replica.seat, s.weight, Some(s.replica.clone()))).collect();
        ring.apply(Change::Join(join)).await.unwrap();
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
            client: crate::proxy::client::Settings::default(),
        };
        change(&mut settings);
        let notices = ReceivedNotices::default();
        let router = Rc::new(Router::new(
            settings,
            ring.clone(),
            Notices::new(NoticeSender::new(RouterId(1), notices.clone().start().recipient())),
        ));
        let epoch = ring.snapshot().await.unwrap().epoch;
        router.registered(Registered { epoch, layout: Layout::default(), seated: seated(1..=seats) });
        Self { ring, router, slot: Layout::default().position(b"alice").slot, notices }
    }

    async fn acquire(&self, tried: &[Incarnation], options: AttemptOptions) -> Option<InFlight> {
        walk::acquire(&self.router, self.slot, tried, options).await.unwrap()
    }

    async fn get(&self) -> InFlight {
        self.acquire(&[], GET).await.unwrap()
    }

    /// The replica that would be chosen; the acquired request is dropped at once.
    async fn first(&self, options: AttemptOptions) -> Incarnation {
        self.acquire(&[], options).await.unwrap().endpoint().incarnation()
    }

    /// The walk of `slot`.
    async fn walk(&self) -> Vec<Incarnation> {
        let mut tried = Vec::new();
        while let Some(next) = self.acquire(&tried, POST).await {
            tried.push(next.endpoint().incarnation());
        }
        tried
    }

    /// Replaces the list of suspect replicas, as a message of the supervisor does.
    fn suspect(&self, suspects: &[Incarnation]) {
        self.router.suspects(suspects);
    }

    /// Recalls the leases of all slots, as a message of the ring does.
    fn recall(
        &self,
        epoch: u64,
        seated: &Arc<[Seated]>,
        gone: &[Incarnation],
        abort: bool,
    ) -> Vec<Incarnation> {
        let slots = Arc::new(SlotSet::all(Layout::default().slots()));
        self.router.recall(Recall { epoch, slots, seated: seated.clone(), gone: gone.to_vec(), abort })
    }

    /// Runs until every mailbox is empty.
    async fn settle(&self) {
        for _ in 0..10 {
            self.ring.snapshot().await.unwrap();
        }
    }

    /// The replica that the explanation names as chosen.
    async fn explained(&self) -> Option<Incarnation> {
        explain::explain(&self.router, self.slot).await.unwrap().chosen
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
