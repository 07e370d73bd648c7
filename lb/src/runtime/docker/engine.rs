//! Client of the engine: the calls that the runtime needs, each with a time limit.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerSummary, ContainerSummaryStateEnum,
    EndpointSettings, EventMessage, Network, NetworkConnectRequest, NetworkCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, EventsOptionsBuilder, InspectContainerOptions,
    KillContainerOptionsBuilder, ListContainersOptionsBuilder, ListNetworksOptionsBuilder,
    LogsOptionsBuilder, RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder, StartContainerOptions,
    StopContainerOptionsBuilder, TopOptions, WaitContainerOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use bytes::Bytes;
use futures::stream::{Stream, StreamExt};
use tokio::time::timeout;

use super::super::{Error, Tail};
use super::engine_error::EngineError;
use super::host::Host;
use super::labels;
use super::outage::Outage;
use super::processes::{self, Process};

/// Time limit of one call.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Time limit of a removal: the engine kills the container and removes its network endpoint and its file system.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(30);

/// Time limit for reading the last line of a container.
const LAST_LINE_TIMEOUT: Duration = Duration::from_millis(500);

/// bollard's own limit is disabled: it is in whole seconds and ends at the response head.
const UNLIMITED: u64 = 10 * 24 * 60 * 60;

/// A connection to the engine.
#[derive(Clone)]
pub(super) struct Engine {
    docker: Docker,
    host: Rc<Host>,
    outage: Rc<Outage>,
}

impl Engine {
    /// Connects and negotiates the version of the API.
    ///
    /// # Errors
    /// The engine does not answer, with the likely remedy.
    pub async fn connect(host: &Host) -> Result<Self, Error> {
        let shown = format!("--docker-host {host}");
        match timeout(CALL_TIMEOUT, host.connect()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let (why, advice) = (host.explain(&error), advice(&error));
                return Err(Error::Refused(format!("{shown}: {why}; {advice}")));
            }
            Err(_) => return Err(Error::Refused(format!("{shown}: {}", EngineError::TimedOut))),
        }
        let unanswered =
            |error: EngineError| Error::Refused(format!("{shown}: {error}; is it a Docker engine?"));
        let docker = match host {
            Host::Unix(path) => {
                Docker::connect_with_unix(&path.to_string_lossy(), UNLIMITED, API_DEFAULT_VERSION)
            }
            Host::Tcp(authority) => Docker::connect_with_http(authority, UNLIMITED, API_DEFAULT_VERSION),
        };
        let docker = docker.map_err(|error| unanswered(EngineError::new(error, host)))?;
        let docker = match timeout(CALL_TIMEOUT, docker.negotiate_version()).await {
            Ok(negotiated) => negotiated.map_err(|error| unanswered(EngineError::new(error, host)))?,
            Err(_) => return Err(unanswered(EngineError::TimedOut)),
        };
        Ok(Self { docker, host: Rc::new(host.clone()), outage: Rc::default() })
    }

    /// The state of the engine's outages, as found by the latest calls.
    pub fn outage(&self) -> &Outage {
        &self.outage
    }

    /// Makes a call, with [`CALL_TIMEOUT`] as the time limit.
    async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, EngineError> {
        self.call_within(CALL_TIMEOUT, call).await
    }

    async fn call_within<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, EngineError> {
        let result = timeout(limit, call).await.map_err(|_| EngineError::TimedOut);
        let result = result.and_then(|result| result.map_err(|error| EngineError::new(error, &self.host)));
        match &result {
            Ok(_) => self.outage.end(),
            Err(error @ EngineError::Unreachable(_)) => self.outage.begin(error),
            Err(_) => {}
        }
        result
    }

    /// The id of an image.
    pub async fn image(&self, name: &str) -> Result<String, Error> {
        let shown = format!("--image {name}");
        match self.call(self.docker.inspect_image(name)).await {
            Ok(image) => {
                image.id.ok_or_else(|| Error::Refused(format!("{shown}: the engine gives it no id")))
            }
            Err(EngineError::NotFound(_)) => Err(Error::Refused(format!(
                "{shown}: the Docker engine has no such image; build it, or: docker pull {name}"
            ))),
            Err(error) => Err(Error::Refused(format!("{shown}: {error}"))),
        }
    }

    /// The networks with exactly this name.
    pub async fn networks(&self, name: &str) -> Result<Vec<Network>, EngineError> {
        let filters = HashMap::from([("name", vec![name.to_owned()])]);
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        let mut networks = self.call(self.docker.list_networks(Some(options))).await?;
        // The engine's filter also matches names that contain this one.
        networks.retain(|network| network.name.as_deref() == Some(name));
        Ok(networks)
    }

    /// Creates a bridge network; returns its id.
    pub async fn create_network(&self, name: &str, cluster: &str) -> Result<String, EngineError> {
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            labels: Some(HashMap::from([(labels::CLUSTER.to_owned(), cluster.to_owned())])),
            ..Default::default()
        };
        Ok(self.call(self.docker.create_network(request)).await?.id)
    }

    /// Connects a container to a network.
    pub async fn connect_network(&self, network: &str, container: &str) -> Result<(), EngineError> {
        let endpoint = EndpointSettings { network_id: Some(network.to_owned()), ..Default::default() };
        let request =
            NetworkConnectRequest { container: container.to_owned(), endpoint_config: Some(endpoint) };
        self.call(self.docker.connect_network(network, request)).await
    }

    /// Removes a network; the engine rejects this if a running container is in it.
    pub async fn remove_network(&self, id: &str) -> Result<(), EngineError> {
        self.call(self.docker.remove_network(id)).await
    }

    /// The containers that are in a network with this id or name, or will be when they are started.
    pub async fn containers_in(&self, id: &str, name: &str) -> Result<Vec<ContainerSummary>, EngineError> {
        let filters = HashMap::from([("network", vec![id.to_owned(), name.to_owned()])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        self.call(self.docker.list_containers(Some(options))).await
    }

    /// Creates a container; returns its id.
    pub async fn create(&self, name: &str, body: ContainerCreateBody) -> Result<String, EngineError> {
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        Ok(self.call(self.docker.create_container(Some(options), body)).await?.id)
    }

    /// Starts a container.
    pub async fn start(&self, id: &str) -> Result<(), EngineError> {
        self.call(self.docker.start_container(id, None::<StartContainerOptions>)).await
    }

    /// Returns all details of a container.
    pub async fn inspect(&self, id: &str) -> Result<ContainerInspectResponse, EngineError> {
        self.call(self.docker.inspect_container(id, None::<InspectContainerOptions>)).await
    }

    /// The processes of a running container.
    pub async fn processes(&self, id: &str) -> Result<Vec<Process>, EngineError> {
        let options = TopOptions { ps_args: processes::COLUMNS.to_owned() };
        let listed = self.call(self.docker.top_processes(id, Some(options))).await?;
        Ok(listed.processes.unwrap_or_default().iter().filter_map(|row| Process::new(row)).collect())
    }

    /// The containers of a cluster, including ended ones.
    pub async fn list(&self, cluster: &str) -> Result<Vec<ContainerSummary>, EngineError> {
        let filters = HashMap::from([("label", vec![format!("{}={cluster}", labels::CLUSTER)])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        self.call(self.docker.list_containers(Some(options))).await
    }

    /// Renames a container.
    pub async fn rename(&self, id: &str, name: &str) -> Result<(), EngineError> {
        let options = RenameContainerOptionsBuilder::new().name(name).build();
        self.call(self.docker.rename_container(id, options)).await
    }

    /// Sends a container its stop signal, and waits for its end for at most `grace`.
    ///
    /// # Errors
    /// [`EngineError::TimedOut`] if the container runs after `grace`, or the engine does not answer.
    pub async fn stop(&self, id: &str, grace: Duration) -> Result<(), EngineError> {
        // The engine's limit is in whole seconds. One more, because the removal that follows kills a container that is
        // left.
        let seconds = i32::try_from(grace.as_secs().saturating_add(1)).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::new().t(seconds).build();
        self.call_within(grace, self.docker.stop_container(id, Some(options))).await
    }

    /// Removes a container, killing it if it runs.
    pub async fn remove(&self, id: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        self.call_within(REMOVAL_TIMEOUT, self.docker.remove_container(id, Some(options))).await
    }

    /// Sends SIGKILL to a container.
    pub async fn kill(&self, id: &str) -> Result<(), EngineError> {
        let options = KillContainerOptionsBuilder::new().signal("SIGKILL").build();
        self.call(self.docker.kill_container(id, Some(options))).await
    }

    /// Waits until a container does not run.
    pub async fn ended(&self, id: &str) -> Result<(), EngineError> {
        let options = WaitContainerOptionsBuilder::new().condition("not-running").build();
        let mut ended = self.docker.wait_container(id, Some(options));
        self.call(async {
            match ended.next().await {
                // bollard reports an exit status other than 0 as an error.
                None | Some(Ok(_) | Err(bollard::errors::Error::DockerContainerWaitError { .. })) => Ok(()),
                Some(Err(error)) => Err(error),
            }
        })
        .await
    }

    /// The last line of a container's output; `None` if the engine has none or does not answer in time.
    pub async fn last_line(&self, id: &str) -> Option<String> {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail("1").build();
        let mut lines = self.docker.logs(id, Some(options));
        let line = timeout(LAST_LINE_TIMEOUT, lines.next()).await.ok()??.ok()?;
        let line = line.to_string();
        let line = line.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }

    /// The output of a container.
    pub fn logs(&self, id: &str, tail: Tail) -> impl Stream<Item = Result<Bytes, EngineError>> + use<> {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true);
        let options = options.tail(&tail.lines.to_string()).follow(tail.follow).build();
        let host = self.host.clone();
        let pieces = self.docker.logs(id, Some(options));
        pieces
            .map(move |piece| piece.map(|it| it.into_bytes()).map_err(|error| EngineError::new(error, &host)))
    }

    /// The events of the containers of a cluster since a moment of Unix time.
    pub fn events(
        &self,
        cluster: &str,
        since: Duration,
    ) -> impl Stream<Item = Result<EventMessage, EngineError>> + use<> {
        let of = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect::<Vec<_>>();
        let filters = HashMap::from([
            ("type", of(&["container"])),
            ("event", of(&["destroy", "die", "kill", "start"])),
            ("label", of(&[&format!("{}={cluster}", labels::CLUSTER)])),
        ]);
        let since = format!("{}.{:09}", since.as_secs(), since.subsec_nanos());
        let options = EventsOptionsBuilder::new().since(&since).filters(&filters).build();
        let host = self.host.clone();
        self.docker
            .events(Some(options))
            .map(move |event| event.map_err(|error| EngineError::new(error, &host)))
    }
}

/// Whether a container runs, paused or not.
pub(super) fn runs(summary: &ContainerSummary) -> bool {
    use ContainerSummaryStateEnum::{PAUSED, RESTARTING, RUNNING};
    matches!(summary.state, Some(RUNNING | PAUSED | RESTARTING))
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "run as root, or as a member of the socket's group (docker)",
        _ => "is the Docker engine running? In a container: is its socket mounted?",
    }
}
