//! The subcommands that call a running balancer, and their arguments.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _};

use crate::name::Name;
use crate::number::count;
use crate::ring::Layout;
use crate::runtime;

// From here on the doc comments of arguments are the help texts.

/// A subcommand that calls the admin API.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum Subcommand {
    /// Show the seats and replicas of a running balancer
    Status,
    /// Show the seat and the replica of a key, the reason, and the next seats
    Explain {
        /// Key of a request, as its key source yields it
        #[arg(allow_hyphen_values = true, value_parser = key())]
        key: OsString,
    },
    /// Show what an addition, a removal or new weights would move, without making the change
    Plan(Plan),
    /// Show the most frequent keys, their seats, and their effect on the balance
    HotKeys {
        /// Number of keys, 1 to 256
        #[arg(long, value_name = "N", default_value = "20", value_parser = count::<usize, 1, 256>)]
        limit: usize,
    },
    /// Add N replicas; returns when they are ready and get requests
    Add(Change),
    /// Remove N replicas; returns when they get no more requests
    Rm(Change),
    /// Show the events of the fleet, one on each line
    Events {
        /// Also print new events, until interrupted
        #[arg(long)]
        follow: bool,
    },
    /// Show the output of a replica
    Logs(Logs),
    /// Send no new requests to a replica, which keeps running; its seat stays reserved
    Drain {
        /// Hostname of the replica
        name: Name,
    },
    /// Send requests to a drained replica again; if it has ended, start a new one in its seat
    Undrain {
        /// Hostname of the replica
        name: Name,
    },
    /// Start a new replica in the seat of another; returns when it has taken over
    Replace {
        /// Hostname of the replica
        name: Name,
    },
    /// Set the weight of a seat, which lasts until the balancer ends
    Weight(Weigh),
    /// Replace all replicas, one after the other; returns at once
    RollingReplace,
    /// Add or remove an external server (--runtime static)
    #[command(subcommand)]
    Upstream(Upstream),
    /// Read the configuration file again, and show what has changed and what needs a restart
    Reload,
}

/// A change of the external servers.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum Upstream {
    /// Add an external server; returns when it gets requests, or with the reason why its seat is vacant
    Add {
        /// Address of the server, with an optional name and weight
        #[arg(value_name = "[NAME=]HOST:PORT[*WEIGHT]")]
        upstream: runtime::Upstream,

        /// Show what would move, without making the change
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove an external server with its seat; returns when it gets no more requests
    Rm {
        /// Name of the server
        name: Name,

        /// Show what would move, without making the change
        #[arg(long)]
        dry_run: bool,
    },
}

impl Upstream {
    /// Whether only the plan is requested.
    pub fn is_dry_run(&self) -> bool {
        let (Self::Add { dry_run, .. } | Self::Rm { dry_run, .. }) = self;
        *dry_run
    }
}

/// The arguments of `lb weight`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Weigh {
    /// Number of the seat
    #[arg(allow_negative_numbers = true, value_parser = seat)]
    pub seat: u32,

    /// New weight of the seat, 1 to 1000; the default of a seat is 100
    #[arg(allow_negative_numbers = true, value_parser = weight)]
    pub weight: u32,

    /// Show what would move, without making the change
    #[arg(long)]
    pub dry_run: bool,
}

/// The arguments of `lb plan`: exactly one of them.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Plan {
    /// Number of replicas that would be added
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = replicas)]
    pub add: Option<usize>,

    /// Replica that would be removed; repeat the flag, or separate several by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub remove: Vec<Name>,

    /// New weight of a seat; repeat the flag, or separate several by commas
    #[arg(long, value_name = "SEAT=WEIGHT", value_delimiter = ',', value_parser = seat_and_weight)]
    pub weight: Vec<(u32, u32)>,
}

/// The arguments of `lb add` and `lb rm`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Change {
    /// Number of replicas
    #[arg(allow_negative_numbers = true, value_parser = replicas)]
    pub n: usize,

    /// Hostnames of these replicas, at most N; the balancer chooses the others
    #[arg(value_name = "NAME")]
    pub names: Vec<Name>,

    /// Show what would move, without making the change
    #[arg(long)]
    pub dry_run: bool,
}

/// The arguments of `lb logs`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Logs {
    /// Hostname of the replica
    pub name: Name,

    /// Number of last lines to print
    #[arg(long, value_name = "N", default_value = "100", value_parser = count::<usize, 0, 10_000>)]
    pub tail: usize,

    /// Also print further output, until the replica ends
    #[arg(long)]
    pub follow: bool,
}

// The arguments that all subcommands share. Not a doc comment: clap would use it as the help of the subcommand.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Target {
    /// URL of the balancer's admin listener [env: LB_ADMIN] [default: http://127.0.0.1:5001]
    #[arg(long, value_name = "URL")]
    pub admin: Option<String>,

    /// File with the admin token; instead LB_ADMIN_TOKEN can be the token itself [env: LB_ADMIN_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,

    /// Print the JSON of the response
    #[arg(long)]
    pub json: bool,
}

impl Target {
    /// The environment variable for `--admin`.
    pub const VARIABLE: &str = "LB_ADMIN";

    /// The environment variable for `--admin-token-file`.
    pub const TOKEN_FILE: &str = "LB_ADMIN_TOKEN_FILE";

    /// The default of `--admin`.
    pub const DEFAULT: &str = "http://127.0.0.1:5001";
}

fn replicas(text: &str) -> Result<usize, String> {
    count::<usize, 1, { Layout::MAX_SLOTS }>(text).map_err(|error| format!("the number of replicas {error}"))
}

fn seat(text: &str) -> Result<u32, String> {
    count::<u32, 1, { u32::MAX }>(text).map_err(|_| "must be the number of a seat: 1, 2, 3 …".to_owned())
}

fn weight(text: &str) -> Result<u32, String> {
    count::<u32, 1, 1000>(text).map_err(|error| format!("a weight {error}"))
}

fn seat_and_weight(text: &str) -> Result<(u32, u32), String> {
    let (number, value) = text.split_once('=').ok_or("must be SEAT=WEIGHT, such as 2=200")?;
    Ok((seat(number)?, weight(value)?))
}

/// A key must not be empty: the balancer would treat it as absent.
fn key() -> impl clap::builder::TypedValueParser<Value = OsString> {
    OsStringValueParser::new().try_map(|key| if key.is_empty() { Err("must not be empty") } else { Ok(key) })
}
