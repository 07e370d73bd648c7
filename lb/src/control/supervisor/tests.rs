//! Tests of the supervisor with a scripted runtime and a scripted router.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::*;
use crate::control::router_link::{Explain, GetActivity, Load, Loaded, Recall, RouterExplanation, Suspects};
use crate::fleet::{Activity, Ownership};
use crate::ring::Layout;
use crate::runtime::fake::{Fake, HeartbeatReply};
use crate::stats::counters::RoutingCounters;

const SECOND: Duration = Duration::from_secs(1);

/// A router that reports the activity that a test sets, and records the lists of suspects that it receives.
#[derive(Clone, Default)]
struct Router {
    activity: Rc<Cell<Activity>>,
    suspects: Rc<RefCell<Vec<Vec<Incarnation>>>>,
}

impl Actor for Router {
    type Context = Context<Self>;
}

impl Handler<Recall> for Router {
    type Result = ();

    fn handle(&mut self, _: Recall, _: &mut Self::Context) {}
}

impl Handler<Load> for Router {
    type Result = Loaded;

    fn handle(&mut self, _: Load, _: &mut Self::Context) -> Loaded {
        let load = router_link::LoadOf { incarnation: Incarnation(1), in_flight: 1, skip: None };
        Loaded { replicas: vec![load], routing: RoutingCounters::default() }
    }
}

impl Handler<GetActivity> for Router {
    type Result = MessageResult<GetActivity>;

    fn handle(&mut self, GetActivity(of): GetActivity, _: &mut Self::Context) -> Self::Result {
        MessageResult(if of == Incarnation(1) { self.activity.get() } else { Activity::default() })
    }
}

impl Handler<Explain> for Router {
    type Result = ResponseFuture<Option<RouterExplanation>>;

    fn handle(&mut self, _: Explain, _: &mut Self::Context) -> Self::Result {
        Box::pin(async { None })
    }
}

impl Handler<Suspects> for Router {
    type Result = ();

    fn handle(&mut self, Suspects(suspects): Suspects, _: &mut Self::Context) {
        self.suspects.borrow_mut().push(suspects.to_vec());
    }
}

struct Scenario {
    supervisor: SupervisorHandle,
    runtime: Fake,
    router: Router,
}

impl Scenario {
    /// Two replicas, the first of which has stopped answering its heartbeats.
    async fn silent() -> Self {
        tokio::time::pause();
        let settings = Settings {
            replicas: 2,
            max_replicas: 8,
            weights: BTreeMap::new(),
            ownership: Ownership::Managed,
            heartbeat_interval: SECOND / 2,
            heartbeat_failures: 3,
            replace_after: 3 * SECOND,
            head_timeout: Some(30 * SECOND),
            start_timeout: 30 * SECOND,
            drain: 30 * SECOND,
            stop_timeout: 10 * SECOND,
            upstreams: Vec::new(),
            layout: Layout::default(),
            strict_rm: false,
            keep: false,
        };
        let heartbeat = Heartbeat { request: None, timeout: 400 * SECOND / 1000 };
        let runtime = Fake::new(Vec::new());
        let parts = (RingHandle::start(Layout::default()), JournalHandle::start());
        let left = (None, Vec::new());
        let (supervisor, mut serving) =
            SupervisorHandle::start(settings, heartbeat, Rc::new(runtime.clone()), left, parts);
        let router = Router::default();
        supervisor.register(RouterLink::new(RouterId(1), &router.clone().start()));
        serving.wait().await;
        runtime.set_health(Incarnation(1), HeartbeatReply::Silent);
        Self { supervisor, runtime, router }
    }

    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    async fn is_replaced(&self) -> bool {
        let names = self.supervisor.list().await.unwrap();
        !names.iter().any(|name| name.as_str() == "server1")
    }

    fn request_waits(&self) {
        let since = Some(Instant::now().into_std());
        self.router.activity.set(Activity { last_progress: None, waiting_since: since });
    }
}

#[actix::test]
async fn a_silent_replica_with_a_waiting_request_is_suspect_until_the_head_timeout() {
    let scenario = Scenario::silent().await;
    scenario.request_waits();
    scenario.pass(29 * SECOND).await;
    assert!(!scenario.is_replaced().await);
    assert_eq!(
        scenario.router.suspects.borrow().first(),
        Some(&vec![]),
        "a new router receives the list at once"
    );
    assert_eq!(scenario.router.suspects.borrow().last(), Some(&vec![Incarnation(1)]));
    scenario.pass(4 * SECOND).await;
    assert!(scenario.is_replaced().await, "--head-timeout");
    assert_eq!(scenario.router.suspects.borrow().last(), Some(&vec![]));
}

#[actix::test]
async fn a_suspended_replica_is_replaced_although_a_request_waits() {
    let scenario = Scenario::silent().await;
    scenario.request_waits();
    scenario.runtime.suspend(Incarnation(1), true);
    scenario.pass(5 * SECOND).await;
    assert!(scenario.is_replaced().await);
}

#[actix::test]
async fn a_silent_replica_without_waiting_requests_is_replaced() {
    let scenario = Scenario::silent().await;
    scenario.pass(5 * SECOND).await;
    assert!(scenario.is_replaced().await);
}
