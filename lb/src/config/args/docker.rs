//! Flags of the Docker runtime.

use std::str::FromStr;

use clap::ArgAction::Set;

use super::super::change::{Setting, setting};
use super::super::container::{Variables, capability, image, memory, network, variables};
use super::super::value::{count, one_of, switch};
use super::super::{Config, OnExit, RuntimeConfig};
use crate::runtime::docker;

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Replicas in containers (--runtime docker)")]
pub(in crate::config) struct Docker {
    /// Image of the containers
    #[arg(long, value_name = "IMAGE", default_value = "lb-replica", value_parser = image)]
    pub image: String,

    /// Bridge network of the containers; created if it does not exist
    #[arg(long, value_name = "NETWORK", default_value = "net1", value_parser = network)]
    pub network: String,

    /// Address of the Docker engine: unix://PATH or tcp://HOST:PORT (plain HTTP); DOCKER_HOST is used if this is not given,
    /// DOCKER_CONTEXT is ignored
    #[arg(
        long,
        value_name = "unix://PATH|tcp://HOST:PORT",
        default_value = "unix:///var/run/docker.sock",
        value_parser = docker::Host::from_str,
    )]
    pub docker_host: docker::Host,

    /// Port on which the program in the image listens, also the value of $PORT
    #[arg(long, value_name = "PORT", default_value = "5000", value_parser = count::<u16, 1, 65535>)]
    pub replica_port: u16,

    /// Environment variable of the replicas, beside PORT and SERVER_ID; repeat the flag, or separate several by commas
    /// (a part that is not K=V belongs to the value before it)
    #[arg(long, value_name = "K=V", value_parser = variables)]
    pub replica_env: Vec<Variables>,

    /// Memory limit of a replica
    #[arg(long, value_name = "SIZE", default_value = "512MiB", value_parser = memory)]
    pub replica_memory: u64,

    /// Limit of processes and threads of a replica
    #[arg(long, value_name = "N", default_value = "256", value_parser = count::<u32, 1, 4_194_304>)]
    pub replica_pids: u32,

    /// Let replicas write to their root file system
    #[arg(
        long,
        action = Set,
        value_name = "on|off",
        num_args = 0..=1,
        default_value = "off",
        default_missing_value = "on",
        value_parser = switch,
    )]
    pub replica_writable: bool,

    /// Run docker-init as process 1 of each replica; if off, the program is process 1 and must handle SIGTERM
    #[arg(
        long,
        action = Set,
        value_name = "on|off",
        num_args = 0..=1,
        default_value = "on",
        default_missing_value = "on",
        value_parser = switch,
    )]
    pub replica_init: bool,

    /// Linux capability that replicas keep, such as NET_BIND_SERVICE, while all others are dropped; repeat the flag, or
    /// separate several by commas
    #[arg(long, value_name = "CAP", value_delimiter = ',', value_parser = capability)]
    pub replica_cap_add: Vec<String>,

    /// End of the replicas when the balancer stops: stop (they are stopped too) or keep (the next balancer adopts them)
    #[arg(long, value_name = "stop|keep", default_value = "stop", value_parser = on_exit)]
    pub on_exit: OnExit,
}

/// When a change of each of these settings takes effect.
pub(in crate::config) const SETTINGS: &[Setting] = &[
    setting!("image", |c: &Config| docker(c).map(|(_, template)| template.image.clone())),
    setting!("network", |c: &Config| docker(c).map(|(_, template)| template.network.clone())),
    setting!("docker-host", |c: &Config| docker(c).map(|(host, _)| host.clone())),
    setting!("replica-port", |c: &Config| docker(c).map(|(_, template)| template.port)),
    setting!("replica-env", |c: &Config| docker(c).map(|(_, template)| template.env.clone())),
    setting!("replica-memory", |c: &Config| docker(c).map(|(_, template)| template.memory)),
    setting!("replica-pids", |c: &Config| docker(c).map(|(_, template)| template.pids)),
    setting!("replica-writable", |c: &Config| docker(c).map(|(_, template)| template.writable)),
    setting!("replica-init", |c: &Config| docker(c).map(|(_, template)| template.init)),
    setting!("replica-cap-add", |c: &Config| docker(c).map(|(_, template)| template.capabilities.clone())),
    setting!(Live, "on-exit", on_exit),
];

impl Docker {
    /// The runtime that these settings configure.
    pub fn config(&self) -> RuntimeConfig {
        let template = docker::Template {
            image: self.image.clone(),
            network: self.network.clone(),
            port: self.replica_port,
            env: self
                .replica_env
                .iter()
                .flatten()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            memory: self.replica_memory,
            pids: self.replica_pids,
            writable: self.replica_writable,
            init: self.replica_init,
            capabilities: self.replica_cap_add.iter().cloned().collect(),
        };
        RuntimeConfig::Docker { host: self.docker_host.clone(), template }
    }
}

fn on_exit(text: &str) -> Result<OnExit, String> {
    one_of(text, &[("stop", OnExit::Stop), ("keep", OnExit::Keep)])
}

fn docker(config: &Config) -> Option<(&docker::Host, &docker::Template)> {
    match &config.runtime {
        RuntimeConfig::Docker { host, template } => Some((host, template)),
        RuntimeConfig::Process { .. } | RuntimeConfig::Static { .. } => None,
    }
}
