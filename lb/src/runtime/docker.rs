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
//! - `launch`: creates and starts a container · `compose`: makes it part of a compose project
//! - `output`: output of a container · `reason`: why it ended · `removal`: stop and removal
//! - `abandoned`: containers that the engine created late for a previous balancer
//! - `watch`: the events of the engine, and a full comparison after each interruption

mod abandoned;
mod anchor;
mod compose;
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
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use bollard::models::ContainerSummary;
use futures::future::{FutureExt, LocalBoxFuture, ready};
use futures::stream::{self, LocalBoxStream, StreamExt};
use tokio::sync::{Semaphore, mpsc};

use self::abandoned::Abandoned;
use self::anchor::Anchors;
use self::engine::Engine;
use self::engine_error::EngineError;
pub use self::host::{Host, InvalidHost};
use self::identity::{ContainerInfo, Identity, Known, LEAVING};
use self::labels::Labels;
use self::network::Network;
pub use self::template::Template;
use super::logs::Printable;
use super::{Error, Event, Found, Instance, Launch, NoLogs, Runtime, Standing, Tail, logs};
use crate::fleet::Record;
use crate::name::Name;
use crate::ring::{Incarnation, Weight};

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

    fn end(&self, incarnation: Incarnation) -> LocalBoxFuture<'static, bool> {
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

    fn retire(&self, incarnation: Incarnation) -> LocalBoxFuture<'static, ()> {
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

impl Inner {
    /// Renames a container, so that its name is free and every balancer sees that it is leaving.
    ///
    /// # Errors
    /// The engine is unreachable. Other errors are only logged.
    async fn free_name(&self, incarnation: Incarnation) -> Result<(), EngineError> {
        let Some((id, name)) = self.containers.borrow().get(&incarnation).and_then(|container| {
            let name = self.container_name(&container.name);
            (!container.leaving).then(|| (container.id.clone(), format!("{name}{LEAVING}{incarnation}")))
        }) else {
            return Ok(());
        };
        let renamed = self.engine.rename(&id, &name).await;
        let unreachable = renamed.as_ref().err().filter(|error| error.is_unreachable()).cloned();
        self.update(incarnation, |container| match renamed {
            Ok(()) => container.leaving = true,
            // The container is gone, or another task that needed the same name has renamed it.
            Err(EngineError::NotFound(_)) => {}
            Err(_) if container.leaving => {}
            Err(error) if error.is_unreachable() => log::debug!("container not renamed name={name}"),
            Err(error) => log::warn!("container not renamed name={name} why={error}"),
        });
        unreachable.map_or(Ok(()), Err)
    }

    /// Lists the replicas. Where two balancers have used the same incarnation, one of the containers gets another: the
    /// number is only a handle.
    async fn list(&self) -> Result<Vec<Found>, Error> {
        let mut summaries =
            self.engine.list(self.labels.cluster()).await.map_err(|error| {
                Error::Refused(format!("the engine does not list its containers: {error}"))
            })?;
        summaries.sort_by_key(|summary| summary.created);
        let mut found: Vec<(String, Found)> =
            summaries.iter().filter_map(|summary| self.found(summary)).collect();
        let mut last = found.iter().map(|(_, found)| found.launch.incarnation.0).max().unwrap_or(0);
        let mut containers = self.containers.borrow_mut();
        for (id, found) in &mut found {
            let launch = &mut found.launch;
            if containers.contains_key(&launch.incarnation) {
                last += 1;
                launch.incarnation = Incarnation(last);
            }
            let container = Container {
                id: std::mem::take(id),
                name: launch.name.clone(),
                state: if found.instance.is_some() { State::Running } else { State::Ended },
                leaving: found.standing == Standing::Leaving,
            };
            containers.insert(launch.incarnation, container);
        }
        Ok(found.into_iter().map(|(_, found)| found).collect())
    }

    /// Id and description of a listed container.
    fn found(&self, summary: &ContainerSummary) -> Option<(String, Found)> {
        let id = summary.id.clone()?;
        let labels = summary.labels.clone().unwrap_or_default();
        let Known { launch, leaving, .. } = match self.identify(summary) {
            Identity::Replica(known) => known,
            Identity::Anchor { .. } => return None,
            Identity::Unrelated(why) => {
                let name =
                    summary.names.iter().flatten().next().map_or("", |name| name.trim_start_matches('/'));
                log::warn!("container passed over name={name} id={id} why={why}");
                return None;
            }
        };
        let standing = if leaving {
            Standing::Leaving
        } else if self.labels.outdated(&labels) {
            Standing::Outdated
        } else {
            Standing::Current
        };
        let networks = summary.network_settings.clone().and_then(|settings| settings.networks);
        let address = networks.and_then(|networks| self.template.address(&networks));
        let instance = address.filter(|_| engine::runs(summary)).map(|ip| self.instance(id.clone(), ip));
        Some((id, Found { launch, weight: Weight::DEFAULT, instance, standing }))
    }

    /// The identity of a listed container.
    fn identify(&self, summary: &ContainerSummary) -> Identity {
        let labels = summary.labels.clone().unwrap_or_default();
        identity::identify(self.labels.cluster(), &ContainerInfo::listed(summary, &labels))
    }

    fn instance(&self, id: String, ip: IpAddr) -> Instance {
        Instance { id, address: (ip, self.template.port).into() }
    }

    /// Id of the container of a replica; `None` before the engine has created it.
    fn id_of(&self, incarnation: Incarnation) -> Option<String> {
        let containers = self.containers.borrow();
        containers.get(&incarnation).map(|container| container.id.clone()).filter(|id| !id.is_empty())
    }

    fn update(&self, incarnation: Incarnation, change: impl FnOnce(&mut Container)) {
        self.containers.borrow_mut().get_mut(&incarnation).map(change);
    }

    fn container_name(&self, name: &Name) -> String {
        identity::container_name(self.labels.cluster(), name)
    }
}
