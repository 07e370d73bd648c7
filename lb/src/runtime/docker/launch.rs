//! Creation and start of a container.

use std::rc::Rc;

use bollard::models::ContainerSummary;
use tokio::time::sleep;

use super::super::{Error, Instance, Launch};
use super::engine_error::EngineError;
use super::identity::Identity;
use super::{Container, Inner, ORPHAN_DELAYS, State};
use crate::name::Name;
use crate::ring::Incarnation;

impl Inner {
    /// Launches a replica. A failed launch leaves no container behind.
    pub(super) async fn launch(self: Rc<Self>, launch: Launch) -> Result<Instance, Error> {
        // The semaphore is never closed, so an error cannot occur.
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

    /// Creates and starts the container. A network that was removed in the meantime is created again.
    async fn start(self: &Rc<Self>, launch: &Launch) -> Result<Instance, Error> {
        let mut network = self.network.ensure(&self.engine).await?;
        loop {
            let error = match self.start_in(&network, launch).await {
                Ok(instance) => return Ok(instance),
                Err(error) => error,
            };
            match error {
                EngineError::NotFound(why) => {
                    let found = self.network.ensure(&self.engine).await?;
                    if found == network {
                        return Err(Error::Refused(format!("image '{}': {why}", self.template.image)));
                    }
                    self.discard_made(launch.incarnation).await;
                    network = found;
                }
                EngineError::NameTaken => {
                    let container = self.container_name(&launch.name);
                    log::warn!(
                        name:% = container, why = "name_held_by_a_foreign_container";
                        "container not made"
                    );
                    return Err(Error::NameTaken(launch.name.clone()));
                }
                other => return Err(other.launch_error(&self.template.network)),
            }
        }
    }

    async fn start_in(self: &Rc<Self>, network: &str, launch: &Launch) -> Result<Instance, EngineError> {
        let id = self.create(network, launch).await?;
        self.update(launch.incarnation, |container| container.id.clone_from(&id));
        self.engine.start(&id).await?;
        let inspected = self.engine.inspect(&id).await?;
        let networks = inspected.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let Some(ip) = self.template.address(&networks) else {
            let code = inspected.state.and_then(|state| state.exit_code).unwrap_or_default();
            return Err(EngineError::Ended(self.ended(&id, code).await));
        };
        // It may have ended by now, with the exit reported.
        self.update(launch.incarnation, |container| {
            if container.state == State::Starting {
                container.state = State::Running;
            }
        });
        Ok(self.instance(id, ip))
    }

    /// Creates the container. Its name may still be held by a container of the cluster that is leaving, or by one that
    /// the engine created late for a previous balancer.
    async fn create(self: &Rc<Self>, network: &str, launch: &Launch) -> Result<String, EngineError> {
        let name = self.container_name(&launch.name);
        let body = || self.template.body(&self.image, network, launch, self.labels.of(launch));
        let mut made = self.engine.create(&name, body()).await;
        if matches!(made, Err(EngineError::Conflict(_)))
            && self.free_holder_of(&launch.name, launch.incarnation).await
        {
            made = self.engine.create(&name, body()).await;
        }
        if matches!(made, Err(EngineError::Conflict(_)))
            && let Some(holder) = self.unstarted_holder(&name).await
        {
            self.discard(&holder).await;
            made = self.engine.create(&name, body()).await;
        }
        match made {
            Err(EngineError::Conflict(_)) => Err(EngineError::NameTaken),
            Err(EngineError::TimedOut) => {
                // The engine may still create it later.
                actix_rt::spawn(self.clone().remove_orphans_later());
                Err(EngineError::TimedOut)
            }
            made => made,
        }
    }

    /// Removes the container that a failed launch has made.
    async fn discard_made(self: &Rc<Self>, incarnation: Incarnation) {
        let mut id = String::new();
        self.update(incarnation, |container| id = std::mem::take(&mut container.id));
        if !id.is_empty() {
            self.discard(&id).await;
        }
    }

    /// Frees a name that the fleet considers free. Returns whether a container of this process held it.
    async fn free_holder_of(&self, name: &Name, except: Incarnation) -> bool {
        let holders: Vec<Incarnation> = {
            let containers = self.containers.borrow();
            let holds = |container: &Container| container.name.clashes(name) && !container.leaving;
            let holders = containers.iter().filter(|(of, container)| **of != except && holds(container));
            holders.map(|(incarnation, _)| *incarnation).collect()
        };
        for incarnation in &holders {
            // If it fails, so does the creation that follows.
            let _ = self.free_name(*incarnation).await;
        }
        !holders.is_empty()
    }

    /// Removes the containers of abandoned launches, in case the engine creates them after all.
    pub(super) async fn remove_orphans_later(self: Rc<Self>) {
        for pause in ORPHAN_DELAYS {
            sleep(pause).await;
            let summaries = self.engine.list(self.labels.cluster()).await.unwrap_or_default();
            self.remove_orphans(&summaries);
            self.remove_late_anchors(&summaries);
        }
    }

    /// Removes the replicas that no launch refers to: those that this process made, and those of a previous one that
    /// are not started.
    pub(super) fn remove_orphans(self: &Rc<Self>, summaries: &[ContainerSummary]) {
        for id in self.abandoned(summaries) {
            log::info!(id:%, why = "never_started"; "container removed");
            self.discard_later(id);
        }
        for summary in summaries {
            let Identity::Replica(replica) = self.identify(summary) else { continue };
            let (Some(id), Some(labels)) = (&summary.id, &summary.labels) else { continue };
            let known = self.containers.borrow().contains_key(&replica.launch.incarnation);
            if self.labels.made(labels) && !known {
                self.discard_later(id.clone());
            }
        }
    }
}
