//! The network of the replicas, identified by its id: an engine accepts several networks with one name.
//!
//! All balancers choose the oldest one (a balancer in a container: one that its own container is in, because a
//! container cannot be in two networks with one name). Other networks that a balancer made and that no container is in
//! are removed.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{ContainerInspectResponse, ContainerSummary, Network as Summary};
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::super::Error;
use super::engine::Engine;
use super::engine_error::EngineError;
use super::labels;

/// Age below which a network made by a balancer may have siblings that are not listed yet: the engine lists networks
/// when they are complete, in any order, but dates them from the beginning of the call.
const FRESH: Duration = Duration::from_secs(5);
/// Pause between two listings of fresh networks.
const LOOK: Duration = Duration::from_millis(100);
/// After this many equal listings in a row no further network is expected.
const SETTLED: usize = 5;
/// Largest number of listings.
const LOOKS: usize = 50;

/// Answers of an engine that has no subnet left for a network. Their status is 500, so only the text identifies them.
const NO_SUBNET: [&str; 2] = ["non-overlapping ipv4 address pool", "predefined address pools"];

/// The network that the replicas are in.
pub(super) struct Network {
    name: String,
    cluster: String,
    /// Id of the balancer's own container, once known.
    own: Option<String>,
    /// Id of the network chosen last, which the own container is in.
    chosen: RefCell<String>,
    /// Ids of the networks after the latest wait for siblings.
    settled: RefCell<Vec<String>>,
    /// Serializes the listings: concurrent launches must not make a network each.
    turn: Semaphore,
}

impl Network {
    pub fn new(name: &str, cluster: &str, own: Option<&ContainerInspectResponse>) -> Self {
        Self {
            name: name.to_owned(),
            cluster: cluster.to_owned(),
            own: own.and_then(|own| own.id.clone()),
            chosen: RefCell::default(),
            settled: RefCell::default(),
            turn: Semaphore::new(1),
        }
    }

    /// Returns the id of the network. It is created if there is none, and the own container is connected to it.
    ///
    /// # Errors
    /// The engine rejects a call, or the network is no bridge.
    pub async fn ensure(&self, engine: &Engine) -> Result<String, Error> {
        // The semaphore is never closed, so an error cannot occur.
        let _turn = self.turn.acquire().await;
        let found = self.found(engine).await.map_err(|error| self.error(error))?;
        let own = self.own(engine, &found).await;
        let Some(network) = choose(&found, own.as_ref()) else {
            return Err(Error::Refused(format!("{}: it was removed as soon as it was made", self.shown())));
        };
        let driver = network.driver.clone().unwrap_or_default();
        if driver != "bridge" {
            let shown = self.shown();
            return Err(Error::Configured(format!(
                "{shown}: its driver is '{driver}'; it must be a bridge network"
            )));
        }
        let id = network.id.clone().unwrap_or_default();
        if *self.chosen.borrow() != id {
            if found.len() > 1 {
                log::warn!(name:% = self.name, found:% = found.len(), chosen:% = id; "networks of one name");
            }
            if let Some(own) = own {
                self.join(engine, &id, &own).await;
            }
            self.chosen.borrow_mut().clone_from(&id);
        }
        for other in found.iter().filter(|other| other.id.as_ref() != Some(&id)) {
            self.remove_unused(engine, other).await;
        }
        Ok(id)
    }

    /// The networks with the name: at least one, unless it is removed in the meantime.
    async fn found(&self, engine: &Engine) -> Result<Vec<Summary>, EngineError> {
        let mut found = engine.networks(&self.name).await?;
        if found.is_empty() {
            match engine.create_network(&self.name, &self.cluster).await {
                Ok(id) => log::info!(name:% = self.name, id:%; "network made"),
                // Another balancer may have created it first, and the engine may be short of subnets.
                Err(error) => {
                    found = engine.networks(&self.name).await?;
                    if found.is_empty() {
                        return Err(error);
                    }
                }
            }
        }
        let fresh = found.iter().any(|network| is_ours(network) && is_fresh(network));
        if found.is_empty() || fresh && ids(&found) != *self.settled.borrow() {
            found = self.settle(engine, found).await?;
        }
        Ok(found)
    }

    /// Waits until no further network with the name appears.
    async fn settle(&self, engine: &Engine, mut found: Vec<Summary>) -> Result<Vec<Summary>, EngineError> {
        let mut same = 0;
        for _ in 0..LOOKS {
            sleep(LOOK).await;
            let now = engine.networks(&self.name).await?;
            same = if ids(&now) == ids(&found) { same + 1 } else { 0 };
            found = now;
            if same >= SETTLED {
                break;
            }
        }
        *self.settled.borrow_mut() = ids(&found);
        Ok(found)
    }

    /// The balancer's own container, if it runs in one, and if a network has to be chosen or joined.
    async fn own(&self, engine: &Engine, found: &[Summary]) -> Option<ContainerInspectResponse> {
        let is_chosen = |network: &Summary| network.id.as_ref() == Some(&*self.chosen.borrow());
        if let [network] = found
            && is_chosen(network)
        {
            return None;
        }
        engine.inspect(self.own.as_ref()?).await.ok()
    }

    /// Connects the own container to a network, so that it reaches the replicas.
    async fn join(&self, engine: &Engine, id: &str, own: &ContainerInspectResponse) {
        let mode = own.host_config.as_ref().and_then(|host| host.network_mode.as_deref()).unwrap_or_default();
        // In these modes it reaches every bridge of the host, or cannot be connected itself.
        if mode == "host" || mode == "none" || mode.starts_with("container:") || networks(own).contains(&id) {
            return;
        }
        let Some(own) = &own.id else { return };
        match engine.connect_network(id, own).await {
            Ok(()) => log::info!(name:% = self.name, id:%; "network joined"),
            Err(error) => log::warn!(name:% = self.name, id:%, why:% = error; "network not joined"),
        }
    }

    /// Removes a network that a balancer made and that no container is in, running or not.
    async fn remove_unused(&self, engine: &Engine, network: &Summary) {
        let Some(id) = network.id.as_ref().filter(|_| is_ours(network)) else { return };
        let is_used = |container: &ContainerSummary| is_in(container, id, &self.name);
        if !engine.containers_in(id, &self.name).await.is_ok_and(|all| !all.iter().any(is_used)) {
            return;
        }
        match engine.remove_network(id).await {
            Ok(()) => log::info!(name:% = self.name, id:%, why = "duplicate"; "network removed"),
            Err(error) => log::debug!(id:%, why:% = error; "network not removed"),
        }
    }

    fn error(&self, error: EngineError) -> Error {
        let shown = self.shown();
        match error {
            error if error.is_unreachable() => Error::Unavailable(error.to_string()),
            EngineError::Failed(why)
                if NO_SUBNET.iter().any(|text| why.to_ascii_lowercase().contains(text)) =>
            {
                Error::Refused(format!(
                    "{shown}: the engine has no subnet left for it: remove unused networks, or make it with a \
                     subnet of its own (docker network create --subnet) ({why})"
                ))
            }
            error => Error::Refused(format!("{shown}: {error}")),
        }
    }

    fn shown(&self) -> String {
        format!("--network {}", self.name)
    }
}

/// The network that all balancers choose: one that the own container is in, else the oldest.
fn choose<'a>(found: &'a [Summary], own: Option<&ContainerInspectResponse>) -> Option<&'a Summary> {
    let joined = own.map(networks).unwrap_or_default();
    let is_joined = |network: &Summary| network.id.as_deref().is_some_and(|id| joined.contains(&id));
    found.iter().min_by_key(|network| (Reverse(is_joined(network)), created(network), network.id.clone()))
}

/// The ids of the networks that a container is in.
fn networks(container: &ContainerInspectResponse) -> Vec<&str> {
    let networks = container.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    networks.into_iter().flat_map(HashMap::values).filter_map(|of| of.network_id.as_deref()).collect()
}

/// Whether a container is in a network. One that was never started has no network id yet, and may refer to the network
/// by id or by name: by name it is in each network with that name.
fn is_in(container: &ContainerSummary, id: &str, name: &str) -> bool {
    let networks = container.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let mode = container.host_config.as_ref().and_then(|host| host.network_mode.as_deref());
    networks.into_iter().flat_map(HashMap::values).any(|of| match of.network_id.as_deref() {
        None | Some("") => mode == Some(id) || mode == Some(name),
        Some(other) => other == id,
    })
}

/// Whether a balancer made a network.
fn is_ours(network: &Summary) -> bool {
    network.labels.as_ref().is_some_and(|labels| labels.contains_key(labels::CLUSTER))
}

fn is_fresh(network: &Summary) -> bool {
    let age = created(network).map(|created| Timestamp::now().duration_since(created).unsigned_abs());
    age.is_some_and(|age| age < FRESH)
}

fn created(network: &Summary) -> Option<Timestamp> {
    network.created.as_ref()?.parse().ok()
}

/// The ids in ascending order.
fn ids(networks: &[Summary]) -> Vec<String> {
    let mut ids: Vec<String> = networks.iter().filter_map(|network| network.id.clone()).collect();
    ids.sort_unstable();
    ids
}

#[cfg(test)]
mod tests {
    use bollard::models::{EndpointSettings, NetworkSettings};

    use super::*;

    fn network(id: &str, created: &str) -> Summary {
        Summary { id: Some(id.into()), created: Some(created.into()), ..Default::default() }
    }

    #[test]
    fn the_own_network_is_chosen_else_the_oldest_then_the_smallest_id() {
        let found = [
            network("c", "2026-11-29T23:54:00.12Z"),
            network("b", "2026-11-30T00:54:00.1+01:00"),
            network("a", "2026-11-29T23:54:00.1Z"),
        ];
        let chosen = |found: &[Summary]| choose(found, None).unwrap().id.clone().unwrap();
        assert_eq!(chosen(&found), "a");
        assert_eq!(chosen(&found[..2]), "b");
        let endpoint = EndpointSettings { network_id: Some("c".into()), ..Default::default() };
        let networks = Some(HashMap::from([("n".to_owned(), endpoint)]));
        let network_settings = Some(NetworkSettings { networks, ..Default::default() });
        let own = ContainerInspectResponse { network_settings, ..Default::default() };
        assert_eq!(choose(&found, Some(&own)).unwrap().id.as_deref(), Some("c"));
        assert_eq!(choose(&found[1..], Some(&own)).unwrap().id.as_deref(), Some("a"));
        assert_eq!(choose(&[], None), None);
    }
}
