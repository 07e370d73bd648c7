//! The engine behind its socket: the calls that we need, each bounded in time, and what can go wrong with them.

use std::collections::HashMap;
use std::error::Error as _;
use std::future::Future;
use std::io;
use std::path::Path;
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerSummary, ContainerSummaryStateEnum, EventMessage,
    NetworkCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, EventsOptionsBuilder, InspectContainerOptions,
    ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    RenameContainerOptionsBuilder, StartContainerOptions, StopContainerOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use bytes::Bytes;
use futures::stream::{Stream, StreamExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::super::{Error, Tail};
use super::labels;

/// How long the engine may take for one call.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a container's last words are waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// bollard's own limit is off: it knows whole seconds only, and ends at the head.
const UNLIMITED: u64 = 10 * 24 * 60 * 60;

/// A connection to an engine of the local machine.
#[derive(Clone)]
pub(super) struct Engine(Docker);

/// What went wrong with a call.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// 404.
    #[error("{0}")]
    NotFound(String),
    /// 409.
    #[error("{0}")]
    Conflict(String),
    /// No answer in time: the engine may do it later.
    #[error("the Docker engine does not answer within {} s", PATIENCE.as_secs())]
    Silent,
    /// Any other answer, or none.
    #[error("{0}")]
    Failed(String),
}

impl Engine {
    /// Connects and agrees on the version of the API.
    pub async fn connect(socket: &Path) -> Result<Self, Error> {
        let shown = format!("--docker-host unix://{}", socket.display());
        match timeout(PATIENCE, UnixStream::connect(socket)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(Error::Refused(format!("{shown}: {error}; {}", advice(&error)))),
            Err(_) => return Err(Error::Refused(format!("{shown}: {}", Trouble::Silent))),
        }
        let unanswered =
            |trouble: Trouble| Error::Refused(format!("{shown}: {trouble}; is it a Docker engine?"));
        let docker = Docker::connect_with_unix(&socket.to_string_lossy(), UNLIMITED, API_DEFAULT_VERSION)
            .map_err(|error| unanswered(error.into()))?;
        Ok(Self(bounded(docker.negotiate_version()).await.map_err(unanswered)?))
    }

    /// The id of an image.
    pub async fn image(&self, name: &str) -> Result<String, Error> {
        let shown = format!("--image {name}");
        match bounded(self.0.inspect_image(name)).await {
            Ok(image) => {
                image.id.ok_or_else(|| Error::Refused(format!("{shown}: the engine gives it no id")))
            }
            Err(Trouble::NotFound(_)) => Err(Error::Refused(format!(
                "{shown}: the Docker engine has no such image; build it, or: docker pull {name}"
            ))),
            Err(trouble) => Err(Error::Refused(format!("{shown}: {trouble}"))),
        }
    }

    /// Makes a bridge network, if there is none of this name.
    pub async fn network(&self, name: &str, cluster: &str) -> Result<(), Error> {
        let shown = format!("--network {name}");
        let wrong = |trouble: Trouble| Error::Refused(format!("{shown}: {trouble}"));
        match bounded(self.0.inspect_network(name, None)).await {
            Ok(network) if network.driver.as_deref() == Some("bridge") => Ok(()),
            Ok(network) => {
                let driver = network.driver.unwrap_or_default();
                Err(Error::Configured(format!(
                    "{shown}: its driver is '{driver}'; it must be a bridge network"
                )))
            }
            Err(Trouble::NotFound(_)) => {
                let request = NetworkCreateRequest {
                    name: name.to_owned(),
                    driver: Some("bridge".to_owned()),
                    labels: Some(HashMap::from([(labels::CLUSTER.to_owned(), cluster.to_owned())])),
                    ..Default::default()
                };
                match bounded(self.0.create_network(request)).await {
                    Ok(_) => log::info!("network made name={name}"),
                    // Another balancer was faster.
                    Err(Trouble::Conflict(_)) => {}
                    Err(trouble) => return Err(wrong(trouble)),
                }
                Ok(())
            }
            Err(trouble) => Err(wrong(trouble)),
        }
    }

    /// Makes a container; returns its id.
    pub async fn create(&self, name: &str, body: ContainerCreateBody) -> Result<String, Trouble> {
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        Ok(bounded(self.0.create_container(Some(options), body)).await?.id)
    }

    /// Starts a container.
    pub async fn start(&self, id: &str) -> Result<(), Trouble> {
        bounded(self.0.start_container(id, None::<StartContainerOptions>)).await
    }

    /// All about a container.
    pub async fn inspect(&self, id: &str) -> Result<ContainerInspectResponse, Trouble> {
        bounded(self.0.inspect_container(id, None::<InspectContainerOptions>)).await
    }

    /// The containers of a cluster, ended ones too.
    pub async fn list(&self, cluster: &str) -> Result<Vec<ContainerSummary>, Trouble> {
        let filters = HashMap::from([("label", vec![format!("{}={cluster}", labels::CLUSTER)])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        bounded(self.0.list_containers(Some(options))).await
    }

    /// Gives a container another name.
    pub async fn rename(&self, id: &str, name: &str) -> Result<(), Trouble> {
        let options = RenameContainerOptionsBuilder::new().name(name).build();
        bounded(self.0.rename_container(id, options)).await
    }

    /// Asks a container to end, by its stop signal, and waits for `grace` at most.
    pub async fn stop(&self, id: &str, grace: Duration) {
        // The engine counts whole seconds; should it be slower than we are, the removal kills.
        let seconds = i32::try_from(grace.as_secs().saturating_add(1)).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::new().t(seconds).build();
        if let Ok(Err(error)) = timeout(grace, self.0.stop_container(id, Some(options))).await {
            log::debug!("container not stopped id={id} error={error}");
        }
    }

    /// Removes a container, killing it if it runs. Whether it is gone, or about to be.
    pub async fn discard(&self, id: &str) -> bool {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match bounded(self.0.remove_container(id, Some(options))).await {
            Ok(()) | Err(Trouble::NotFound(_) | Trouble::Conflict(_)) => true,
            Err(trouble) => {
                log::warn!("container not removed id={id} why={trouble}");
                false
            }
        }
    }

    /// The last line of a container's output, if the engine has it.
    pub async fn last_line(&self, id: &str) -> Option<String> {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail("1").build();
        let mut lines = self.0.logs(id, Some(options));
        let line = timeout(LAST_WORDS, lines.next()).await.ok()??.ok()?;
        let line = line.to_string();
        let line = line.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }

    /// A container's output.
    pub fn logs(&self, id: &str, tail: Tail) -> impl Stream<Item = Result<Bytes, Trouble>> + use<> {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true);
        let options = options.tail(&tail.lines.to_string()).follow(tail.follow).build();
        self.0.logs(id, Some(options)).map(|output| Ok(output?.into_bytes()))
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
        self.0.events(Some(options)).map(|event| event.map_err(Trouble::from))
    }
}

impl From<bollard::errors::Error> for Trouble {
    fn from(error: bollard::errors::Error) -> Self {
        use bollard::errors::Error::{DockerResponseServerError, RequestTimeoutError};
        match error {
            DockerResponseServerError { status_code: 404, message } => Self::NotFound(message),
            DockerResponseServerError { status_code: 409, message } => Self::Conflict(message),
            DockerResponseServerError { message, .. } => Self::Failed(message),
            RequestTimeoutError => Self::Silent,
            error => {
                let mut why = error.to_string();
                let mut source = error.source();
                while let Some(error) = source {
                    why = format!("{why}: {error}");
                    source = error.source();
                }
                Self::Failed(why)
            }
        }
    }
}

/// Whether a container has a process.
pub(super) fn runs(summary: &ContainerSummary) -> bool {
    use ContainerSummaryStateEnum::{PAUSED, RESTARTING, RUNNING};
    matches!(summary.state, Some(RUNNING | PAUSED | RESTARTING))
}

async fn bounded<T>(call: impl Future<Output = Result<T, bollard::errors::Error>>) -> Result<T, Trouble> {
    Ok(timeout(PATIENCE, call).await.map_err(|_| Trouble::Silent)??)
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "run as root, or as a member of the socket's group (docker)",
        _ => "is the Docker engine running? In a container: is its socket mounted?",
    }
}
