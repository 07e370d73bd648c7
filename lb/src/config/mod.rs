//! The configuration: flags over environment over TOML file over defaults, parsed whole and checked before anything
//! starts.
//!
//! # Layout
//! - `args`: every setting with its flag, default and help · `value`, `container`: what one value may be
//! - `cli`: subcommands and help; [`parse`] makes a [`Command`], or an [`Exit`]
//! - `settings`, `file`: the layers, and who said what
//! - `secret`: the admin token
//! - `resolve`: the settings against each other; makes a [`Config`]
//! - `source`, `change`: the file read again, and what of it can change live

mod args;
mod change;
mod cli;
mod container;
mod exit;
mod file;
mod resolve;
mod secret;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

pub use change::Difference;
pub use cli::{Command, completions, parse};
pub use exit::Exit;
pub use source::{NotReloaded, Source};
pub use value::Cluster;
pub(crate) use value::count;

use awc::http::uri::PathAndQuery;
use ipnet::IpNet;

use crate::auth::token::Token;
use crate::balance::Policy;
use crate::observe::access_log;
use crate::observe::redaction::LogKey;
use crate::proxy::guard::UpgradeAllow;
use crate::proxy::key::KeySources;
use crate::ring::{Layout, SeatId, Weight};
use crate::runtime::{Upstream, docker};
use crate::statuses::Statuses;
use settings::Settings;

/// All that a balancer has to know, validated. [`Config::default`] is what no flag at all gives; the meaning and the
/// default of each field stand in `lb --help`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where operators look, if anywhere.
    pub admin_listen: Option<SocketAddr>,
    /// Names in `Host` for which the admin listener answers, beside `localhost` and IP addresses.
    pub admin_hosts: Vec<String>,
    /// What operators show; `None`: one is made at the start where one is needed.
    pub admin_token: Option<Token>,
    /// Who runs the replicas.
    pub runtime: RuntimeConfig,
    /// N at the start, at most `max_replicas`; the number of upstreams if they are static.
    pub replicas: usize,
    /// The limit of N, at most what the layout seats; the number of upstreams if they are static.
    pub max_replicas: usize,
    /// The weights of seats; 100 where none is said.
    pub weights: BTreeMap<SeatId, Weight>,
    /// The label that separates balancers on one engine.
    pub cluster: Cluster,
    /// How keys are placed on seats.
    pub layout: Layout,
    /// Where a request's key comes from.
    pub key: KeySources,
    /// Which replica is a request's first choice.
    pub policy: Policy,
    /// What a replica may have in flight, in thousandths of its share; `None`: any part of it.
    pub bounded_load: Option<u32>,
    /// Requests in flight to one replica that are never too many, over all workers.
    pub bounded_load_floor: usize,
    /// How replicas are watched.
    pub heartbeat: Heartbeat,
    /// Statuses of replies of which five in a row eject a replica; may be empty.
    pub eject_on: Statuses,
    /// The longest wait for a connection to a replica.
    pub connect_timeout: Duration,
    /// The longest wait for the head of a replica's reply; `None`: for any time.
    pub head_timeout: Option<Duration>,
    /// The longest silence in the middle of a body.
    pub idle_timeout: Duration,
    /// From the request to the last byte of its reply.
    pub request_timeout: Option<Duration>,
    /// Further attempts of a request that failed, at most 20.
    pub retries: u32,
    /// Further attempts of all requests, in percent of these.
    pub retry_budget: u32,
    /// How long a replica may take from its launch until it is ready.
    pub start_timeout: Duration,
    /// The longest wait for what is in flight; zero: none.
    pub drain: Duration,
    /// From SIGTERM to SIGKILL; zero: SIGKILL at once.
    pub stop_timeout: Duration,
    /// What happens to the replicas when the balancer ends.
    pub on_exit: OnExit,
    /// Who may call /rep, /add and /rm.
    pub control: Control,
    /// Whether /rm of more than there are is an error.
    pub strict_rm: bool,
    /// Networks of proxies whose forwarding fields are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether a replica's 404 becomes the contract's 400.
    pub map_404: bool,
    /// The largest body of /add and /rm, in bytes.
    pub max_control_body: usize,
    /// Connections of clients at one time.
    pub max_connections: usize,
    /// Requests in flight in each worker.
    pub max_in_flight: usize,
    /// The largest header of a request, all its fields together, in bytes.
    pub max_header_size: usize,
    /// The longest target of a request, in bytes.
    pub max_target: usize,
    /// The largest body of a request, in bytes; `None`: any.
    pub max_body: Option<u64>,
    /// The longest wait for the whole head of a request.
    pub client_head_timeout: Duration,
    /// How long a client may do nothing that it is waited for.
    pub client_idle_timeout: Duration,
    /// Protocols that a client may offer to a replica.
    pub upgrade_allow: UpgradeAllow,
    /// A line for every request of clients, if any.
    pub access_log: Option<access_log::Settings>,
    /// How keys are shown.
    pub log_key: LogKey,
    /// Whether replies tell the way of their requests.
    pub debug_headers: bool,
    /// Threads that serve clients, at least one.
    pub workers: usize,
}

/// Who runs the replicas, and what only this one needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeConfig {
    /// Local child processes.
    Process {
        /// The program and its arguments, `{port}` and `{name}` not yet replaced; `None`: the built-in replica.
        command: Option<Vec<String>>,
    },
    /// Containers of a Docker engine.
    Docker {
        /// Where the engine is reached.
        host: docker::Host,
        /// What every replica is made of.
        template: docker::Template,
    },
    /// Servers that somebody else runs.
    Static {
        /// At least one; neither a name nor an address is there twice.
        upstreams: Vec<Upstream>,
    },
}

/// How replicas are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// What is asked for; `None`: a TCP connection will do.
    pub path: Option<PathAndQuery>,
    /// The `Host` field of heartbeats; `None`: the address of the replica.
    pub host: Option<String>,
    /// Statuses of good answers.
    pub statuses: Statuses,
    /// Time from one heartbeat to the next, at least 10 ms.
    pub interval: Duration,
    /// The longest wait for an answer, at most `replace_after`.
    pub timeout: Duration,
    /// Missed heartbeats in a row that make a replica suspect, at least one.
    pub failures: u32,
    /// Time without a good heartbeat after which a replica can be dead, at least `interval`.
    pub replace_after: Duration,
}

/// Who may call /rep, /add and /rm on the traffic listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Whoever reaches the listener.
    Open,
    /// Who shows the admin token.
    Token,
    /// Nobody: the paths are the replicas' own.
    Off,
}

/// What happens to the replicas at a graceful stop of the balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExit {
    /// They are stopped.
    Stop,
    /// They go on, and the next balancer adopts them.
    Keep,
}

impl Default for Config {
    fn default() -> Self {
        Self::resolve(&Settings::default()).expect("the defaults are constants and agree with each other")
    }
}

impl fmt::Display for Config {
    /// One line for people: what would be run.
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
