//! Replicas as containers of a Docker engine.
//!
//! State that must survive the balancer is stored in the engine, as labels and names; this process holds only what is
//! under way.
//!
//! # Layout
//! - `host`: address of the engine · `engine`: its calls, each with a time limit
//! - `engine_error`: errors of a call · `outage`: the engine is unreachable, and reachable again
//! - `network`: the network of the replicas · `own`: the container that the balancer runs in
//! - `template`: the specification of a container · `labels`: its labels · `identity`: whether it belongs to the
//!   cluster
//! - `anchor`: the record of the target
//! - `containers`: the containers of the cluster, listed and found
//! - `launch`: creates and starts a container · `compose`: makes it part of a compose project
//! - `output`: output of a container · `reason`: why it ended · `removal`: stop and removal
//! - `abandoned`: containers that the engine created late for a previous balancer
//! - `watch`: the events of the engine, and a full comparison after each interruption

mod abandoned;
mod anchor;
mod compose;
mod containers;
mod engine;
mod engine_error;
mod host;
mod identity;
mod labels;
mod launch;
mod network;
mod outage;
mod output;
mod own;
mod processes;
mod reason;
mod removal;
mod template;
mod watch;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use futures::future::{FutureExt, LocalBoxFuture, ready};
use futures::stream::{self, LocalBoxStream, StreamExt};
use tokio::sync::{Semaphore, mpsc};

use self::abandoned::Abandoned;
use self::anchor::Anchors;
use self::engine::Engine;
pub use self::host::{Host, InvalidHost};
use self::labels::Labels;
use self::network::Network;
pub use self::template::Template;
use super::logs::Printable;
use super::{Error, Event, Found, Instance, Launch, NoLogs, Runtime, Tail, logs};
use crate::fleet::Record;
use crate::name::Name;
use crate::ring::Incarnation;

/// Containers that are created and started at one time: the engine gets slower with more.
const STARTS: usize = 8;

/// Delays after which the engine is searched for a container that it created after its call had timed out.
const ORPHAN_DELAYS: [Duration; 4] =
    [Duration::from_secs(5), Duration::from_secs(20), Duration::from_secs(60), Duration::from_secs(300)];

/// Starts, finds and watches the containers of one cluster.
pub struct Docker(Rc<Inner>);

struct Inner {
    engine: Engine,
    template: Template,
    labels: Labels,
    image: String,
    containers: RefCell<BTreeMap<Incarnation, Container>>,
    anchors: RefCell<Anchors>,
    abandoned: RefCell<Abandoned>,
    network: Network,
    starts: Semaphore,
    removals: Semaphore,
}

/// A container of a replica that this process made or found.
struct Container {
    /// Empty before the engine has created it.
    id: String,
    name: Name,
    state: State,
    /// Whether it was renamed, so that its name is free.
    leaving: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Created, or about to be, but not started.
    Starting,
    Running,
    /// The balancer stops it.
    Stopping,
    /// It ended on its own, and the exit was reported.
    Ended,
}

impl Docker {
    /// Connects to the engine at `host`, and checks that it answers and has the image. The network is created if it
    /// does not exist.
    ///
    /// # Errors
    /// One line that names the missing part and the remedy.
    pub async fn connect(host: &Host, cluster: &str, template: Template) -> Result<Self, Error> {
        let engine = Engine::connect(host).await?;
        let image = engine.image(&template.image).await?;
        let own = own::container(&engine).await;
        let network = Network::new(&template.network, cluster, own.as_ref());
        network.ensure(&engine).await?;
        Ok(Self(Rc::new(Inner {
            labels: Labels::new(cluster, template.spec(&image), image.clone(), compose::labels(own.as_ref())),
            engine,
            template,
            image,
            containers: RefCell::default(),
            anchors: RefCell::default(),
            abandoned: RefCell::default(),
            network,
            starts: Semaphore::new(STARTS),
            removals: Semaphore::new(removal::REMOVALS),
        })))
    }
}

impl Runtime for Docker {
    fn launch(&self, launch: Launch) -> LocalBoxFuture<'static, Result<Instance, Error>> {
        let docker = self.0.clone();
        async move { docker.launch(launch).await }.boxed_local()
    }

    fn stop(&self, incarnation: Incarnation, grace: Duration) -> LocalBoxFuture<'static, ()> {
        let mut containers = self.0.containers.borrow_mut();
        let Some(container) = containers.get_mut(&incarnation) else { return ready(()).boxed_local() };
        container.state = State::Stopping;
        let id = container.id.clone();
        self.0.clone().end_and_remove(incarnation, id, grace).boxed_local()
    }

    fn kill_dead(&self, incarnation: Incarnation) -> LocalBoxFuture<'static, bool> {
        let id = self.0.id_of(incarnation);
        let docker = self.0.clone();
        async move {
            match id {
                Some(id) => docker.kill(&id).await,
                None => true,
            }
        }
        .boxed_local()
    }

    /// Whether the engine has paused the container, or all processes of it that do the work are stopped.
    fn is_suspended(&self, incarnation: Incarnation) -> LocalBoxFuture<'static, Option<bool>> {
        let id = self.0.id_of(incarnation);
        let docker = self.0.clone();
        async move {
            let id = id?;
            let state = docker.engine.inspect(&id).await.ok()?.state?;
            if state.paused? {
                return Some(true);
            }
            docker.engine.processes(&id).await.ok().map(|processes| processes::all_stopped(&processes))
        }
        .boxed_local()
    }

    fn mark_leaving(&self, incarnation: Incarnation) -> LocalBoxFuture<'static, ()> {
        let docker = self.0.clone();
        // A stop follows, which renames it if this has failed.
        async move { drop(docker.free_name(incarnation).await) }.boxed_local()
    }

    fn list(&self) -> LocalBoxFuture<'static, Result<Vec<Found>, Error>> {
        let docker = self.0.clone();
        async move { docker.list().await }.boxed_local()
    }

    fn read_record(&self) -> LocalBoxFuture<'static, Result<Option<Record>, Error>> {
        let docker = self.0.clone();
        async move { docker.read_record().await }.boxed_local()
    }

    fn write_record(&self, record: Option<Record>) -> LocalBoxFuture<'static, Result<(), Error>> {
        let docker = self.0.clone();
        async move {
            match record {
                Some(record) => docker.write_record(record).await,
                None => docker.remove_record().await,
            }
        }
        .boxed_local()
    }

    fn last_log_line(&self, incarnation: Incarnation) -> LocalBoxFuture<'static, Option<String>> {
        let id = self.0.containers.borrow().get(&incarnation).map(|container| container.id.clone());
        let docker = self.0.clone();
        async move { Some(Printable(&docker.engine.last_line(&id?).await?).to_string()) }.boxed_local()
    }

    fn logs(
        &self,
        incarnation: Incarnation,
        tail: Tail,
    ) -> LocalBoxFuture<'static, Result<logs::Output, NoLogs>> {
        let id = self.0.id_of(incarnation);
        let docker = self.0.clone();
        async move { output::of(&docker.engine, &id.ok_or(NoLogs::Nothing)?, tail).await }.boxed_local()
    }

    fn events(&self) -> LocalBoxStream<'static, Event> {
        let (sender, mut events) = mpsc::unbounded_channel();
        actix_rt::spawn(watch::watch(self.0.clone(), sender));
        // The engine may still carry out calls of a previous balancer.
        actix_rt::spawn(self.0.clone().remove_orphans_later());
        stream::poll_fn(move |cx| events.poll_recv(cx)).boxed_local()
    }
}
