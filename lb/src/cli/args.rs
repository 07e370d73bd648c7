//! The subcommands that ask a running balancer, and their arguments.

use std::ffi::OsString;

use clap::builder::{OsStringValueParser, TypedValueParser as _};

use crate::config::count;
use crate::name::Name;
use crate::ring::Layout;
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
    /// Show what an addition or a removal would move, without making it
    Plan(Plan),
    /// Add N replicas; ends when they are ready and routed to
    Add(Change),
    /// Remove N replicas; ends when no request reaches them any more
    Rm(Change),
}

/// A change that is only looked at: one of both.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Plan {
    /// How many replicas would be added
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = replicas)]
    pub add: Option<usize>,

    /// Which replicas would be removed; repeat the flag, or separate several by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub remove: Vec<Name>,
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

// Whom every call goes to, and how it is answered. Not a doc comment: it would take the place of the call's help.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Target {
    /// The balancer's admin listener [env: LB_ADMIN] [default: http://127.0.0.1:5001]
    #[arg(long, value_name = "URL")]
    pub admin: Option<Url>,

    /// Print the answer as it came
    #[arg(long)]
    pub json: bool,
}

impl Target {
    /// The variable in the place of `--admin`.
    pub const VARIABLE: &str = "LB_ADMIN";

    /// Where the admin listener is if nobody says so.
    pub const DEFAULT: &str = "http://127.0.0.1:5001";
}

fn replicas(text: &str) -> Result<usize, String> {
    count::<usize, 1, { Layout::MAX_SLOTS }>(text).map_err(|error| format!("{error}, the number of replicas"))
}

/// An empty key counts as none.
fn key() -> impl clap::builder::TypedValueParser<Value = OsString> {
    OsStringValueParser::new().try_map(|key| if key.is_empty() { Err("must not be empty") } else { Ok(key) })
}
