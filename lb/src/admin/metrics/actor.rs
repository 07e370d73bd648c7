//! MetricsActor: what the routers measure, gathered once a second and at every scrape. No request waits for it.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use actix::prelude::*;
use bytes::Bytes;
use futures::future::{join, join_all};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::fleet::RouterId;
use crate::ring::SeatId;
use crate::stats::traffic::{Traffic, TrafficWindow};

use crate::control::journal::frame;
use crate::control::panic_guard::{PanicGuard, exit_on_panic};
use crate::control::ring::{RingActor, Snapshot};
use crate::proxy::router;
use crate::proxy::router::{Answer, HotKeySnapshot, Measure, RouterActor};

use super::aggregate::Aggregate;
pub use super::aggregate::{Queues, Totals};

/// Between two looks at the routers.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long a router may take to answer; after that what it said before counts.
const PATIENCE: Duration = Duration::from_secs(1);

/// Owns what was measured.
pub struct MetricsActor {
    ring: Addr<RingActor>,
    routers: BTreeMap<RouterId, Addr<RouterActor>>,
    gathered: Aggregate,
    minute: TrafficWindow,
    slots: BTreeMap<SeatId, usize>,
    /// When the minute's last second ended.
    second: Instant,
    looking: bool,
    readers: Vec<mpsc::Sender<Bytes>>,
    _guard: PanicGuard,
}

/// A router has started: it can be asked what it measures.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Attach {
    /// Who.
    pub id: RouterId,
    /// Where to ask.
    pub router: Addr<RouterActor>,
}

/// What were the last seconds like?
#[derive(Message)]
#[rtype(result = "Traffic")]
pub struct Ask;

/// Somebody wants to read what [`Ask`] answers, every second, as an event. Who does not read misses seconds.
#[derive(Message)]
#[rtype(result = "mpsc::Receiver<Bytes>")]
pub struct Follow;

/// Everything that was counted until now: the routers are asked.
#[derive(Message)]
#[rtype(result = "Totals")]
pub struct Scrape;

/// Which keys came most often? Each router that answers in time says it.
#[derive(Message)]
#[rtype(result = "Vec<HotKeySnapshot>")]
pub struct HotKeys;

/// What became of asking each router, and after how long; `None`: it was silent.
type Answers = Vec<(RouterId, Result<Option<(Answer, Duration)>, MailboxError>)>;

/// The routers have answered.
#[derive(Message)]
#[rtype(result = "Totals")]
struct Told(Answers);

/// A second is over.
#[derive(Message)]
#[rtype(result = "()")]
struct Second {
    answers: Answers,
    slots: Option<BTreeMap<SeatId, usize>>,
}

impl MetricsActor {
    /// Nothing was measured yet.
    pub fn new(ring: Addr<RingActor>) -> Self {
        Self {
            ring,
            routers: BTreeMap::new(),
            gathered: Aggregate::default(),
            minute: TrafficWindow::default(),
            slots: BTreeMap::new(),
            second: Instant::now(),
            looking: false,
            readers: Vec::new(),
            _guard: PanicGuard("meter"),
        }
    }

    fn ask(&self) -> impl Future<Output = Answers> + use<> {
        let asked = self.routers.iter().map(|(id, router)| {
            let (id, asked, answer) = (*id, Instant::now(), timeout(PATIENCE, router.send(Measure)));
            async move {
                match answer.await {
                    Ok(answer) => (id, answer.map(|answer| Some((answer, asked.elapsed())))),
                    Err(_) => (id, Ok(None)),
                }
            }
        });
        join_all(asked.collect::<Vec<_>>())
    }

    fn told(&mut self, answers: Answers) -> Totals {
        for (router, answer) in answers {
            match answer {
                Ok(Some((answer, after))) if self.routers.contains_key(&router) => {
                    self.gathered.told(router, answer, after);
                }
                Ok(Some(_)) => {} // it has ended since
                Ok(None) => self.gathered.silent(router, PATIENCE),
                Err(_) => {
                    self.routers.remove(&router);
                    self.gathered.ended(router);
                }
            }
        }
        self.gathered.totals()
    }

    /// Asks the routers, and the ring whose slots are whose, unless the last look is not over.
    fn look(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.looking, true) {
            return;
        }
        let (answers, snapshot, meter) = (self.ask(), self.ring.send(Snapshot), ctx.address());
        actix_rt::spawn(exit_on_panic(
            "meter",
            Box::pin(async move {
                let (answers, snapshot) = join(answers, snapshot).await;
                meter.do_send(Second { answers, slots: snapshot.ok().map(|snapshot| snapshot.slots) });
            }),
        ));
    }

    fn traffic(&self) -> Traffic {
        self.minute.traffic(&self.slots)
    }

    fn publish(&mut self) {
        self.readers.retain(|reader| !reader.is_closed());
        if self.readers.is_empty() {
            return;
        }
        let frame = frame(None, "traffic", &json!(self.traffic()));
        for reader in &self.readers {
            // One that has not read the last one gets the next.
            let _ = reader.try_send(frame.clone());
        }
    }
}

impl Actor for MetricsActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        ctx.run_interval(INTERVAL, Self::look);
    }
}

impl Handler<Attach> for MetricsActor {
    type Result = ();

    fn handle(&mut self, Attach { id, router }: Attach, _: &mut Self::Context) {
        self.routers.insert(id, router);
    }
}

impl Handler<Ask> for MetricsActor {
    type Result = MessageResult<Ask>;

    fn handle(&mut self, _: Ask, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.traffic())
    }
}

impl Handler<Follow> for MetricsActor {
    type Result = MessageResult<Follow>;

    fn handle(&mut self, _: Follow, _: &mut Self::Context) -> Self::Result {
        self.readers.retain(|reader| !reader.is_closed());
        let (reader, traffic) = mpsc::channel(1);
        self.readers.push(reader);
        MessageResult(traffic)
    }
}

impl Handler<HotKeys> for MetricsActor {
    type Result = ResponseFuture<Vec<HotKeySnapshot>>;

    fn handle(&mut self, _: HotKeys, _: &mut Self::Context) -> Self::Result {
        let asked = self.routers.values().map(|router| timeout(PATIENCE, router.send(router::HotKeys)));
        let asked = join_all(asked.collect::<Vec<_>>());
        Box::pin(async move { asked.await.into_iter().flatten().flatten().collect() })
    }
}

impl Handler<Scrape> for MetricsActor {
    type Result = ResponseFuture<Totals>;

    fn handle(&mut self, _: Scrape, ctx: &mut Self::Context) -> Self::Result {
        let (answers, meter) = (self.ask(), ctx.address());
        // If the meter is gone the process ends.
        Box::pin(async move { meter.send(Told(answers.await)).await.unwrap_or_default() })
    }
}

impl Handler<Told> for MetricsActor {
    type Result = MessageResult<Told>;

    fn handle(&mut self, Told(answers): Told, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.told(answers))
    }
}

impl Handler<Second> for MetricsActor {
    type Result = ();

    fn handle(&mut self, Second { answers, slots }: Second, _: &mut Self::Context) {
        self.looking = false;
        self.slots = slots.unwrap_or_default();
        let (totals, now) = (self.told(answers), Instant::now());
        self.minute.push(now - std::mem::replace(&mut self.second, now), totals.tally, &totals.replicas);
        self.publish();
    }
}
