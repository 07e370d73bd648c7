//! Command-line flags.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::fault::Fault;
use crate::load::Load;

/// Loads a balancer of three replicas at a steady rate while one of them becomes faulty, and counts failed requests.
#[derive(Debug, Parser)]
#[command(name = "chaos", version)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Run only this fault (may be repeated) [default: all]
    #[arg(long = "fault", value_name = "NAME", value_enum)]
    pub only: Vec<Fault>,
    /// Requests per second, each sent when it is due, regardless of earlier replies
    #[arg(long, default_value = "1000", value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub rate: u32,
    /// Duration of the measurement of each fault
    #[arg(long, default_value = "8", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,
    /// Time after which the replica becomes faulty
    #[arg(long, value_name = "TIME", default_value = "2500ms")]
    pub after: humantime::Duration,
    /// Share of POST requests, with a small body that the replica checks; the rest is GET
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = clap::value_parser!(u8).range(..=100))]
    pub posts: u8,
    /// Bytes of each reply body: pseudo-random, different for each request, compared by the client
    #[arg(long, value_name = "BYTES", default_value = "16384", value_parser = clap::value_parser!(u32).range(1..=16_777_216))]
    pub size: u32,
    /// Largest number of requests in flight; the time of a request that is sent late starts when it was due
    #[arg(long, value_name = "N", default_value = "2000", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub in_flight: u32,
    /// Seed of the requests
    #[arg(long, default_value = "1")]
    pub seed: u64,
    /// `--head-timeout` of the balancer
    #[arg(long, value_name = "TIME", default_value = "1s")]
    pub head_timeout: humantime::Duration,
    /// The balancer to run [default: the one built beside this executable]
    #[arg(long, value_name = "FILE")]
    pub lb: Option<PathBuf>,
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// Exit with 1 if a target is missed
    #[arg(long)]
    pub check: bool,
    /// Show the balancer's log on standard error
    #[arg(long)]
    pub log: bool,
    /// More flags for the balancer, after `--`
    #[arg(last = true, value_name = "FLAG")]
    pub flags: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve as a replica on $PORT, which becomes faulty on request; started by the balancer
    #[command(hide = true)]
    Replica,
}

impl Args {
    /// Checks flags that depend on each other.
    pub fn checked(self) -> Result<Self, clap::Error> {
        if *self.after >= self.duration() {
            let message = format!("--after {} must be less than --seconds {}", self.after, self.seconds);
            return Err(Self::command().error(ErrorKind::ValueValidation, message));
        }
        Ok(self)
    }

    /// The faults to run, in order.
    pub fn faults(&self) -> Vec<Fault> {
        if self.only.is_empty() { Fault::ALL.to_vec() } else { self.only.clone() }
    }

    /// Number of requests per fault.
    pub fn requests(&self) -> usize {
        self.rate as usize * self.seconds as usize
    }

    /// The load of each fault.
    pub fn load(&self) -> Load {
        Load {
            rate: self.rate,
            requests: self.requests(),
            posts: self.posts,
            size: self.size as usize,
            in_flight: self.in_flight as usize,
            seed: self.seed,
        }
    }

    /// Path of the balancer's executable. Under cargo it is built first, because a stale one would be measured
    /// unnoticed.
    pub async fn lb(&self) -> Result<PathBuf, String> {
        if let Some(lb) = &self.lb {
            return Ok(lb.clone());
        }
        let own = std::env::current_exe().map_err(|error| format!("cannot find this executable: {error}"))?;
        let directory = own.parent().and_then(|examples| examples.parent());
        let directory = directory.ok_or("cannot find the directory of this executable: use --lb FILE")?;
        if let (Some(cargo), Some(target)) = (std::env::var_os("CARGO"), directory.parent()) {
            let profile: &[&str] = if cfg!(debug_assertions) { &[] } else { &["--release"] };
            let mut build = tokio::process::Command::new(cargo);
            build.args(["build", "--quiet", "--package", "lb", "--bin", "lb"]).args(profile);
            build.arg("--target-dir").arg(target).stdin(Stdio::null()).kill_on_drop(true);
            let built = build.status().await.map_err(|error| format!("cargo build: {error}"))?;
            if !built.success() {
                return Err("the balancer cannot be built: cargo build -p lb".into());
            }
        }
        let lb = directory.join("lb");
        let missing = || format!("{} is missing: cargo build --release -p lb, or --lb FILE", lb.display());
        if lb.is_file() { Ok(lb) } else { Err(missing()) }
    }

    fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }
}
