//! A container is made and started.

use std::rc::Rc;

use bollard::models::ContainerSummary;
use tokio::time::sleep;

use super::super::{Error, Instance, Launch};
use super::identity::Identity;
use super::trouble::Trouble;
use super::{Container, Inner, LATER, State};
use crate::name::Name;
use crate::ring::Incarnation;

impl Inner {
    /// A failed launch leaves nothing behind.
    pub(super) async fn launch(self: Rc<Self>, launch: Launch) -> Result<Instance, Error> {
        // It is never closed, so there is always a permit.
        let _permit = self.starts.acquire().await;
        let incarnation = launch.incarnation;
        let container = Container {
            id: String::new(),
            name: launch.name.clone(),
            state: State::Starting,
            leaving: false,
        };
        self.containers.borrow_mut().insert(incarnation, container);
        let launched = self.start(&launch).await;
        if launched.is_err() {
            self.discard_made(incarnation).await;
            self.containers.borrow_mut().remove(&incarnation);
        }
        launched
    }

    /// Makes and starts the container. A network that is removed meanwhile is made again.
    async fn start(self: &Rc<Self>, launch: &Launch) -> Result<Instance, Error> {
        let mut network = self.network.ensure(&self.engine).await?;
        loop {
            let trouble = match self.start_in(&network, launch).await {
                Ok(instance) => return Ok(instance),
                Err(trouble) => trouble,
            };
            match trouble {
                Trouble::NotFound(why) => {
                    let found = self.network.ensure(&self.engine).await?;
                    if found == network {
                        return Err(Error::Refused(format!("image '{}': {why}", self.template.image)));
                    }
                    self.discard_made(launch.incarnation).await;
                    network = found;
                }
                Trouble::NameTaken => {
                    let container = self.container_name(&launch.name);
                    log::warn!("container not made name={container} why=name_held_by_a_foreign_container");
                    return Err(Error::NameTaken(launch.name.clone()));
                }
                other => return Err(other.launch_error(&self.template.network)),
            }
        }
    }

    async fn start_in(self: &Rc<Self>, network: &str, launch: &Launch) -> Result<Instance, Trouble> {
        let id = self.create(network, launch).await?;
        self.update(launch.incarnation, |container| container.id.clone_from(&id));
        self.engine.start(&id).await?;
        let inspected = self.engine.inspect(&id).await?;
        let networks = inspected.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let Some(ip) = self.template.address(&networks) else {
            let code = inspected.state.and_then(|state| state.exit_code).unwrap_or_default();
            return Err(Trouble::Ended(self.ended(&id, code).await));
        };
        // It may have ended by now, and that been told.
        self.update(launch.incarnation, |container| {
            if container.state == State::Starting {
                container.state = State::Running;
            }
        });
        Ok(self.instance(id, ip))
    }

    /// Makes the container. Its name may still be held by one of ours whose time is over.
    async fn create(self: &Rc<Self>, network: &str, launch: &Launch) -> Result<String, Trouble> {
        let name = self.container_name(&launch.name);
        let body = || self.template.body(&self.image, network, launch, self.labels.of(launch));
        let mut made = self.engine.create(&name, body()).await;
        if matches!(made, Err(Trouble::Conflict(_)))
            && self.free_holder_of(&launch.name, launch.incarnation).await
        {
            made = self.engine.create(&name, body()).await;
        }
        match made {
            Err(Trouble::Conflict(_)) => Err(Trouble::NameTaken),
            Err(Trouble::Silent) => {
                // The engine may make it all the same, later.
                actix_rt::spawn(self.clone().sweep_later());
                Err(Trouble::Silent)
            }
            made => made,
        }
    }

    /// Removes what a launch has made so far.
    async fn discard_made(self: &Rc<Self>, incarnation: Incarnation) {
        let mut id = String::new();
        self.update(incarnation, |container| id = std::mem::take(&mut container.id));
        if !id.is_empty() {
            self.discard(&id).await;
        }
    }

    /// Frees a name that the fleet knows to be free. Whether somebody of ours held it.
    async fn free_holder_of(&self, name: &Name, except: Incarnation) -> bool {
        let holders: Vec<Incarnation> = {
            let containers = self.containers.borrow();
            let holds = |container: &Container| container.name.clashes(name) && !container.leaving;
            let holders = containers.iter().filter(|(of, container)| **of != except && holds(container));
            holders.map(|(incarnation, _)| *incarnation).collect()
        };
        for incarnation in &holders {
            self.free_name(*incarnation).await;
        }
        !holders.is_empty()
    }

    /// Removes the containers that we asked for and gave up, should the engine make them after all.
    async fn sweep_later(self: Rc<Self>) {
        for pause in LATER {
            sleep(pause).await;
            self.sweep(&self.engine.list(self.labels.cluster()).await.unwrap_or_default());
        }
    }

    /// Removes the replicas of our own making that no launch knows of.
    pub(super) fn sweep(self: &Rc<Self>, summaries: &[ContainerSummary]) {
        for summary in summaries {
            let Identity::Replica(replica) = self.identify(summary) else { continue };
            let (Some(id), Some(labels)) = (&summary.id, &summary.labels) else { continue };
            let known = self.containers.borrow().contains_key(&replica.launch.incarnation);
            if self.labels.made(labels) && !known {
                let (docker, id) = (self.clone(), id.clone());
                actix_rt::spawn(async move { docker.discard(&id).await });
            }
        }
    }
}
