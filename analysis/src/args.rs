//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use lb::token::Token;

use crate::assertion::Assertion;
use crate::balancer::Url;
use crate::hashing;
use crate::load::Load;
use crate::recovery;

/// Experiments on a consistent-hashing balancer: how evenly it spreads requests, what scaling moves,
/// how it recovers from failures, and what other hash functions and layouts would do.
///
/// Without a command all of them run, in this order. The fleet is left as it was found, also on Ctrl-C.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Args {
    /// Which experiment; all if none is named
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The balancer, or any server that answers /home with `Hello from Server: <ID>`
    /// [default: http://127.0.0.1:5000, and if nothing answers there an embedded balancer]
    #[arg(long, global = true, value_name = "http://HOST[:PORT]")]
    pub url: Option<Url>,
    /// Its admin listener: which process or container to kill, and explain
    /// [default: http://127.0.0.1:5001 beside the default --url, if it answers]
    #[arg(long, global = true, value_name = "http://HOST[:PORT]")]
    pub admin: Option<Url>,
    /// A file with the balancer's admin token; LB_ADMIN_TOKEN can be the token itself
    #[arg(long = "admin-token-file", global = true, value_name = "FILE", value_parser = token)]
    pub token: Option<Token>,
    /// How many requests are sent in each measurement
    #[arg(long, global = true, value_name = "COUNT", default_value_t = 10_000,
          value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub requests: u32,
    /// How many are in flight at once
    #[arg(long, global = true, value_name = "COUNT", default_value_t = 100,
          value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub connections: u16,
    /// Makes the request ids and whatever else is drawn; the same seed draws the same
    #[arg(long, global = true, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Where reports, tables and charts are written [default: target/analysis/TIME]
    #[arg(long, global = true, value_name = "DIRECTORY")]
    pub out: Option<PathBuf>,
    /// Print the results as JSON instead of tables
    #[arg(long, global = true)]
    pub json: bool,
    /// Exit with 1 unless this holds of every experiment that has the figure, for example
    /// 'peak_to_average<1.2' or 'recovery.failed=0'; may be repeated
    #[arg(long = "assert", global = true, value_name = "[EXPERIMENT.]FIGURE<NUMBER")]
    pub assertions: Vec<Assertion>,
}

/// The experiments.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// how evenly requests spread over the replicas
    Distribution,
    /// what scaling from 2 to 6 replicas and back does to balance, and which keys it moves
    Scaling,
    /// every endpoint; then replicas are killed under load: what fails, and when the fleet is whole again
    Recovery(recovery::Options),
    /// what other hash functions, slot caps, virtual nodes and layouts would do, for random ids or your own
    /// keys; measured on the placement code, so that it needs no balancer
    Hashing(hashing::Options),
}

impl Args {
    /// One measurement.
    pub fn load(&self) -> Load {
        Load { requests: self.requests, connections: self.connections, seed: self.seed }
    }
}

/// The token in a file.
fn token(file: &str) -> Result<Token, String> {
    Token::read(file.as_ref()).map_err(|error| error.to_string())
}
