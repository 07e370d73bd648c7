//! Every setting with its flag, default and help. The names of `LB_…` variables and TOML keys are derived from the
//! flag.

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

/// All settings, each parsed and valid by itself, not yet checked against the others.
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
    /// Address of the traffic listener, which serves clients
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5000", value_parser = address)]
    pub listen: SocketAddr,

    /// Address of the admin listener (/livez, /readyz, /metrics, /api/…), or off
    #[arg(long, value_name = "ADDR|off", default_value = "127.0.0.1:5001", value_parser = address_or_off)]
    pub admin_listen: OrOff<SocketAddr>,

    /// File with the admin token (or LB_ADMIN_TOKEN with the token itself), which requests must carry as Authorization:
    /// Bearer TOKEN with --control token, and on the admin listener unless that has a loopback address and no token is
    /// given; a reload reads the file again [default: where one is required, a token is generated and logged]
    #[arg(long, value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,

    /// Host names that the admin listener accepts in Host, beside localhost and IP addresses [default: none]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = host)]
    pub admin_host: Vec<String>,

    /// Number of threads that serve clients [default: one per core]
    #[arg(long, value_name = "N", value_parser = count::<usize, 1, 1024>)]
    pub workers: Option<usize>,
}

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Replicas")]
pub(super) struct Replicas {
    /// How replicas are run: process (local child processes), docker (containers) or static (external servers, see
    /// --upstream)
    #[arg(long, value_name = "RUNTIME", default_value = "process", value_parser = runtime)]
    pub runtime: Runtime,

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

    /// process: the command of a replica, which must listen on $PORT and finds its name in $SERVER_ID; {port} and
    /// {name} in it are replaced [default: the built-in replica]
    #[arg(long, value_name = "COMMAND", value_parser = command)]
    pub replica_command: Option<Words>,

    /// static: an external server, [NAME=]HOST:PORT[*WEIGHT], with a weight from 1 to 1000 (100 if not given); repeat
    /// the flag, or separate several by commas
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    pub upstream: Vec<Upstream>,

    /// Weights of seats, from 1 to 1000: a seat of 200 gets twice the keys of one of 100 [default: 100 each]
    #[arg(long, value_name = "SEAT=WEIGHT,…", value_parser = weights)]
    pub weights: Option<Weights>,

    /// Label that separates balancers on one engine
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

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Health")]
pub(super) struct Health {
    /// Path of the heartbeat request; off: a heartbeat only opens a connection
    #[arg(long, value_name = "PATH|off", default_value = "/heartbeat", value_parser = path_or_off)]
    pub heartbeat_path: OrOff<PathAndQuery>,

    /// Host header of heartbeats [default: the address of the replica]
    #[arg(long, value_name = "HOST", value_parser = host_field)]
    pub heartbeat_host: Option<String>,

    /// Statuses of a good heartbeat: a list of statuses, ranges and classes such as 200-299,404 or 2xx
    #[arg(long, value_name = "STATUS,…", default_value = "200-399", value_parser = good_statuses)]
    pub heartbeat_status: Statuses,

    /// Time from one heartbeat to the next
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = duration::<10>)]
    pub heartbeat_interval: Duration,

    /// Longest wait for the response to a heartbeat
    #[arg(long, value_name = "DURATION", default_value = "400ms", value_parser = duration::<1>)]
    pub heartbeat_timeout: Duration,

    /// Number of missed heartbeats in a row that make a replica suspect
    #[arg(long, value_name = "N", default_value = "3", value_parser = count::<u32, 1, 100>)]
    pub heartbeat_failures: u32,

    /// Time without a good heartbeat or any reply after which a replica is dead
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = duration::<10>)]
    pub replace_after: Duration,

    /// Statuses of which five replies in a row eject a replica: a list of statuses, ranges and classes such as
    /// 500,502-504 or 5xx; or off
    #[arg(long, value_name = "STATUS,…|off", default_value = "500,502-504", value_parser = eject_on)]
    pub eject_on: Statuses,
}

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Towards replicas")]
pub(super) struct Forwarding {
    /// Longest wait for a connection to a replica
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration::<1>)]
    pub connect_timeout: Duration,

    /// Longest wait for the head of a replica's reply, or off
    #[arg(long, value_name = "DURATION|off", default_value = "30s", value_parser = duration_or_off::<1>)]
    pub head_timeout: OrOff<Duration>,

    /// Longest time without a byte while a body is transferred
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration::<1>)]
    pub idle_timeout: Duration,

    /// Longest time from a request to the last byte of its reply, or off
    #[arg(long, value_name = "DURATION|off", default_value = "off", value_parser = duration_or_off::<1>)]
    pub request_timeout: OrOff<Duration>,

    /// Largest number of retries of a failed request, each at the next seat
    #[arg(long, value_name = "N", default_value = "2", value_parser = count::<u32, 0, 20>)]
    pub retries: u32,

    /// Retries of all requests in the last seconds, in percent of these requests; 10 a second in each worker are free
    #[arg(long, value_name = "PERCENT", default_value = "20%", value_parser = percent)]
    pub retry_budget: u32,

    /// Networks (10.0.0.0/8, fd00::/8) and addresses of proxies whose forwarding headers (Forwarded, X-Real-IP,
    /// X-Forwarded-For, -Proto, -Host, -Port, -Server, -Prefix) are trusted; those of others are replaced or removed
    /// [default: none]
    #[arg(long, value_name = "CIDR,…", value_delimiter = ',', value_parser = cidr)]
    pub trusted_proxies: Vec<IpNet>,

    /// Replace a replica's 404 by the 400 of the built-in replica
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
    /// Largest number of client connections at one time
    #[arg(long, value_name = "N", default_value = "25000", value_parser = count::<usize, 1, 1_000_000>)]
    pub max_connections: usize,

    /// Largest number of requests in flight in each worker
    #[arg(long, value_name = "N", default_value = "10000", value_parser = count::<usize, 1, 1_000_000>)]
    pub max_in_flight: usize,

    /// Largest size of all header fields of a request together; a larger header or more than 96 fields are answered 431
    #[arg(long, value_name = "SIZE", default_value = "16KiB", value_parser = size::<1024, { 1 << 20 }>)]
    pub max_header_size: usize,

    /// Longest target of a request (path and query); a longer one is answered 414
    #[arg(long, value_name = "SIZE", default_value = "8KiB", value_parser = size::<128, { 63 << 10 }>)]
    pub max_target: usize,

    /// Largest body of a request, or off; a larger one is answered 413
    #[arg(long, value_name = "SIZE|off", default_value = "off", value_parser = body_or_off)]
    pub max_body: OrOff<u64>,

    /// Longest wait for the whole head of a request, from its first byte, and for the whole body of /add and /rm
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::<1>)]
    pub client_head_timeout: Duration,

    /// Close a client connection after this long without a byte in either direction
    #[arg(long, value_name = "DURATION", default_value = "75s", value_parser = duration::<1>)]
    pub client_idle_timeout: Duration,

    /// Protocols to which a client may upgrade its connection: any, off, or a list such as websocket; HTTP/2 (h2c) and
    /// TLS are never forwarded
    #[arg(long, value_name = "NAME,…|any|off", default_value = "any", value_parser = UpgradeAllow::parse)]
    pub upgrade_allow: UpgradeAllow,
}

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Control")]
pub(super) struct ControlCalls {
    /// Access to /rep, /add and /rm: open (every client), token (requests with the admin token) or off (the paths are
    /// forwarded like any other)
    #[arg(long, value_name = "open|token|off", default_value = "open", value_parser = control)]
    pub control: Control,

    /// Answer /rm of more replicas than there are with an error, instead of removing all
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

    /// Largest body of /add and /rm
    #[arg(long, value_name = "SIZE", default_value = "64KiB", value_parser = size::<1, { 64 << 20 }>)]
    pub max_control_body: usize,
}

/// A command line, split into words.
pub(super) type Words = Vec<String>;

/// The kinds of runtimes.
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
