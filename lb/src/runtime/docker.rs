//! Replicas as containers of a Docker engine.
//!
//! What must survive the balancer lives with the engine, as labels and names; here is only what is under way.
//!
//! # Layout
//! - `engine`: the calls, each bounded in time
//! - `template`: what a container is made of · `labels`: what it says of itself · `identity`: whether it is ours
//! - `anchor`: the record of the target
//! - `launch`: a container is made and started · `compose`: as part of a compose project
//! - `output`: what a container writes
//! - `watch`: the engine's events, and a look around after each break

mod anchor;
mod compose;
mod engine;
mod identity;
mod labels;
mod launch;
mod output;
mod template;
mod watch;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use bollard::models::ContainerSummary;
use futures::future::{FutureExt, LocalBoxFuture, ready};
use futures::stream::{self, LocalBoxStream, StreamExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep;

use self::anchor::Anchors;
use self::engine::{Engine, Trouble};
use self::identity::{Facts, Identity, Known, LEAVING};
use self::labels::Labels;
pub use self::template::Template;
use super::logs::Printable;
use super::{Error, Event, Found, Instance, Launch, NoLogs, Runtime, Standing, Tail, logs};
use crate::fleet::Record;
use crate::name::Name;
use crate::ring::{Incarnation, Weight};

/// Containers that are made and started at one time: the engine gets slower with more.
const STARTS: usize = 8;

/// When an engine that left a call unanswered is asked again.
const LATER: [Duration; 4] =
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
    starts: Semaphore,
}

/// A container that we made or found.
struct Container {
    /// Empty until the engine has made it.
    id: String,
    name: Name,
    state: State,
    /// Whether its name is free for another.
    leaving: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not started yet.
    Starting,
    Running,
    /// We end it.
    Stopping,
    /// It ended without us, and that was told.
    Ended,
}

impl Docker {
    /// A runtime of the engine behind `socket`: it answers, has the image, and has or gets the network.
    ///
    /// # Errors
    /// One line that says what is missing and what to do.
    pub async fn connect(socket: &Path, cluster: &str, template: Template) -> Result<Self, Error> {
        let engine = Engine::connect(socket).await?;
        let image = engine.image(&template.image).await?;
        engine.network(&template.network, cluster).await?;
        Ok(Self(Rc::new(Inner {
            labels: Labels::new(
                cluster,
                template.spec(&image),
                image.clone(),
                compose::labels(&engine).await,
            ),
            engine,
            template,
            image,
            containers: RefCell::default(),
            anchors: RefCell::default(),
            starts: Semaphore::new(STARTS),
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
        let docker = self.0.clone();
        async move {
            if !grace.is_zero() {
                docker.free_name(incarnation).await;
                docker.engine.stop(&id, grace).await;
            }
            docker.discard(&id).await;
            docker.containers.borrow_mut().remove(&incarnation);
        }
        .boxed_local()
    }

    fn retire(&self, incarnation: Incarnation) -> LocalBoxFuture<'static, ()> {
        let docker = self.0.clone();
        async move { docker.free_name(incarnation).await }.boxed_local()
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

    fn last_words(&self, incarnation: Incarnation) -> LocalBoxFuture<'static, Option<String>> {
        let id = self.0.containers.borrow().get(&incarnation).map(|container| container.id.clone());
        let docker = self.0.clone();
        async move { Some(Printable(&docker.engine.last_line(&id?).await?).to_string()) }.boxed_local()
    }

    fn logs(
        &self,
        incarnation: Incarnation,
        tail: Tail,
    ) -> LocalBoxFuture<'static, Result<logs::Output, NoLogs>> {
        let containers = self.0.containers.borrow();
        let id = containers.get(&incarnation).map(|container| container.id.clone());
        let id = id.filter(|id| !id.is_empty());
        let docker = self.0.clone();
        async move { output::of(&docker.engine, &id.ok_or(NoLogs::Nothing)?, tail).await }.boxed_local()
    }

    fn events(&self) -> LocalBoxStream<'static, Event> {
        let (sender, mut events) = mpsc::unbounded_channel();
        actix_rt::spawn(watch::watch(self.0.clone(), sender));
        stream::poll_fn(move |cx| events.poll_recv(cx)).boxed_local()
    }
}

impl Inner {
    /// Renames a container, so that its name is free and every balancer knows that it is leaving.
    async fn free_name(&self, incarnation: Incarnation) {
        let Some((id, name)) = self.containers.borrow().get(&incarnation).and_then(|container| {
            let name = self.container_name(&container.name);
            (!container.leaving).then(|| (container.id.clone(), format!("{name}{LEAVING}{incarnation}")))
        }) else {
            return;
        };
        let renamed = self.engine.rename(&id, &name).await;
        self.update(incarnation, |container| match renamed {
            Ok(()) => container.leaving = true,
            // Gone, or somebody else who waited for the same has done it.
            Err(Trouble::NotFound(_)) => {}
            Err(_) if container.leaving => {}
            Err(trouble) => log::warn!("container not renamed name={name} why={trouble}"),
        });
    }

    /// Those whose incarnation two balancers gave get another one: it is our handle, and no more.
    async fn list(&self) -> Result<Vec<Found>, Error> {
        let mut summaries = self.engine.list(self.labels.cluster()).await.map_err(|trouble| {
            Error::Refused(format!("the engine does not list its containers: {trouble}"))
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

    /// A container as it is found, with its id.
    fn found(&self, summary: &ContainerSummary) -> Option<(String, Found)> {
        let id = summary.id.clone()?;
        let labels = summary.labels.clone().unwrap_or_default();
        let Known { launch, leaving, .. } = match self.identify(summary) {
            Identity::Replica(known) => known,
            Identity::Anchor { .. } => return None,
            Identity::Stranger(why) => {
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

    /// What a listed container is to this cluster.
    fn identify(&self, summary: &ContainerSummary) -> Identity {
        let labels = summary.labels.clone().unwrap_or_default();
        identity::identify(self.labels.cluster(), &Facts::listed(summary, &labels))
    }

    /// Removes a container; an engine that cannot now is asked again later.
    async fn discard(&self, id: &str) {
        if !self.engine.discard(id).await {
            let (engine, id) = (self.engine.clone(), id.to_owned());
            actix_rt::spawn(async move {
                for pause in LATER {
                    sleep(pause).await;
                    if engine.discard(&id).await {
                        break;
                    }
                }
            });
        }
    }

    fn instance(&self, id: String, ip: IpAddr) -> Instance {
        Instance { id, address: (ip, self.template.port).into() }
    }

    /// How a container ended, for people.
    async fn ended(&self, id: &str, code: i64) -> String {
        match self.engine.last_line(id).await {
            Some(line) => format!("exit status: {code}; its last line: {line}"),
            None => format!("exit status: {code}"),
        }
    }

    fn update(&self, incarnation: Incarnation, change: impl FnOnce(&mut Container)) {
        self.containers.borrow_mut().get_mut(&incarnation).map(change);
    }

    fn container_name(&self, name: &Name) -> String {
        identity::container_name(self.labels.cluster(), name)
    }
}
