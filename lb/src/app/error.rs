//! Reasons why the balancer does not start, with their exit codes.

use std::io;
use std::net::SocketAddr;

use crate::config::Exit;
use crate::runtime;

/// Why the balancer did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener cannot be bound.
    #[error("{flag} {address}: {error}")]
    Listen {
        /// The flag that configures the listener.
        flag: &'static str,
        /// The configured address.
        address: SocketAddr,
        /// The error of the system call.
        error: io::Error,
    },
    /// The runtime cannot be reached, or existing replicas cannot be listed.
    #[error("{0}")]
    Runtime(#[from] runtime::Error),
    /// The path of the executable, from which replicas are started, is unknown.
    #[error("the path of this executable is unknown: {0}")]
    Executable(io::Error),
    /// The system provides no random bytes for a token.
    #[error("cannot generate an admin token: {0}")]
    Token(io::Error),
    /// The access log cannot be opened.
    #[error("--access-log {0}: {1}")]
    AccessLog(String, io::Error),
    /// The limit of open files is too low for the servers and one client.
    #[error(
        "the limit of open files is {limit}, but lb needs {needed} with {workers} workers: raise it (ulimit -n {needed}) \
         or lower --workers"
    )]
    Files {
        /// The soft limit of open files of this process.
        limit: usize,
        /// The least number of descriptors that the balancer needs.
        needed: usize,
        /// The value of `--workers`.
        workers: usize,
    },
    /// A replica was not ready in time; the log has the reason.
    #[error("not all replicas were ready within --start-timeout")]
    NotReady,
}

impl StartError {
    /// 64 for a bad configuration, 1 for anything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Runtime(runtime::Error::Configured(_)) | Self::AccessLog(..) => Exit::BAD_CONFIGURATION,
            _ => 1,
        }
    }
}
