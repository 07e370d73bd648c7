//! MetricsActor: collects the counters of all routers once a second and at every scrape. No request waits for it.

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
use crate::control::ring::RingHandle;
use crate::proxy::router::{HotKeySnapshot, Measurement, RouterHandle};

use super::aggregate::Aggregate;
pub use super::aggregate::Totals;

/// Time from one collection to the next.
const COLLECT_INTERVAL: Duration = Duration::from_secs(1);

/// The longest wait for a router's report; after it, the previous report of that router counts.
const REPORT_TIMEOUT: Duration = Duration::from_secs(1);

/// Owns the latest report of every router and the traffic of the last minute.
pub struct MetricsActor {
    ring: RingHandle,
    routers: BTreeMap<RouterId, RouterHandle>,
    aggregate: Aggregate,
    window: TrafficWindow,
    /// Slots by seat at the last collection, for the expected shares.
    slots: BTreeMap<SeatId, usize>,
    /// The end of the window's last second.
    window_end: Instant,
    /// A collection is under way.
    collecting: bool,
    subscribers: Vec<mpsc::Sender<Bytes>>,
    _guard: PanicGuard,
}

/// Registers a router that has started.
#[derive(Message)]
#[rtype(result = "()")]
pub struct RegisterRouter {
    /// Identifies the router in metrics.
    pub id: RouterId,
    /// The router that is polled from now on.
    pub router: RouterHandle,
}

/// Returns the traffic of the last minute.
#[derive(Message)]
#[rtype(result = "Traffic")]
pub struct GetTraffic;

/// Subscribes to the reply of [`GetTraffic`], sent every second as an event-stream frame. A subscriber that does not
/// read in time misses frames.
#[derive(Message)]
#[rtype(result = "mpsc::Receiver<Bytes>")]
pub struct SubscribeTraffic;

/// Polls the routers and returns all counters.
#[derive(Message)]
#[rtype(result = "Totals")]
pub struct Scrape;

/// Returns the hot keys of each router that replies in time.
#[derive(Message)]
#[rtype(result = "Vec<HotKeySnapshot>")]
pub struct GetHotKeys;

/// What each router has reported.
type Reports = Vec<(RouterId, Report)>;

/// The result of polling one router.
enum Report {
    /// Its statistics, with the response time.
    Measured(Box<Measurement>, Duration),
    /// No answer within [`REPORT_TIMEOUT`].
    Late,
    /// The router has ended.
    Ended,
}

/// All routers have replied, for a scrape.
#[derive(Message)]
#[rtype(result = "Totals")]
struct Collected(Reports);

/// All routers have replied, at the end of a second.
#[derive(Message)]
#[rtype(result = "()")]
struct CollectedSecond {
    reports: Reports,
    slots: Option<BTreeMap<SeatId, usize>>,
}

impl MetricsActor {
    /// Starts without routers and with zero counters.
    pub fn new(ring: RingHandle) -> Self {
        Self {
            ring,
            routers: BTreeMap::new(),
            aggregate: Aggregate::default(),
            window: TrafficWindow::default(),
            slots: BTreeMap::new(),
            window_end: Instant::now(),
            collecting: false,
            subscribers: Vec::new(),
            _guard: PanicGuard("meter"), // a log value, which keeps the former name of the actor
        }
    }

    fn poll_routers(&self) -> impl Future<Output = Reports> + use<> {
        let polled = self.routers.iter().map(|(id, router)| {
            let (id, sent, measured) = (*id, Instant::now(), timeout(REPORT_TIMEOUT, router.measure()));
            async move {
                let report = match measured.await {
                    Ok(Some(answer)) => Report::Measured(Box::new(answer), sent.elapsed()),
                    Ok(None) => Report::Ended,
                    Err(_) => Report::Late,
                };
                (id, report)
            }
        });
        join_all(polled.collect::<Vec<_>>())
    }

    fn record(&mut self, reports: Reports) -> Totals {
        for (router, report) in reports {
            match report {
                Report::Measured(answer, after) if self.routers.contains_key(&router) => {
                    self.aggregate.record(router, *answer, after);
                }
                Report::Measured(..) => {} // an overlapping collection has found that it has ended
                Report::Late => self.aggregate.record_timeout(router, REPORT_TIMEOUT),
                Report::Ended => {
                    self.routers.remove(&router);
                    self.aggregate.remove_router(router);
                }
            }
        }
        self.aggregate.totals()
    }

    /// Polls the routers, and the ring for the slots of each seat, unless the previous collection is still under way.
    fn collect(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.collecting, true) {
            return;
        }
        let (reports, snapshot, this) = (self.poll_routers(), self.ring.snapshot(), ctx.address());
        actix_rt::spawn(exit_on_panic(
            "meter",
            Box::pin(async move {
                let (reports, snapshot) = join(reports, snapshot).await;
                this.do_send(CollectedSecond {
                    reports,
                    slots: snapshot.ok().map(|snapshot| snapshot.slots),
                });
            }),
        ));
    }

    fn traffic(&self) -> Traffic {
        self.window.traffic(&self.slots)
    }

    fn publish(&mut self) {
        self.subscribers.retain(|subscriber| !subscriber.is_closed());
        if self.subscribers.is_empty() {
            return;
        }
        let frame = frame(None, "traffic", &json!(self.traffic()));
        for subscriber in &self.subscribers {
            // The channel holds one frame: a subscriber that has not read the previous one misses this one.
            let _ = subscriber.try_send(frame.clone());
        }
    }
}

impl Actor for MetricsActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
        ctx.run_interval(COLLECT_INTERVAL, Self::collect);
    }
}

impl Handler<RegisterRouter> for MetricsActor {
    type Result = ();

    fn handle(&mut self, RegisterRouter { id, router }: RegisterRouter, _: &mut Self::Context) {
        self.routers.insert(id, router);
    }
}

impl Handler<GetTraffic> for MetricsActor {
    type Result = MessageResult<GetTraffic>;

    fn handle(&mut self, _: GetTraffic, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.traffic())
    }
}

impl Handler<SubscribeTraffic> for MetricsActor {
    type Result = MessageResult<SubscribeTraffic>;

    fn handle(&mut self, _: SubscribeTraffic, _: &mut Self::Context) -> Self::Result {
        self.subscribers.retain(|subscriber| !subscriber.is_closed());
        let (subscriber, traffic) = mpsc::channel(1);
        self.subscribers.push(subscriber);
        MessageResult(traffic)
    }
}

impl Handler<GetHotKeys> for MetricsActor {
    type Result = ResponseFuture<Vec<HotKeySnapshot>>;

    fn handle(&mut self, _: GetHotKeys, _: &mut Self::Context) -> Self::Result {
        let polled = self.routers.values().map(|router| timeout(REPORT_TIMEOUT, router.hot_keys()));
        let polled = join_all(polled.collect::<Vec<_>>());
        Box::pin(async move { polled.await.into_iter().flatten().flatten().collect() })
    }
}

impl Handler<Scrape> for MetricsActor {
    type Result = ResponseFuture<Totals>;

    fn handle(&mut self, _: Scrape, ctx: &mut Self::Context) -> Self::Result {
        let (reports, this) = (self.poll_routers(), ctx.address());
        // The send fails only while the process ends.
        Box::pin(async move { this.send(Collected(reports.await)).await.unwrap_or_default() })
    }
}

impl Handler<Collected> for MetricsActor {
    type Result = MessageResult<Collected>;

    fn handle(&mut self, Collected(reports): Collected, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.record(reports))
    }
}

impl Handler<CollectedSecond> for MetricsActor {
    type Result = ();

    fn handle(&mut self, CollectedSecond { reports, slots }: CollectedSecond, _: &mut Self::Context) {
        self.collecting = false;
        self.slots = slots.unwrap_or_default();
        let (totals, now) = (self.record(reports), Instant::now());
        self.window.push(
            now - std::mem::replace(&mut self.window_end, now),
            totals.counters,
            &totals.replicas,
        );
        self.publish();
    }
}
