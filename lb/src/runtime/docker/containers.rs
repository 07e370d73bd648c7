//! The containers of the cluster: listed, found by incarnation, renamed when they leave.

use std::net::IpAddr;

use bollard::models::ContainerSummary;

use super::engine_error::EngineError;
use super::identity::{self, ContainerInfo, Identity, Known, LEAVING};
use super::{Container, Inner, State, engine};
use crate::name::Name;
use crate::ring::{Incarnation, Weight};
use crate::runtime::{Error, Found, Instance, Standing};

impl Inner {
    /// Renames a container, so that its name is free and every balancer sees that it is leaving.
    ///
    /// # Errors
    /// The engine is unreachable. Other errors are only logged.
    pub(super) async fn free_name(&self, incarnation: Incarnation) -> Result<(), EngineError> {
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
            Err(error) if error.is_unreachable() => log::debug!(name:%; "container not renamed"),
            Err(error) => log::warn!(name:%, why:% = error; "container not renamed"),
        });
        unreachable.map_or(Ok(()), Err)
    }

    /// Lists the replicas. Where two balancers have used the same incarnation, one of the containers gets another: the
    /// number is only a handle.
    pub(super) async fn list(&self) -> Result<Vec<Found>, Error> {
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
    pub(super) fn found(&self, summary: &ContainerSummary) -> Option<(String, Found)> {
        let id = summary.id.clone()?;
        let labels = summary.labels.clone().unwrap_or_default();
        let Known { launch, leaving, .. } = match self.identify(summary) {
            Identity::Replica(known) => known,
            Identity::Anchor { .. } => return None,
            Identity::Unrelated(why) => {
                let name =
                    summary.names.iter().flatten().next().map_or("", |name| name.trim_start_matches('/'));
                log::warn!(name:%, id:%, why:%; "container passed over");
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
    pub(super) fn identify(&self, summary: &ContainerSummary) -> Identity {
        let labels = summary.labels.clone().unwrap_or_default();
        identity::identify(self.labels.cluster(), &ContainerInfo::listed(summary, &labels))
    }

    pub(super) fn instance(&self, id: String, ip: IpAddr) -> Instance {
        Instance { id, address: (ip, self.template.port).into() }
    }

    /// Id of the container of a replica; `None` before the engine has created it.
    pub(super) fn id_of(&self, incarnation: Incarnation) -> Option<String> {
        let containers = self.containers.borrow();
        containers.get(&incarnation).map(|container| container.id.clone()).filter(|id| !id.is_empty())
    }

    pub(super) fn update(&self, incarnation: Incarnation, change: impl FnOnce(&mut Container)) {
        self.containers.borrow_mut().get_mut(&incarnation).map(change);
    }

    pub(super) fn container_name(&self, name: &Name) -> String {
        identity::container_name(self.labels.cluster(), name)
    }
}
