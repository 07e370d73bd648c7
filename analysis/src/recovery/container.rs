//! A replica that runs as a container of the local engine.

use bollard::Docker;
use bollard::models::ContainerSummary;
use bollard::query_parameters::{KillContainerOptions, ListContainersOptions};

/// Label of a container with the name of its replica.
const NAME_LABEL: &str = "lb.name";

/// A running container.
#[derive(Debug)]
pub struct Container {
    id: String,
}

impl Container {
    /// Finds the container with the id that the admin listener reports, and verifies its name.
    ///
    /// # Errors
    /// The reason why no container may be killed.
    pub async fn with_id(id: &str, name: &str) -> Result<Self, String> {
        let containers = list().await?;
        let matching = containers.iter().filter(|one| one.id.as_deref() == Some(id) && is_named(one, name));
        only(matching, || format!("no container {id:.12} runs {name} here"))
    }

    /// Finds the container of this name that shares a network with the container that publishes the balancer's port.
    /// Fleets of other balancers on the same engine are thereby left alone.
    ///
    /// The reason why no container may be killed.
    /// Why there is none that should be killed.
    pub async fn beside(port: u16, name: &str) -> Result<Self, String> {
        let containers = list().await?;
        only(neighbours(&containers, port, name), || {
            format!("no container named {name} is on a network of one that publishes port {port}")
        })
    }

    /// `docker kill`.
    ///
    /// # Errors
    /// The error text of the engine.
    pub async fn kill(&self) -> Result<(), String> {
        engine()?.kill_container(&self.id, None::<KillContainerOptions>).await.map_err(error_text)
    }

    /// `docker pause`.
    ///
    /// # Errors
    /// The error text of the engine.
    pub async fn pause(&self) -> Result<(), String> {
        engine()?.pause_container(&self.id).await.map_err(error_text)
    }

    /// `docker unpause`; blocks until it is done, for use in a destructor.
    pub fn unpause(&self) {
        let id = self.id.clone();
        // On another thread, because blocking within an async runtime is not allowed.
        let done = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let (Ok(runtime), Ok(engine)) = (runtime, engine()) {
                // An error means that the container is not paused or does not exist, which is as good.
                let _ = runtime.block_on(engine.unpause_container(&id));
            }
        });
        let _ = done.join();
    }
}

fn engine() -> Result<Docker, String> {
    Docker::connect_with_unix_defaults().map_err(error_text)
}

/// All running containers.
async fn list() -> Result<Vec<ContainerSummary>, String> {
    engine()?.list_containers(None::<ListContainersOptions>).await.map_err(error_text)
}

fn error_text(error: bollard::errors::Error) -> String {
    format!("Docker engine: {error}")
}

/// The single match; an error if there is none or more than one.
fn only<'a>(
    mut found: impl Iterator<Item = &'a ContainerSummary>,
    none: impl FnOnce() -> String,
) -> Result<Container, String> {
    let Some(id) = found.next().and_then(|one| one.id.clone()) else { return Err(none()) };
    match found.next() {
        None => Ok(Container { id }),
        Some(_) => Err("more than one container matches".into()),
    }
}

fn neighbours<'a>(
    containers: &'a [ContainerSummary],
    port: u16,
    name: &'a str,
) -> impl Iterator<Item = &'a ContainerSummary> {
    let publishes = move |one: &&ContainerSummary| {
        one.ports.iter().flatten().any(|published| published.public_port == Some(port))
    };
    let near: Vec<&str> = containers.iter().filter(publishes).flat_map(networks).collect();
    containers.iter().filter(move |one| is_named(one, name) && networks(one).any(|id| near.contains(&id)))
}

fn networks(one: &ContainerSummary) -> impl Iterator<Item = &str> {
    let networks = one.network_settings.iter().flat_map(|settings| settings.networks.iter().flatten());
    networks.filter_map(|(_, endpoint)| endpoint.network_id.as_deref())
}

/// Compares with the name label, or without a label with the container name: the hostname with spaces as `_`.
fn is_named(one: &ContainerSummary, name: &str) -> bool {
    let is_called =
        |wanted: &str| one.names.iter().flatten().any(|own| own.trim_start_matches('/') == wanted);
    let leaving = one.names.iter().flatten().any(|own| own.contains(".leaving."));
    match one.labels.as_ref().and_then(|labels| labels.get(NAME_LABEL)) {
        Some(label) => label == name && !leaving,
        None => name.parse::<lb::name::Name>().is_ok_and(|name| is_called(&name.container())),
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::{ContainerSummaryNetworkSettings, EndpointSettings, PortSummary};

    use super::*;

    fn container(id: &str, label: Option<&str>, network: &str, port: Option<u16>) -> ContainerSummary {
        let endpoint = EndpointSettings { network_id: Some(network.into()), ..Default::default() };
        let networks = Some([(network.to_owned(), endpoint)].into());
        ContainerSummary {
            id: Some(id.into()),
            names: Some(vec![format!("/{id}")]),
            labels: label.map(|name| [(NAME_LABEL.to_owned(), name.to_owned())].into()),
            network_settings: Some(ContainerSummaryNetworkSettings { networks }),
            ports: Some(vec![PortSummary { public_port: port, ..Default::default() }]),
            ..Default::default()
        }
    }

    #[test]
    fn only_containers_of_the_same_fleet_are_found() {
        let containers = [
            container("balancer", None, "net1", Some(5000)),
            container("other-balancer", None, "net2", Some(6000)),
            container("server1", Some("server1"), "net1", None),
            container("x-server1", Some("server1"), "net2", None),
            container("server_2", None, "net1", None),
            container("x.leaving.7", Some("x"), "net1", None),
        ];
        let id = |port, name| only(neighbours(&containers, port, name), String::new).map(|one| one.id);
        assert_eq!(id(5000, "server1").unwrap(), "server1");
        assert_eq!(id(6000, "server1").unwrap(), "x-server1");
        assert_eq!(id(5000, "server 2").unwrap(), "server_2");
        for (port, name) in [(7000, "server1"), (6000, "server 2"), (5000, "x"), (5000, "balance")] {
            assert!(id(port, name).is_err(), "{port} {name}");
        }
    }

    #[test]
    fn an_ambiguous_match_is_an_error() {
        let containers = [
            container("balancer", None, "net1", Some(5000)),
            container("a-server1", Some("server1"), "net1", None),
            container("b-server1", Some("server1"), "net1", None),
        ];
        assert!(only(neighbours(&containers, 5000, "server1"), String::new).is_err());
    }
}
