//! What can go wrong with a call to the engine, in words for people.

use std::error::Error as _;
use std::io;

use super::super::Error;
use super::engine::PATIENCE;
use super::host::Host;

/// What an engine answers whose network has no free address. The status is 500, so that only the text tells.
const NO_ADDRESS: [&str; 4] =
    ["no available ipv4 addresses", "no available addresses", "address already in use", "find free ip"];

/// What an engine answers while its containerd is away. The status is 500 here too.
const NO_CONTAINERD: [&str; 3] =
    ["error while dialing", "grpc: the client connection is closing", "containerd.sock: connect"];

/// The initial process that an engine with `Init` starts: the file that Docker, or podman, does not find.
const INIT: [&str; 2] = ["docker-init", "catatonit"];

/// What went wrong with a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// 404.
    #[error("{0}")]
    NotFound(String),
    /// 409.
    #[error("{0}")]
    Conflict(String),
    /// No answer in time: the engine may carry out the call later.
    #[error("the Docker engine does not answer within {} s", PATIENCE.as_secs())]
    Silent,
    /// No connection, or one that broke off; or the engine says that it is unavailable.
    #[error("the Docker engine is unreachable: {0}")]
    Away(String),
    /// A container ended before it had an address; the text says how.
    #[error("{0}")]
    Ended(String),
    /// A container that is not ours has the name of the one that was to be made.
    #[error("a container that is not ours has this name")]
    NameTaken,
    /// Any other answer.
    #[error("{0}")]
    Failed(String),
}

impl Trouble {
    /// Translates an error of the client; `host` is the engine that was called.
    pub fn new(error: bollard::errors::Error, host: &Host) -> Self {
        use bollard::errors::Error::{
            DockerResponseServerError, HyperLegacyError, HyperResponseError, IOError, RequestTimeoutError,
            SocketNotFoundError,
        };
        match error {
            DockerResponseServerError { status_code: 404, message } => Self::NotFound(message),
            DockerResponseServerError { status_code: 409, message } => Self::Conflict(message),
            DockerResponseServerError { status_code: 502..=504, message } => Self::Away(message),
            DockerResponseServerError { message, .. } if says(&message, &NO_CONTAINERD) => {
                Self::Away(format!("it has no containerd ({message})"))
            }
            DockerResponseServerError { message, .. } => Self::Failed(message),
            RequestTimeoutError => Self::Silent,
            SocketNotFoundError(_) => Self::Away(host.explain(&io::ErrorKind::NotFound.into())),
            error @ (HyperLegacyError { .. } | HyperResponseError { .. } | IOError { .. }) => {
                Self::Away(host.explain(&io_error(&error)))
            }
            error => Self::Failed(error.to_string()),
        }
    }

    /// Whether the engine is away: it carries out no call at present.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Away(_) | Self::Silent)
    }

    /// The reason why a replica could not be launched in a network.
    pub fn launch_error(self, network: &str) -> Error {
        match self {
            Self::Away(_) | Self::Silent => Error::Unavailable(self.to_string()),
            Self::Failed(why) if says(&why, &NO_ADDRESS) => Error::NoAddress(format!(
                "network '{network}' has no free address: remove containers from it, or give --network one with a \
                 larger subnet ({why})"
            )),
            Self::Failed(why) if says(&why, &INIT) => Error::Refused(format!(
                "the Docker engine does not find its initial process docker-init: install it (package tini or \
                 docker-init; for podman catatonit), or start lb with --replica-init off ({why})"
            )),
            other => Error::Refused(other.to_string()),
        }
    }
}

fn says(message: &str, texts: &[&str]) -> bool {
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
    fn a_launch_that_fails_for_a_reason_of_the_engines_is_told_from_a_bad_one() {
        let failed = |why: &str| Trouble::Failed(why.to_owned()).launch_error("n");
        let full = "no available IPv4 addresses on this network's address pools: n (0123)";
        let Error::NoAddress(why) = failed(full) else { panic!() };
        assert!(why.starts_with("network 'n' has no free address") && why.contains(full), "{why}");
        let Error::Refused(why) = failed("exec: \"docker-init\": executable file not found in $PATH") else {
            panic!()
        };
        assert!(why.contains("--replica-init off"), "{why}");
        assert_eq!(failed("out of order"), Error::Refused("out of order".into()));
        assert!(matches!(Trouble::Silent.launch_error("n"), Error::Unavailable(_)));
        let ended = "exit status: 1; its last line: no available IPv4 addresses";
        assert_eq!(Trouble::Ended(ended.into()).launch_error("n"), Error::Refused(ended.into()));
    }

    #[test]
    fn an_engine_without_containerd_is_away() {
        let host = Host::default();
        let answer = |status_code, message: &str| {
            let message = message.to_owned();
            Trouble::new(bollard::errors::Error::DockerResponseServerError { status_code, message }, &host)
        };
        let dialing = "connection error: desc = \"transport: error while dialing: dial unix /run/x.sock\"";
        assert!(answer(500, dialing).is_away() && answer(503, "x").is_away());
        assert_eq!(answer(500, "out of order"), Trouble::Failed("out of order".into()));
        assert_eq!(answer(409, "x"), Trouble::Conflict("x".into()));
    }
}
