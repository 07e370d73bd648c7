//! The configuration: flags over environment over TOML file over defaults, parsed whole and checked before anything
//! starts.
//!
//! # Layout
//! - `args`: every setting with its flag, default, help and when a change takes effect
//! - `value`, `container`: parsers of single values
//! - `flags`: the settings as flags of a command · `settings`, `file`: the layers, and the origin of each setting
//! - `secret`: the admin token
//! - `resolve`: builds a [`Config`] · `validator`: checks the settings against each other
//! - `source`, `change`: reads the file again; applies the settings that can change live

mod args;
mod change;
mod container;
mod exit;
mod file;
mod flags;
mod resolve;
mod secret;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod validator;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

pub use exit::Exit;
pub(crate) use flags::{with_admin_listen, with_flags};
pub(crate) use secret::token;
pub use source::Source;
pub use value::Cluster;

use awc::http::uri::PathAndQuery;
use ipnet::IpNet;

use crate::auth::token::Token;
use crate::balance::Policy;
use crate::observe::access_log;
use crate::proxy::guard::UpgradeAllow;
use crate::proxy::key::KeySources;
use crate::proxy::redaction::LogKey;
use crate::ring::{Layout, SeatId, Weight};
use crate::runtime::{Upstream, docker};
use crate::statuses::Statuses;
use settings::Settings;

/// The validated configuration of a balancer. [`Config::default`] is the configuration without any flag; `lb --help`
/// documents each setting with its default.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Address of the traffic listener.
    pub listen: SocketAddr,
    /// Address of the admin listener; `None`: off.
    pub admin_listen: Option<SocketAddr>,
    /// Host names that the admin listener accepts in `Host`, beside `localhost` and IP addresses.
    pub admin_hosts: Vec<String>,
    /// The admin token; `None`: one is generated at the start where one is required.
    pub admin_token: Option<Token>,
    /// How replicas are run, with the settings of that runtime.
    pub runtime: RuntimeConfig,
    /// Replicas at the start, at most `max_replicas`; with static upstreams their number.
    pub replicas: usize,
    /// The most replicas, at most the number of seats of the layout; with static upstreams their number.
    pub max_replicas: usize,
    /// Weights of seats; a seat that is absent has weight 100.
    pub weights: BTreeMap<SeatId, Weight>,
    /// The label that separates balancers on one engine.
    pub cluster: Cluster,
    /// Places keys on seats.
    pub layout: Layout,
    /// The ordered sources of a request's key.
    pub key: KeySources,
    /// Selects the first choice of a request.
    pub policy: Policy,
    /// The most requests in flight to a replica, in thousandths of its share, at least 1000; `None`: no limit.
    pub bounded_load: Option<u32>,
    /// Requests in flight to a replica, over all workers, that the bounded load always allows.
    pub bounded_load_floor: usize,
    /// Health checks of replicas.
    pub heartbeat: Heartbeat,
    /// Statuses of which five replies in a row eject a replica; may be empty.
    pub eject_on: Statuses,
    /// The longest wait for a connection to a replica.
    pub connect_timeout: Duration,
    /// The longest wait for the head of a replica's reply; `None`: no limit.
    pub head_timeout: Option<Duration>,
    /// The longest time without a byte while a body is transferred.
    pub idle_timeout: Duration,
    /// The longest time from a request to the last byte of its reply; `None`: no limit.
    pub request_timeout: Option<Duration>,
    /// The most retries of a failed request, 0 to 20.
    pub retries: u32,
    /// The most retries of all requests in the last seconds, in percent of these requests, 0 to 100.
    pub retry_budget: u32,
    /// The longest time from the launch of a replica until it is ready.
    pub start_timeout: Duration,
    /// The longest wait for requests in flight before a replica or the balancer stops; zero: no wait.
    pub drain: Duration,
    /// Time from SIGTERM to SIGKILL; zero: SIGKILL at once.
    pub stop_timeout: Duration,
    /// What happens to the replicas when the balancer ends.
    pub on_exit: OnExit,
    /// Access to /rep, /add and /rm.
    pub control: Control,
    /// Whether /rm of more replicas than there are is an error, instead of removing all.
    pub strict_rm: bool,
    /// Networks of proxies whose forwarding headers are trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether a replica's 404 becomes the contract's 400.
    pub map_404: bool,
    /// The largest body of /add and /rm, in bytes.
    pub max_control_body: usize,
    /// The most client connections at one time.
    pub max_connections: usize,
    /// The most requests in flight in each worker.
    pub max_in_flight: usize,
    /// The largest header of a request, all its fields together, in bytes.
    pub max_header_size: usize,
    /// The longest target of a request, in bytes.
    pub max_target: usize,
    /// The largest body of a request, in bytes; `None`: no limit.
    pub max_body: Option<u64>,
    /// The longest wait for the whole head of a request.
    pub client_head_timeout: Duration,
    /// The longest time without a byte in either direction before a client connection is closed.
    pub client_idle_timeout: Duration,
    /// Protocols to which a client may upgrade its connection.
    pub upgrade_allow: UpgradeAllow,
    /// Format and destination of the access log; `None`: off.
    pub access_log: Option<access_log::Settings>,
    /// The form of request keys in the access log and in the hot keys.
    pub log_key: LogKey,
    /// Whether replies get headers about their routing.
    pub debug_headers: bool,
    /// Threads that serve clients, at least one.
    pub workers: usize,
}

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

impl Default for Config {
    fn default() -> Self {
        Self::resolve(&Settings::default()).expect("the defaults are constants and agree with each other")
    }
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
