//! The subcommands that ask a running balancer, and their arguments.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _};

use crate::config::count;
use crate::name::Name;
use crate::ring::Layout;
use crate::runtime;
use crate::url::Url;

// From here on the doc comments of arguments are the help texts.

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum Call {
    /// Show the seats and replicas of a running balancer
    Status,
    /// Show where a key goes, why, and where it would go next
    Explain {
        /// The key, as a request would have it
        #[arg(allow_hyphen_values = true, value_parser = key())]
        key: OsString,
    },
    /// Show what an addition, a removal or other weights would move, without making the change
    Plan(Plan),
    /// Show the keys that come most often, where they go, and what they do to the balance
    HotKeys {
        /// How many keys, at most 256
        #[arg(long, value_name = "N", default_value = "20", value_parser = count::<usize, 1, 256>)]
        limit: usize,
    },
    /// Add N replicas; ends when they are ready and routed to
    Add(Change),
    /// Remove N replicas; ends when no request reaches them any more
    Rm(Change),
    /// Show what happened to the fleet, a line for each event
    Events {
        /// Go on with what happens, until interrupted
        #[arg(long)]
        follow: bool,
    },
    /// Show what a replica has written
    Logs(Logs),
    /// Send a replica no new requests and keep it alive; its seat waits for it
    Drain {
        /// Its name
        name: Name,
    },
    /// Send a drained replica requests again; if it has died, start a new one in its seat
    Undrain {
        /// Its name
        name: Name,
    },
    /// Give a replica's seat to a new one; ends when that has taken over
    Replace {
        /// Its name
        name: Name,
    },
    /// Change what a seat weighs, until the balancer ends
    Weight(Weigh),
    /// Replace all replicas, one after the other; ends at once
    RollingReplace,
    /// Add or remove an external server (--runtime static)
    #[command(subcommand)]
    Upstream(Upstream),
    /// Read the configuration file again; shows what has changed, and what needs a restart
    Reload,
}

/// A change of the external servers.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum Upstream {
    /// Add an external server; ends when requests reach it, or with the reason why its seat is vacant
    Add {
        /// Where it listens
        #[arg(value_name = "[NAME=]HOST:PORT[*WEIGHT]")]
        upstream: runtime::Upstream,

        /// Show what would move, without making the change
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove an external server with its seat; ends when no request reaches it any more
    Rm {
        /// Its configured name
        name: Name,

        /// Show what would move, without making the change
        #[arg(long)]
        dry_run: bool,
    },
}

impl Upstream {
    /// Whether only the plan is asked for.
    pub fn is_dry_run(&self) -> bool {
        let (Self::Add { dry_run, .. } | Self::Rm { dry_run, .. }) = self;
        *dry_run
    }
}

/// Another weight.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Weigh {
    /// The seat's number
    #[arg(allow_negative_numbers = true, value_parser = seat)]
    pub seat: u32,

    /// Its weight from now on: 100 is the usual share
    #[arg(allow_negative_numbers = true, value_parser = weight)]
    pub weight: u32,

    /// Show what would move, without making the change
    #[arg(long)]
    pub dry_run: bool,
}

/// A change that is only looked at: one of these.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Plan {
    /// How many replicas would be added
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = replicas)]
    pub add: Option<usize>,

    /// Which replicas would be removed; repeat the flag, or separate several by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub remove: Vec<Name>,

    /// What a seat would weigh; repeat the flag, or separate several by commas
    #[arg(long, value_name = "SEAT=WEIGHT", value_delimiter = ',', value_parser = seat_and_weight)]
    pub weight: Vec<(u32, u32)>,
}

/// A change.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Change {
    /// How many
    #[arg(allow_negative_numbers = true, value_parser = replicas)]
    pub n: usize,

    /// Their names, at most N; the balancer chooses the rest
    #[arg(value_name = "NAME")]
    pub names: Vec<Name>,

    /// Show what would move, without making the change
    #[arg(long)]
    pub dry_run: bool,
}

/// A part of a replica's output.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Logs {
    /// Its name
    pub name: Name,

    /// How many of its last lines
    #[arg(long, value_name = "N", default_value = "100", value_parser = count::<usize, 0, 10_000>)]
    pub tail: usize,

    /// Go on with what it writes, until it is gone
    #[arg(long)]
    pub follow: bool,
}

// Whom every call goes to, and how it is answered. Not a doc comment: it would take the place of the call's help.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Target {
    /// The balancer's admin listener [env: LB_ADMIN] [default: http://127.0.0.1:5001]
    #[arg(long, value_name = "URL")]
    pub admin: Option<Url>,

    /// A file with the balancer's admin token; LB_ADMIN_TOKEN can be the token itself [env: LB_ADMIN_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,

    /// Print the answer as it came
    #[arg(long)]
    pub json: bool,
}

impl Target {
    /// The variable in the place of `--admin`.
    pub const VARIABLE: &str = "LB_ADMIN";

    /// The variable in the place of `--admin-token-file`.
    pub const TOKEN_FILE: &str = "LB_ADMIN_TOKEN_FILE";

    /// Where the admin listener is if nobody says so.
    pub const DEFAULT: &str = "http://127.0.0.1:5001";
}

fn replicas(text: &str) -> Result<usize, String> {
    count::<usize, 1, { Layout::MAX_SLOTS }>(text).map_err(|error| format!("{error}, the number of replicas"))
}

fn seat(text: &str) -> Result<u32, String> {
    count::<u32, 1, { u32::MAX }>(text).map_err(|_| "must be the number of a seat: 1, 2, 3 …".to_owned())
}

fn weight(text: &str) -> Result<u32, String> {
    count::<u32, 1, 1000>(text).map_err(|error| format!("{error}, a weight"))
}

fn seat_and_weight(text: &str) -> Result<(u32, u32), String> {
    let (number, heavy) = text.split_once('=').ok_or("must be SEAT=WEIGHT, such as 2=200")?;
    Ok((seat(number)?, weight(heavy)?))
}

/// An empty key counts as none.
fn key() -> impl clap::builder::TypedValueParser<Value = OsString> {
    OsStringValueParser::new().try_map(|key| if key.is_empty() { Err("must not be empty") } else { Ok(key) })
}
