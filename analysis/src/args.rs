//! Command-line flags.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use lb::auth::token::Token;

use crate::assertion::Assertion;
use crate::balancer::ListenerUrl;
use crate::hashing;
use crate::load::Load;
use crate::recovery;

/// Experiments on a consistent-hashing balancer: how evenly it spreads requests, which keys move when the
/// fleet is scaled, how it recovers from failures, and how other hash functions and layouts compare.
///
/// Without a command all of them run, in this order. The fleet is restored at the end, also after Ctrl-C.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Args {
    /// The experiment to run; all of them if none is named
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The balancer, or any server that answers /home with `Hello from Server: <ID>`
    /// [default: http://127.0.0.1:5000, and if nothing answers there an embedded balancer]
    #[arg(long, global = true, value_name = "http://HOST[:PORT]")]
    pub url: Option<ListenerUrl>,
    /// The balancer's admin listener; names the processes and containers to kill, and explains keys
    /// [default: http://127.0.0.1:5001 with the default --url, if it answers]
    #[arg(long, global = true, value_name = "http://HOST[:PORT]")]
    pub admin: Option<ListenerUrl>,
    /// File with the balancer's admin token; LB_ADMIN_TOKEN can hold the token itself
    #[arg(long = "admin-token-file", global = true, value_name = "FILE", value_parser = token)]
    pub token: Option<Token>,
    /// Number of requests in each measurement
    #[arg(long, global = true, value_name = "COUNT", default_value_t = 10_000,
          value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub requests: u32,
    /// Number of requests in flight at once
    #[arg(long, global = true, value_name = "COUNT", default_value_t = 100,
          value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub connections: u16,
    /// Seed of the request ids and of every other random choice
    #[arg(long, global = true, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Directory for reports, tables and charts [default: target/analysis/TIME]
    #[arg(long, global = true, value_name = "DIRECTORY")]
    pub out: Option<PathBuf>,
    /// Print the results as JSON instead of tables
    #[arg(long, global = true)]
    pub json: bool,
    /// Exit with 1 unless this condition holds for every experiment that has the figure, for example
    /// 'peak_to_average<1.2' or 'recovery.failed=0'; may be repeated
    #[arg(long = "assert", global = true, value_name = "[EXPERIMENT.]FIGURE<NUMBER")]
    pub assertions: Vec<Assertion>,
}

/// An experiment, as a subcommand.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// how evenly requests are spread over the replicas
    Distribution,
    /// balance and moved keys when the fleet is scaled from 2 to 6 replicas and back
    Scaling,
    /// checks every endpoint, then kills replicas under load: which requests fail, and how long recovery takes
    Recovery(recovery::Options),
    /// compares hash functions, slot caps, virtual nodes and layouts for random ids or your own keys; runs on
    /// the placement code and needs no balancer
    Hashing(hashing::Options),
}

impl Args {
    /// The load of one measurement, from `--requests`, `--connections` and `--seed`.
    pub fn load(&self) -> Load {
        Load { requests: self.requests, connections: self.connections, seed: self.seed }
    }
}

/// Reads the token from a file.
fn token(file: &str) -> Result<Token, String> {
    Token::read(file.as_ref()).map_err(|error| error.to_string())
}
