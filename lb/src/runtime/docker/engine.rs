//! The engine behind its socket: the calls that we need, each bounded in time.

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
use super::host::Host;
use super::labels;
use super::outage::Outage;
use super::processes::{self, Process};
use super::trouble::Trouble;

/// How long the engine may take for one call.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How long it may take to remove one: it kills it and takes down its network and its file system.
const REMOVAL: Duration = Duration::from_secs(30);

/// How long a container's last words are waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// bollard's own limit is off: it knows whole seconds only, and ends at the head.
const UNLIMITED: u64 = 10 * 24 * 60 * 60;

/// A connection to an engine.
#[derive(Clone)]
pub(super) struct Engine {
    docker: Docker,
    host: Rc<Host>,
    outage: Rc<Outage>,
}

impl Engine {
    /// Connects and agrees on the version of the API.
    pub async fn connect(host: &Host) -> Result<Self, Error> {
        let shown = format!("--docker-host {host}");
        match timeout(PATIENCE, host.connect()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let (why, advice) = (host.explain(&error), advice(&error));
                return Err(Error::Refused(format!("{shown}: {why}; {advice}")));
            }
            Err(_) => return Err(Error::Refused(format!("{shown}: {}", Trouble::Silent))),
        }
        let unanswered =
            |trouble: Trouble| Error::Refused(format!("{shown}: {trouble}; is it a Docker engine?"));
        let docker = match host {
            Host::Unix(path) => {
                Docker::connect_with_unix(&path.to_string_lossy(), UNLIMITED, API_DEFAULT_VERSION)
            }
            Host::Tcp(authority) => Docker::connect_with_http(authority, UNLIMITED, API_DEFAULT_VERSION),
        };
        let docker = docker.map_err(|error| unanswered(Trouble::new(error, host)))?;
        let docker = match timeout(PATIENCE, docker.negotiate_version()).await {
            Ok(negotiated) => negotiated.map_err(|error| unanswered(Trouble::new(error, host)))?,
            Err(_) => return Err(unanswered(Trouble::Silent)),
        };
        Ok(Self { docker, host: Rc::new(host.clone()), outage: Rc::default() })
    }

    /// Whether the engine is away, as the latest calls found.
    pub fn outage(&self) -> &Outage {
        &self.outage
    }

    /// Carries out a call, for [`PATIENCE`] at most.
    async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, Trouble> {
        self.call_within(PATIENCE, call).await
    }

    async fn call_within<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, Trouble> {
        let result = timeout(limit, call).await.map_err(|_| Trouble::Silent);
        let result = result.and_then(|result| result.map_err(|error| Trouble::new(error, &self.host)));
        match &result {
            Ok(_) => self.outage.end(),
            Err(trouble @ Trouble::Away(_)) => self.outage.begin(trouble),
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
            Err(Trouble::NotFound(_)) => Err(Error::Refused(format!(
                "{shown}: the Docker engine has no such image; build it, or: docker pull {name}"
            ))),
            Err(trouble) => Err(Error::Refused(format!("{shown}: {trouble}"))),
        }
    }

    /// The networks of exactly this name.
    pub async fn networks(&self, name: &str) -> Result<Vec<Network>, Trouble> {
        let filters = HashMap::from([("name", vec![name.to_owned()])]);
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        let mut networks = self.call(self.docker.list_networks(Some(options))).await?;
        // The engine's filter also lets through names that contain this one.
        networks.retain(|network| network.name.as_deref() == Some(name));
        Ok(networks)
    }

    /// Makes a bridge network; returns its id.
    pub async fn create_network(&self, name: &str, cluster: &str) -> Result<String, Trouble> {
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            labels: Some(HashMap::from([(labels::CLUSTER.to_owned(), cluster.to_owned())])),
            ..Default::default()
        };
        Ok(self.call(self.docker.create_network(request)).await?.id)
    }

    /// Connects a container to a network.
    pub async fn connect_network(&self, network: &str, container: &str) -> Result<(), Trouble> {
        let endpoint = EndpointSettings { network_id: Some(network.to_owned()), ..Default::default() };
        let request =
            NetworkConnectRequest { container: container.to_owned(), endpoint_config: Some(endpoint) };
        self.call(self.docker.connect_network(network, request)).await
    }

    /// Removes a network; the engine refuses if a running container is in it.
    pub async fn remove_network(&self, id: &str) -> Result<(), Trouble> {
        self.call(self.docker.remove_network(id)).await
    }

    /// The containers that are in a network of this id or of this name, or are to be when they are started.
    pub async fn containers_in(&self, id: &str, name: &str) -> Result<Vec<ContainerSummary>, Trouble> {
        let filters = HashMap::from([("network", vec![id.to_owned(), name.to_owned()])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        self.call(self.docker.list_containers(Some(options))).await
    }

    /// Makes a container; returns its id.
    pub async fn create(&self, name: &str, body: ContainerCreateBody) -> Result<String, Trouble> {
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        Ok(self.call(self.docker.create_container(Some(options), body)).await?.id)
    }

    /// Starts a container.
    pub async fn start(&self, id: &str) -> Result<(), Trouble> {
        self.call(self.docker.start_container(id, None::<StartContainerOptions>)).await
    }

    /// All about a container.
    pub async fn inspect(&self, id: &str) -> Result<ContainerInspectResponse, Trouble> {
        self.call(self.docker.inspect_container(id, None::<InspectContainerOptions>)).await
    }

    /// The processes of a running container.
    pub async fn processes(&self, id: &str) -> Result<Vec<Process>, Trouble> {
        let options = TopOptions { ps_args: processes::COLUMNS.to_owned() };
        let listed = self.call(self.docker.top_processes(id, Some(options))).await?;
        Ok(listed.processes.unwrap_or_default().iter().filter_map(|row| Process::new(row)).collect())
    }

    /// The containers of a cluster, ended ones too.
    pub async fn list(&self, cluster: &str) -> Result<Vec<ContainerSummary>, Trouble> {
        let filters = HashMap::from([("label", vec![format!("{}={cluster}", labels::CLUSTER)])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        self.call(self.docker.list_containers(Some(options))).await
    }

    /// Gives a container another name.
    pub async fn rename(&self, id: &str, name: &str) -> Result<(), Trouble> {
        let options = RenameContainerOptionsBuilder::new().name(name).build();
        self.call(self.docker.rename_container(id, options)).await
    }

    /// Asks a container to end, by its stop signal, and waits for `grace` at most.
    pub async fn stop(&self, id: &str, grace: Duration) {
        // The engine counts whole seconds; should it be slower than we are, the removal kills.
        let seconds = i32::try_from(grace.as_secs().saturating_add(1)).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::new().t(seconds).build();
        if let Ok(Err(error)) = timeout(grace, self.docker.stop_container(id, Some(options))).await {
            log::debug!("container not stopped id={id} error={error}");
        }
    }

    /// Removes a container, killing it if it runs.
    pub async fn remove(&self, id: &str) -> Result<(), Trouble> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        self.call_within(REMOVAL, self.docker.remove_container(id, Some(options))).await
    }

    /// Sends SIGKILL to a container.
    pub async fn kill(&self, id: &str) -> Result<(), Trouble> {
        let options = KillContainerOptionsBuilder::new().signal("SIGKILL").build();
        self.call(self.docker.kill_container(id, Some(options))).await
    }

    /// Waits until a container does not run.
    pub async fn ended(&self, id: &str) -> Result<(), Trouble> {
        let options = WaitContainerOptionsBuilder::new().condition("not-running").build();
        let mut ended = self.docker.wait_container(id, Some(options));
        self.call(async {
            match ended.next().await {
                // An exit status other than 0 is an error here.
                None | Some(Ok(_) | Err(bollard::errors::Error::DockerContainerWaitError { .. })) => Ok(()),
                Some(Err(error)) => Err(error),
            }
        })
        .await
    }

    /// The last line of a container's output, if the engine has it.
    pub async fn last_line(&self, id: &str) -> Option<String> {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail("1").build();
        let mut lines = self.docker.logs(id, Some(options));
        let line = timeout(LAST_WORDS, lines.next()).await.ok()??.ok()?;
        let line = line.to_string();
        let line = line.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }

    /// A container's output.
    pub fn logs(&self, id: &str, tail: Tail) -> impl Stream<Item = Result<Bytes, Trouble>> + use<> {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true);
        let options = options.tail(&tail.lines.to_string()).follow(tail.follow).build();
        let host = self.host.clone();
        let pieces = self.docker.logs(id, Some(options));
        pieces.map(move |piece| piece.map(|it| it.into_bytes()).map_err(|error| Trouble::new(error, &host)))
    }

    /// What happens to the containers of a cluster since a moment of Unix time.
    pub fn events(
        &self,
        cluster: &str,
        since: Duration,
    ) -> impl Stream<Item = Result<EventMessage, Trouble>> + use<> {
        let of = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect::<Vec<_>>();
        let filters = HashMap::from([
            ("type", of(&["container"])),
            ("event", of(&["destroy", "die", "kill", "start"])),
            ("label", of(&[&format!("{}={cluster}", labels::CLUSTER)])),
        ]);
        let since = format!("{}.{:09}", since.as_secs(), since.subsec_nanos());
        let options = EventsOptionsBuilder::new().since(&since).filters(&filters).build();
        let host = self.host.clone();
        self.docker.events(Some(options)).map(move |event| event.map_err(|error| Trouble::new(error, &host)))
    }
}

/// Whether a container has a process.
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
