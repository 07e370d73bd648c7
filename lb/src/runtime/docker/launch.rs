//! A container is made and started.

use std::rc::Rc;

use tokio::time::sleep;

use super::super::{Error, Instance, Launch};
use super::engine::Trouble;
use super::identity::Identity;
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
            let container = self.containers.borrow_mut().remove(&incarnation);
            if let Some(container) = container.filter(|container| !container.id.is_empty()) {
                self.discard(&container.id).await;
            }
        }
        launched
    }

    async fn start(self: &Rc<Self>, launch: &Launch) -> Result<Instance, Error> {
        let id = self.create(launch).await?;
        self.update(launch.incarnation, |container| container.id.clone_from(&id));
        let refused = |trouble: Trouble| Error::Refused(trouble.to_string());
        self.engine.start(&id).await.map_err(refused)?;
        let inspected = self.engine.inspect(&id).await.map_err(refused)?;
        let networks = inspected.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let Some(ip) = self.template.address(&networks) else {
            let code = inspected.state.and_then(|state| state.exit_code).unwrap_or_default();
            return Err(Error::Refused(self.ended(&id, code).await));
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
    async fn create(self: &Rc<Self>, launch: &Launch) -> Result<String, Error> {
        let name = self.container_name(&launch.name);
        let body = || self.template.body(&self.image, launch, self.labels.of(launch));
        let mut made = self.engine.create(&name, body()).await;
        if matches!(made, Err(Trouble::Conflict(_)))
            && self.free_holder_of(&launch.name, launch.incarnation).await
        {
            made = self.engine.create(&name, body()).await;
        }
        made.map_err(|trouble| match trouble {
            Trouble::Conflict(_) => Error::NameTaken(launch.name.clone()),
            Trouble::NotFound(why) => Error::Refused(format!(
                "image '{}' or network '{}': {why}",
                self.template.image, self.template.network
            )),
            Trouble::Silent => {
                // The engine may make it all the same, later.
                actix_rt::spawn(self.clone().sweep_later());
                Error::Refused(trouble.to_string())
            }
            Trouble::Failed(why) => Error::Refused(why),
        })
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
            for summary in self.engine.list(self.labels.cluster()).await.unwrap_or_default() {
                let Identity::Replica(replica) = self.identify(&summary) else { continue };
                let labels = summary.labels.unwrap_or_default();
                let known = self.containers.borrow().contains_key(&replica.launch.incarnation);
                if let (true, false, Some(id)) = (self.labels.made(&labels), known, summary.id) {
                    self.engine.discard(&id).await;
                }
            }
        }
    }
}
