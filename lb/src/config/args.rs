//! Every setting: its flag, its default and what it means. `LB_…` variables and TOML keys follow from the flag.

mod balancing;
mod docker;
mod logging;
mod placement;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use awc::http::uri::PathAndQuery;
use clap::ArgAction::Set;
use ipnet::IpNet;

use super::value::{
    OrOff, address, address_or_off, body_or_off, cidr, cluster, command, count, duration, duration_or_off,
    host, host_field,
};
use super::value::{Weights, eject_on, good_statuses, one_of, path_or_off, percent, size, switch, weights};
use super::{Cluster, Control};
pub(super) use balancing::Balancing;
pub(super) use docker::Docker;
pub(super) use logging::Logging;
pub(super) use placement::{Placement, Preset, Scheme};

use crate::proxy::guard::UpgradeAllow;
use crate::ring::Layout;
use crate::runtime::Upstream;
use crate::statuses::Statuses;

/// All settings as the user gave them: each good by itself, not yet checked against the others.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub listeners: Listeners,
    #[command(flatten)]
    pub replicas: Replicas,
    #[command(flatten)]
    pub docker: Docker,
    #[command(flatten)]
    pub placement: Placement,
    #[command(flatten)]
    pub balancing: Balancing,
    #[command(flatten)]
    pub health: Health,
    #[command(flatten)]
    pub forwarding: Forwarding,
    #[command(flatten)]
    pub clients: Clients,
    #[command(flatten)]
    pub control: ControlCalls,
    #[command(flatten)]
    pub logging: Logging,
}

// From here on the doc comments are the help texts.

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Listeners")]
pub(super) struct Listeners {
    /// Where clients connect
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5000", value_parser = address)]
    pub listen: SocketAddr,

    /// Where operators look (/livez, /readyz, /api/…), or off
    #[arg(long, value_name = "ADDR|off", default_value = "127.0.0.1:5001", value_parser = address_or_off)]
    pub admin_listen: OrOff<SocketAddr>,

    /// A file with the token that operators show (Authorization: Bearer TOKEN). It is needed for /rep, /add and /rm by
    /// --control token, and on the admin listener unless that has a loopback address and no token is given. LB_ADMIN_TOKEN
    /// can be the token itself. A reload reads the file again [default: one is made at the start where one is needed, and
    /// logged]
    #[arg(long, value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,

    /// Names of this machine that the admin listener can be asked by, beside localhost and IP addresses [default:
    /// none]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = host)]
    pub admin_host: Vec<String>,

    /// Threads that serve clients [default: one per core]
    #[arg(long, value_name = "N", value_parser = count::<usize, 1, 1024>)]
    pub workers: Option<usize>,
}

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Replicas")]
pub(super) struct Replicas {
    /// Who runs the replicas: process (local child processes), docker (containers) or static (servers that somebody
    /// else runs, see --upstream)
    #[arg(long, value_name = "RUNTIME", default_value = "process", value_parser = runtime)]
    pub runtime: Runtime,

    /// Replicas at the start
    #[arg(
        long,
        value_name = "N",
        default_value = "3",
        value_parser = count::<usize, 0, { Layout::MAX_SLOTS }>,
    )]
    pub replicas: usize,

    /// The most replicas that there may be [default: what the layout seats, at most 64]
    #[arg(long, value_name = "N", value_parser = count::<usize, 1, { Layout::MAX_SLOTS }>)]
    pub max_replicas: Option<usize>,

    /// process: any program that listens on $PORT; gets SERVER_ID; {port} and {name} are replaced in it [default:
    /// the built-in replica]
    #[arg(long, value_name = "COMMAND", value_parser = command)]
    pub replica_command: Option<Words>,

    /// static: a server to balance, [NAME=]HOST:PORT[*WEIGHT]; its weight 1 to 1000, 100 if not given; repeat the
    /// flag, or separate several by commas
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    pub upstream: Vec<Upstream>,

    /// The weights of seats, from 1 to 1000; a seat of 200 gets twice the keys of one of 100 [default: 100 each]
    #[arg(long, value_name = "SEAT=WEIGHT,…", value_parser = weights)]
    pub weights: Option<Weights>,

    /// Label that separates balancers on one engine
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = cluster)]
    pub cluster: Cluster,

    /// How long a replica may take from its launch until it is ready
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration::<1>)]
    pub start_timeout: Duration,

    /// Before a replica or the balancer stops: the longest wait for what is in flight
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration::<0>)]
    pub drain: Duration,

    /// From SIGTERM to SIGKILL
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::<0>)]
    pub stop_timeout: Duration,
}

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Health")]
pub(super) struct Health {
    /// What is asked of a replica; off: only whether it accepts a connection
    #[arg(long, value_name = "PATH|off", default_value = "/heartbeat", value_parser = path_or_off)]
    pub heartbeat_path: OrOff<PathAndQuery>,

    /// The Host field of heartbeats [default: the address of the replica]
    #[arg(long, value_name = "HOST", value_parser = host_field)]
    pub heartbeat_host: Option<String>,

    /// Statuses of good answers: a list of statuses, ranges and classes such as 200-299,404 or 2xx
    #[arg(long, value_name = "STATUS,…", default_value = "200-399", value_parser = good_statuses)]
    pub heartbeat_status: Statuses,

    /// Time from one heartbeat to the next
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = duration::<10>)]
    pub heartbeat_interval: Duration,

    /// The longest wait for its answer
    #[arg(long, value_name = "DURATION", default_value = "400ms", value_parser = duration::<1>)]
    pub heartbeat_timeout: Duration,

    /// Missed heartbeats in a row that make a replica suspect
    #[arg(long, value_name = "N", default_value = "3", value_parser = count::<u32, 1, 100>)]
    pub heartbeat_failures: u32,

    /// Time without a good heartbeat, nor any reply, after which a replica is dead
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = duration::<10>)]
    pub replace_after: Duration,

    /// Statuses of replies of which five in a row eject a replica: a list of statuses, ranges and classes such as
    /// 500,502-504 or 5xx; or off
    #[arg(long, value_name = "STATUS,…|off", default_value = "500,502-504", value_parser = eject_on)]
    pub eject_on: Statuses,
}

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Towards replicas")]
pub(super) struct Forwarding {
    /// The longest wait for a connection to a replica
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration::<1>)]
    pub connect_timeout: Duration,

    /// The longest wait for the head of a replica's reply; or off
    #[arg(long, value_name = "DURATION|off", default_value = "30s", value_parser = duration_or_off::<1>)]
    pub head_timeout: OrOff<Duration>,

    /// The longest silence in the middle of a body
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration::<1>)]
    pub idle_timeout: Duration,

    /// From the request to the last byte of its reply; or off
    #[arg(long, value_name = "DURATION|off", default_value = "off", value_parser = duration_or_off::<1>)]
    pub request_timeout: OrOff<Duration>,

    /// Further attempts of a request that failed, each at the next seat
    #[arg(long, value_name = "N", default_value = "2", value_parser = count::<u32, 0, 20>)]
    pub retries: u32,

    /// Further attempts of all requests of the last seconds, in percent of these; 10 a second in each worker are free
    #[arg(long, value_name = "PERCENT", default_value = "20%", value_parser = percent)]
    pub retry_budget: u32,

    /// Networks (10.0.0.0/8, fd00::/8) and addresses of proxies whose forwarding fields (Forwarded, X-Real-IP,
    /// X-Forwarded-For, -Proto, -Host, -Port, -Server, -Prefix) are believed; those of others are replaced or removed
    /// [default: none]
    #[arg(long, value_name = "CIDR,…", value_delimiter = ',', value_parser = cidr)]
    pub trusted_proxies: Vec<IpNet>,

    /// Turn a replica's 404 into the 400 of the built-in replica
    #[arg(
        long,
        action = Set,
        value_name = "on|off",
        num_args = 0..=1,
        default_value = "off",
        default_missing_value = "on",
        value_parser = switch,
    )]
    pub map_404: bool,
}

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Towards clients")]
pub(super) struct Clients {
    /// Connections of clients at one time
    #[arg(long, value_name = "N", default_value = "25000", value_parser = count::<usize, 1, 1_000_000>)]
    pub max_connections: usize,

    /// Requests in flight in each worker
    #[arg(long, value_name = "N", default_value = "10000", value_parser = count::<usize, 1, 1_000_000>)]
    pub max_in_flight: usize,

    /// The largest header of a request, all its fields together; larger is 431, and so are more than 96 fields
    #[arg(long, value_name = "SIZE", default_value = "16KiB", value_parser = size::<1024, { 1 << 20 }>)]
    pub max_header_size: usize,

    /// The longest target of a request (path and query); longer is 414
    #[arg(long, value_name = "SIZE", default_value = "8KiB", value_parser = size::<128, { 63 << 10 }>)]
    pub max_target: usize,

    /// The largest body of a request, or off; larger is 413
    #[arg(long, value_name = "SIZE|off", default_value = "off", value_parser = body_or_off)]
    pub max_body: OrOff<u64>,

    /// The longest wait for the whole head of a request, from its first byte, and for the whole body of /add and /rm
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::<1>)]
    pub client_head_timeout: Duration,

    /// How long a client may do nothing that it is waited for: send its next request, go on with a body, read a reply
    #[arg(long, value_name = "DURATION", default_value = "75s", value_parser = duration::<1>)]
    pub client_idle_timeout: Duration,

    /// Protocols that a client may change to in a tunnel: any, off, or a list such as websocket. HTTP/2 (h2c) and TLS are
    /// never passed on
    #[arg(long, value_name = "NAME,…|any|off", default_value = "any", value_parser = UpgradeAllow::parse)]
    pub upgrade_allow: UpgradeAllow,
}

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Control")]
pub(super) struct ControlCalls {
    /// /rep, /add and /rm: open (to whoever reaches the listener), token (to who shows the admin token) or off (paths
    /// like any other)
    #[arg(long, value_name = "open|token|off", default_value = "open", value_parser = control)]
    pub control: Control,

    /// /rm of more replicas than there are is an error instead of removing all
    #[arg(
        long,
        action = Set,
        value_name = "on|off",
        num_args = 0..=1,
        default_value = "off",
        default_missing_value = "on",
        value_parser = switch,
    )]
    pub strict_rm: bool,

    /// The largest body of /add and /rm
    #[arg(long, value_name = "SIZE", default_value = "64KiB", value_parser = size::<1, { 64 << 20 }>)]
    pub max_control_body: usize,
}

/// A command line, split.
pub(super) type Words = Vec<String>;

/// Who runs the replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runtime {
    Process,
    Docker,
    Static,
}

fn runtime(text: &str) -> Result<Runtime, String> {
    one_of(text, &[("process", Runtime::Process), ("docker", Runtime::Docker), ("static", Runtime::Static)])
}

fn control(text: &str) -> Result<Control, String> {
    one_of(text, &[("open", Control::Open), ("token", Control::Token), ("off", Control::Off)])
}
