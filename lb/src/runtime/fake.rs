//! Scripted runtime for tests of everything above the trait. It starts nothing and works with a paused clock.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{FutureExt, LocalBoxFuture, ready};
use futures::stream::{self, LocalBoxStream, StreamExt};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{Error, Event, Exit, Found, Heartbeat, Instance, Launch, NoLogs, Runtime, Tail, logs};
use crate::fleet::{HeartbeatResult, Record};
use crate::ring::{Incarnation, Replica};

/// How often a silent replica looks whether it is still silent.
const SILENT_POLL: Duration = Duration::from_millis(50);

/// A handle of the script; clones share it. A test keeps one and gives another to the supervisor.
#[derive(Clone)]
pub struct Fake(Rc<RefCell<Script>>);

/// A call of the runtime that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A call of [`Runtime::launch`].
    Launch(Launch),
    /// A call of [`Runtime::stop`], with its grace.
    Stop(Incarnation, Duration),
}

/// Scripted outcome of a launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The replica starts at once.
    Started,
    /// The replica starts after this time.
    StartedAfter(Duration),
    /// The launch fails with this reason.
    Refused(String),
}

/// How a replica answers its heartbeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeartbeatReply {
    /// Good answers at once.
    Good,
    /// Connections are refused, as by a replica that has ended.
    Refused,
    /// No answers, as by a replica that hangs.
    Silent,
}

struct Script {
    found: Vec<Found>,
    record: Option<Record>,
    outcomes: VecDeque<Outcome>,
    health_at_start: HeartbeatReply,
    stops_take: Duration,
    calls: Vec<Call>,
    running: BTreeMap<Incarnation, HeartbeatReply>,
    suspended: BTreeSet<Incarnation>,
    written: BTreeMap<Incarnation, Vec<String>>,
    exits: mpsc::UnboundedSender<Event>,
    events: Option<mpsc::UnboundedReceiver<Event>>,
}

impl Fake {
    /// A runtime that lists `found` at the start; the instances among them are healthy.
    pub fn new(found: Vec<Found>) -> Self {
        let (exits, events) = mpsc::unbounded_channel();
        let alive = found.iter().filter(|found| found.instance.is_some());
        let running = alive.map(|found| (found.launch.incarnation, HeartbeatReply::Good)).collect();
        Self(Rc::new(RefCell::new(Script {
            found,
            record: None,
            outcomes: VecDeque::new(),
            health_at_start: HeartbeatReply::Good,
            stops_take: Duration::ZERO,
            calls: Vec::new(),
            running,
            suspended: BTreeSet::new(),
            written: BTreeMap::new(),
            exits,
            events: Some(events),
        })))
    }

    /// Adds the outcome of a later launch. When all added outcomes are used up: [`Outcome::Started`].
    pub fn plan(&self, outcome: Outcome) {
        self.0.borrow_mut().outcomes.push_back(outcome);
    }

    /// Sets the health of replicas that start from now on; the default is good.
    pub fn start_with(&self, health: HeartbeatReply) {
        self.0.borrow_mut().health_at_start = health;
    }

    /// The record of the target that is stored.
    pub fn record(&self) -> Option<Record> {
        self.0.borrow().record.clone()
    }

    /// Sets how long later stops take; the default is no time.
    pub fn stops_take(&self, time: Duration) {
        self.0.borrow_mut().stops_take = time;
    }

    /// The calls so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.0.borrow().calls.clone()
    }

    /// The running replicas, in ascending order.
    pub fn running(&self) -> Vec<Incarnation> {
        self.0.borrow().running.keys().copied().collect()
    }

    /// Sets the health of a running replica.
    pub fn set_health(&self, incarnation: Incarnation, health: HeartbeatReply) {
        if let Some(now) = self.0.borrow_mut().running.get_mut(&incarnation) {
            *now = health;
        }
    }

    /// Suspends a replica, or resumes it; its health does not change.
    pub fn suspend(&self, incarnation: Incarnation, suspended: bool) {
        let mut script = self.0.borrow_mut();
        match suspended {
            true => drop(script.suspended.insert(incarnation)),
            false => drop(script.suspended.remove(&incarnation)),
        }
    }

    /// The health of a replica; one that does not run refuses connections.
    pub fn health(&self, incarnation: Incarnation) -> HeartbeatReply {
        self.0.borrow().running.get(&incarnation).copied().unwrap_or(HeartbeatReply::Refused)
    }

    /// Ends a running replica, and reports its exit as an event.
    pub fn exit(&self, incarnation: Incarnation, exit: Exit) {
        let mut script = self.0.borrow_mut();
        if script.running.remove(&incarnation).is_some() {
            // An error means that the test does not read the events.
            let _ = script.exits.send(Event::Exited { incarnation, exit });
        }
    }

    /// Adds a line to the output of a replica. A follower gets the lines written before its call, and no end.
    pub fn write(&self, incarnation: Incarnation, line: &str) {
        self.0.borrow_mut().written.entry(incarnation).or_default().push(format!("{line}\n"));
    }

    /// The made-up address of a replica: 10.x.y.z:5000, from the incarnation's lowest 24 bits.
    pub fn address(incarnation: Incarnation) -> SocketAddr {
        let [.., x, y, z] = incarnation.0.to_be_bytes();
        (Ipv4Addr::new(10, x, y, z), 5000).into()
    }

    fn started(&self, incarnation: Incarnation) -> Instance {
        let mut script = self.0.borrow_mut();
        let health = script.health_at_start;
        script.running.insert(incarnation, health);
        Instance { id: format!("fake-{incarnation}"), address: Self::address(incarnation) }
    }
}

impl Runtime for Fake {
    fn launch(&self, launch: Launch) -> LocalBoxFuture<'static, Result<Instance, Error>> {
        let incarnation = launch.incarnation;
        let mut script = self.0.borrow_mut();
        script.calls.push(Call::Launch(launch));
        let outcome = script.outcomes.pop_front().unwrap_or(Outcome::Started);
        drop(script);
        let fake = self.clone();
        async move {
            match outcome {
                Outcome::Started => {}
                Outcome::StartedAfter(time) => sleep(time).await,
                Outcome::Refused(reason) => return Err(Error::Refused(reason)),
            }
            Ok(fake.started(incarnation))
        }
        .boxed_local()
    }

    fn stop(&self, incarnation: Incarnation, grace: Duration) -> LocalBoxFuture<'static, ()> {
        let mut script = self.0.borrow_mut();
        script.calls.push(Call::Stop(incarnation, grace));
        let time = script.stops_take.min(grace);
        drop(script);
        let fake = self.clone();
        async move {
            if !time.is_zero() {
                sleep(time).await;
            }
            fake.0.borrow_mut().running.remove(&incarnation);
        }
        .boxed_local()
    }

    fn is_suspended(&self, incarnation: Incarnation) -> LocalBoxFuture<'static, Option<bool>> {
        ready(Some(self.0.borrow().suspended.contains(&incarnation))).boxed_local()
    }

    fn send_heartbeat(&self, replica: &Replica, _: &Heartbeat) -> LocalBoxFuture<'static, HeartbeatResult> {
        match self.health(replica.incarnation) {
            HeartbeatReply::Good => ready(HeartbeatResult::Good).boxed_local(),
            HeartbeatReply::Refused => ready(HeartbeatResult::Refused).boxed_local(),
            // A kept heartbeat is answered once the health is set otherwise.
            HeartbeatReply::Silent => {
                let (fake, incarnation) = (self.clone(), replica.incarnation);
                async move {
                    while fake.health(incarnation) == HeartbeatReply::Silent {
                        sleep(SILENT_POLL).await;
                    }
                    HeartbeatResult::Good
                }
                .boxed_local()
            }
        }
    }

    fn list(&self) -> LocalBoxFuture<'static, Result<Vec<Found>, Error>> {
        ready(Ok(self.0.borrow().found.clone())).boxed_local()
    }

    fn read_record(&self) -> LocalBoxFuture<'static, Result<Option<Record>, Error>> {
        ready(Ok(self.record())).boxed_local()
    }

    fn write_record(&self, record: Option<Record>) -> LocalBoxFuture<'static, Result<(), Error>> {
        let fake = self.clone();
        async move {
            fake.0.borrow_mut().record = record;
            Ok(())
        }
        .boxed_local()
    }

    fn logs(
        &self,
        incarnation: Incarnation,
        tail: Tail,
    ) -> LocalBoxFuture<'static, Result<logs::Output, NoLogs>> {
        let script = self.0.borrow();
        let lines = script.written.get(&incarnation).ok_or(NoLogs::Nothing).map(|lines| {
            let lines = lines[lines.len().saturating_sub(tail.lines)..].to_vec();
            let rest =
                if tail.follow { stream::pending().left_stream() } else { stream::empty().right_stream() };
            stream::iter(lines).map(Bytes::from).chain(rest).boxed_local()
        });
        ready(lines).boxed_local()
    }

    fn events(&self) -> LocalBoxStream<'static, Event> {
        match self.0.borrow_mut().events.take() {
            Some(mut events) => stream::poll_fn(move |cx| events.poll_recv(cx)).boxed_local(),
            None => stream::pending().boxed_local(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::time::Instant;

    use crate::ring::SeatId;

    fn launch(incarnation: u64) -> Launch {
        let name = "a".parse().unwrap();
        Launch { seat: SeatId::new(1).unwrap(), name, incarnation: Incarnation(incarnation) }
    }

    #[tokio::test(start_paused = true)]
    async fn launches_follow_the_script_and_then_succeed() {
        let fake = Fake::new(Vec::new());
        fake.plan(Outcome::Refused("no memory".into()));
        fake.plan(Outcome::StartedAfter(Duration::from_secs(3)));
        assert_eq!(fake.launch(launch(1)).await, Err(Error::Refused("no memory".into())));

        let start = Instant::now();
        fake.launch(launch(2)).await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        assert_eq!(fake.launch(launch(258)).await.unwrap().address, "10.0.1.2:5000".parse().unwrap());
        assert_eq!(fake.calls(), [1, 2, 258].map(|incarnation| Call::Launch(launch(incarnation))));
        assert_eq!(fake.running(), [Incarnation(2), Incarnation(258)]);
    }

    #[tokio::test(start_paused = true)]
    async fn health_is_set_and_ends_with_the_replica() {
        let found = Found {
            launch: launch(1),
            weight: crate::ring::Weight::DEFAULT,
            instance: Some(Instance { id: "old".into(), address: Fake::address(Incarnation(1)) }),
            standing: crate::runtime::Standing::Current,
        };
        let fake = Fake::new(vec![found.clone()]);
        assert_eq!(fake.list().await, Ok(vec![found]));
        assert_eq!(fake.health(Incarnation(1)), HeartbeatReply::Good);
        fake.set_health(Incarnation(1), HeartbeatReply::Silent);
        assert_eq!(fake.health(Incarnation(1)), HeartbeatReply::Silent);
        for suspended in [true, false] {
            fake.suspend(Incarnation(1), suspended);
            assert_eq!(fake.is_suspended(Incarnation(1)).await, Some(suspended));
        }

        fake.stops_take(Duration::from_secs(5));
        let start = Instant::now();
        fake.stop(Incarnation(1), Duration::from_secs(2)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(2), "the grace ends every stop");
        assert_eq!(fake.health(Incarnation(1)), HeartbeatReply::Refused);
    }

    #[tokio::test(start_paused = true)]
    async fn exits_are_events_once() {
        let fake = Fake::new(Vec::new());
        let mut events = fake.events();
        fake.start_with(HeartbeatReply::Silent);
        fake.launch(launch(1)).await.unwrap();
        assert_eq!(fake.health(Incarnation(1)), HeartbeatReply::Silent);
        let exit = Exit::Ended("signal: 9 (SIGKILL)".into());
        fake.exit(Incarnation(1), exit.clone());
        fake.exit(Incarnation(1), Exit::PortTaken);
        assert_eq!(events.next().await, Some(Event::Exited { incarnation: Incarnation(1), exit }));
        assert_eq!(events.next().now_or_never(), None);
    }
}
