//! The configuration: flags over environment over TOML file over defaults, parsed whole and checked before anything
//! starts.
//!
//! # Layout
//! - `args`: every setting with its flag, default, help and when a change takes effect
//! - `value`, `container`: parsers of single values
//! - `clap_command`: the settings as flags of a command · `layers`, `file`: the layers, and the origin of each setting
//! - `secret`: the admin token
//! - `resolve`: [`Config`], which it builds of the settings, and from which it builds the settings of each part
//! - `validator`: checks the settings against each other
//! - `source`, `change`: reads the file again; applies the settings that can change live

mod args;
mod change;
mod clap_command;
mod container;
mod exit;
mod file;
mod layers;
mod resolve;
mod secret;
mod source;
#[cfg(test)]
mod tests;
mod validator;
mod value;

use std::fmt;
use std::time::Duration;

use awc::http::uri::PathAndQuery;

pub(crate) use clap_command::{with_admin_listen, with_flags};
pub use exit::Exit;
pub use resolve::Config;
pub(crate) use secret::token;
pub use source::Source;
pub use value::Cluster;

use crate::runtime::{Upstream, docker};
use crate::statuses::Statuses;

/// The runtime, with the settings that only it uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeConfig {
    /// Local child processes.
    Process {
        /// The program and its arguments, `{port}` and `{name}` not yet replaced; `None`: the built-in replica.
        command: Option<Vec<String>>,
    },
    /// Containers of a Docker engine.
    Docker {
        /// The address of the engine.
        host: docker::Host,
        /// Image, network, environment and limits of every container.
        template: docker::Template,
    },
    /// External servers, which lb neither starts nor stops.
    Static {
        /// At least one; names and addresses are unique.
        upstreams: Vec<Upstream>,
    },
}

impl RuntimeConfig {
    /// Whether the replicas are external servers, whose list is the configuration.
    pub fn is_external(&self) -> bool {
        match self {
            Self::Static { .. } => true,
            Self::Process { .. } | Self::Docker { .. } => false,
        }
    }
}

/// Health checks of replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The target of the heartbeat request; `None`: a heartbeat only opens a TCP connection.
    pub path: Option<PathAndQuery>,
    /// The `Host` header of heartbeats; `None`: the address of the replica.
    pub host: Option<String>,
    /// Statuses of a good heartbeat.
    pub statuses: Statuses,
    /// Time from one heartbeat to the next, at least 10 ms.
    pub interval: Duration,
    /// The longest wait for the response to a heartbeat, at most `replace_after`.
    pub timeout: Duration,
    /// Missed heartbeats in a row that make a replica suspect, at least one.
    pub failures: u32,
    /// Time without a good heartbeat after which a replica can be dead, at least `interval`.
    pub replace_after: Duration,
}

impl Heartbeat {
    fn new(health: &args::Health) -> Self {
        Self {
            path: health.heartbeat_path.clone(),
            host: health.heartbeat_host.clone(),
            statuses: health.heartbeat_status.clone(),
            interval: health.heartbeat_interval,
            timeout: health.heartbeat_timeout,
            failures: health.heartbeat_failures,
            replace_after: health.replace_after,
        }
    }
}

/// Access to /rep, /add and /rm on the traffic listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Every client may call them.
    Open,
    /// A call needs the admin token.
    Token,
    /// There is no control API: the paths are forwarded to replicas.
    Off,
}

/// What happens to the replicas at a graceful stop of the balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExit {
    /// They are stopped.
    Stop,
    /// They keep running, and the next balancer adopts them.
    Keep,
}

impl fmt::Display for Config {
    /// A summary in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { replicas, max_replicas, .. } = self;
        match &self.runtime {
            RuntimeConfig::Process { command: None } => {
                write!(f, "{replicas} built-in replicas, at most {max_replicas}")?;
            }
            RuntimeConfig::Process { command: Some(words) } => {
                write!(f, "{replicas} replicas of '{}', at most {max_replicas}", words.join(" "))?;
            }
            RuntimeConfig::Docker { template, .. } => {
                let docker::Template { image, network, .. } = template;
                write!(f, "{replicas} containers of '{image}' in network {network}, at most {max_replicas}")?;
            }
            RuntimeConfig::Static { upstreams } => {
                let addresses: Vec<_> = upstreams.iter().map(Upstream::authority).collect();
                write!(f, "{replicas} static replicas {}", addresses.join(" "))?;
            }
        }
        write!(f, "; listen={} admin-listen=", self.listen)?;
        match self.admin_listen {
            Some(address) => write!(f, "{address}")?,
            None => f.write_str("off")?,
        }
        write!(f, " cluster={}; layout {}; key={}", self.cluster, self.layout, self.key)
    }
}
