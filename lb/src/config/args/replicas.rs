//! Flags of the runtime and of the replicas.

use std::time::Duration;

use super::super::change::{Class, Setting, setting};
use super::super::value::{Weights, cluster, command, count, duration, one_of, weights};
use super::super::{Cluster, Config, RuntimeConfig};
use crate::ring::Layout;
use crate::runtime::Upstream;

/// A command line, split into words.
type Words = Vec<String>;

/// The kinds of runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum RuntimeKind {
    Process,
    Docker,
    Static,
}

// The doc comments of the fields are the help texts.

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Replicas")]
pub(in crate::config) struct Replicas {
    /// Runtime of the replicas: process (local child processes), docker (containers) or static (external servers, see
    /// --upstream)
    #[arg(long, value_name = "RUNTIME", default_value = "process", value_parser = RuntimeKind::parse)]
    pub runtime: RuntimeKind,

    /// Number of replicas at the start
    #[arg(
        long,
        value_name = "N",
        default_value = "3",
        value_parser = count::<usize, 0, { Layout::MAX_SLOTS }>,
    )]
    pub replicas: usize,

    /// Largest number of replicas [default: the number of seats of the layout, at most 64]
    #[arg(long, value_name = "N", value_parser = count::<usize, 1, { Layout::MAX_SLOTS }>)]
    pub max_replicas: Option<usize>,

    /// process: the command of a replica, which must listen on $PORT; $SERVER_ID is its name; {port} and {name} in the
    /// command are replaced [default: the built-in replica]
    #[arg(long, value_name = "COMMAND", value_parser = command)]
    pub replica_command: Option<Words>,

    /// static: an external server, [NAME=]HOST:PORT[*WEIGHT], with a weight from 1 to 1000 (100 if not given); repeat
    /// the flag, or separate several by commas
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    pub upstream: Vec<Upstream>,

    /// Weights of seats, from 1 to 1000: a seat of 200 gets twice the keys of one of 100 [default: 100 each]
    #[arg(long, value_name = "SEAT=WEIGHT,…", value_parser = weights)]
    pub weights: Option<Weights>,

    /// Label that separates the replicas of several balancers on one Docker engine
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = cluster)]
    pub cluster: Cluster,

    /// Longest time from the launch of a replica until it is ready
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration::<1>)]
    pub start_timeout: Duration,

    /// Longest wait for requests in flight before a replica or the balancer stops
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration::<0>)]
    pub drain: Duration,

    /// Time from SIGTERM to SIGKILL when a replica is stopped
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::<0>)]
    pub stop_timeout: Duration,
}

/// When a change of each of these settings takes effect.
pub(in crate::config) const SETTINGS: &[Setting] = &[
    setting!("runtime", |c: &Config| std::mem::discriminant(&c.runtime)),
    setting!(Fleet, "replicas", replicas),
    setting!(Fleet, "max-replicas", max_replicas),
    setting!("replica-command", |c: &Config| match &c.runtime {
        RuntimeConfig::Process { command } => command.clone(),
        RuntimeConfig::Docker { .. } | RuntimeConfig::Static { .. } => None,
    }),
    Setting {
        name: "upstream",
        differs: |a, b| upstreams(a) != upstreams(b),
        class: Class::Fleet(|a, b| a.runtime.clone_from(&b.runtime)),
    },
    setting!(Fleet, "weights", weights),
    setting!("cluster", |c: &Config| c.cluster.to_string()),
    setting!(Live, "start-timeout", start_timeout),
    setting!(Live, "drain", drain),
    setting!(Live, "stop-timeout", stop_timeout),
];

fn upstreams(config: &Config) -> &[Upstream] {
    match &config.runtime {
        RuntimeConfig::Static { upstreams } => upstreams,
        RuntimeConfig::Process { .. } | RuntimeConfig::Docker { .. } => &[],
    }
}

impl RuntimeKind {
    /// Parses the value of `--runtime`.
    pub fn parse(text: &str) -> Result<Self, String> {
        one_of(text, &[("process", Self::Process), ("docker", Self::Docker), ("static", Self::Static)])
    }
}
