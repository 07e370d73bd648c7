//! Errors of calls to the engine, with texts for users.

use std::error::Error as _;
use std::io;

use super::super::Error;
use super::engine::CALL_TIMEOUT;
use super::host::Host;

/// Answers of an engine whose network has no free address. Their status is 500, so only the text identifies them.
const NO_ADDRESS: [&str; 4] =
    ["no available ipv4 addresses", "no available addresses", "address already in use", "find free ip"];

/// Answers of an engine while its containerd is down. Their status is 500, too.
const NO_CONTAINERD: [&str; 3] =
    ["error while dialing", "grpc: the client connection is closing", "containerd.sock: connect"];

/// Names of the initial process that an engine starts with `Init`, as they occur in the error of Docker or podman.
const INIT: [&str; 2] = ["docker-init", "catatonit"];

/// Error of a call to the engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EngineError {
    /// Status 404: the object does not exist.
    #[error("{0}")]
    NotFound(String),
    /// Status 409: the state of the object, or its name, prevents the call.
    #[error("{0}")]
    Conflict(String),
    /// No answer within the time limit: the engine may still carry out the call later.
    #[error("the Docker engine does not answer within {} s", CALL_TIMEOUT.as_secs())]
    TimedOut,
    /// The connection failed or broke, or the engine reports that it is unavailable.
    #[error("the Docker engine is unreachable: {0}")]
    Unreachable(String),
    /// A container ended before it had an address; the text states how.
    #[error("{0}")]
    Ended(String),
    /// An unmanaged container has the name of the one to create.
    #[error("a container that is not ours has this name")]
    NameTaken,
    /// Any other error that the engine reports.
    #[error("{0}")]
    Failed(String),
}

impl EngineError {
    /// Converts an error of the client; `host` is the engine that was called.
    pub fn new(error: bollard::errors::Error, host: &Host) -> Self {
        use bollard::errors::Error::{
            DockerResponseServerError, HyperLegacyError, HyperResponseError, IOError, RequestTimeoutError,
            SocketNotFoundError,
        };
        match error {
            DockerResponseServerError { status_code: 404, message } => Self::NotFound(message),
            DockerResponseServerError { status_code: 409, message } => Self::Conflict(message),
            DockerResponseServerError { status_code: 502..=504, message } => Self::Unreachable(message),
            DockerResponseServerError { message, .. } if contains_any(&message, &NO_CONTAINERD) => {
                Self::Unreachable(format!("it has no containerd ({message})"))
            }
            DockerResponseServerError { message, .. } => Self::Failed(message),
            RequestTimeoutError => Self::TimedOut,
            SocketNotFoundError(_) => Self::Unreachable(host.explain(&io::ErrorKind::NotFound.into())),
            error @ (HyperLegacyError { .. } | HyperResponseError { .. } | IOError { .. }) => {
                Self::Unreachable(host.explain(&io_error(&error)))
            }
            error => Self::Failed(error.to_string()),
        }
    }

    /// Whether the engine is down or unreachable, so that it carries out no call at present.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::TimedOut)
    }

    /// The error of a launch into `network`.
    pub fn launch_error(self, network: &str) -> Error {
        match self {
            Self::Unreachable(_) | Self::TimedOut => Error::Unavailable(self.to_string()),
            Self::Failed(why) if contains_any(&why, &NO_ADDRESS) => Error::NoAddress(format!(
                "network '{network}' has no free address: remove containers from it, or give --network one with a \
                 larger subnet ({why})"
            )),
            Self::Failed(why) if contains_any(&why, &INIT) => Error::Refused(format!(
                "the Docker engine does not find its initial process docker-init: install it (package tini or \
                 docker-init; for podman catatonit), or start lb with --replica-init off ({why})"
            )),
            other => Error::Refused(other.to_string()),
        }
    }
}

fn contains_any(message: &str, texts: &[&str]) -> bool {
    let message = message.to_ascii_lowercase();
    texts.iter().any(|text| message.contains(text))
}

/// The operating system's error at the end of a chain of errors; a broken connection has none.
fn io_error(error: &bollard::errors::Error) -> io::Error {
    if let bollard::errors::Error::IOError { err } = error {
        return err.kind().into();
    }
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
        }
        source = cause.source();
    }
    io::ErrorKind::ConnectionAborted.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launch_errors_of_the_engine_differ_from_those_of_the_replica() {
        let failed = |why: &str| EngineError::Failed(why.to_owned()).launch_error("n");
        let full = "no available IPv4 addresses on this network's address pools: n (0123)";
        let Error::NoAddress(why) = failed(full) else { panic!() };
        assert!(why.starts_with("network 'n' has no free address") && why.contains(full), "{why}");
        let Error::Refused(why) = failed("exec: \"docker-init\": executable file not found in $PATH") else {
            panic!()
        };
        assert!(why.contains("--replica-init off"), "{why}");
        assert_eq!(failed("out of order"), Error::Refused("out of order".into()));
        assert!(matches!(EngineError::TimedOut.launch_error("n"), Error::Unavailable(_)));
        let ended = "exit status: 1; its last line: no available IPv4 addresses";
        assert_eq!(EngineError::Ended(ended.into()).launch_error("n"), Error::Refused(ended.into()));
    }

    #[test]
    fn an_engine_without_containerd_is_unreachable() {
        let host = Host::default();
        let answer = |status_code, message: &str| {
            let message = message.to_owned();
            EngineError::new(
                bollard::errors::Error::DockerResponseServerError { status_code, message },
                &host,
            )
        };
        let dialing = "connection error: desc = \"transport: error while dialing: dial unix /run/x.sock\"";
        assert!(answer(500, dialing).is_unreachable() && answer(503, "x").is_unreachable());
        assert_eq!(answer(500, "out of order"), EngineError::Failed("out of order".into()));
        assert_eq!(answer(409, "x"), EngineError::Conflict("x".into()));
    }
}
