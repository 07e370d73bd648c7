//! `analysis`: experiments on a consistent-hashing balancer, over HTTP.
//!
//! `main → distribution → {load, stats, table, chart}`; `balancer` is what is measured, `output` where results go.

mod balancer;
mod chart;
mod distribution;
mod load;
mod output;
mod progress;
mod stats;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Parser;

use crate::balancer::Url;
use crate::load::Load;
use crate::output::Output;

/// The exit code of a flag that makes no sense (sysexits.h, EX_USAGE); everything else that fails is 1.
const BAD_FLAG: u8 = 64;

/// Experiment A-1: how evenly a balancer spreads requests over its replicas.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The balancer, or any server that answers /home with `Hello from Server: <ID>`
    /// [default: http://127.0.0.1:5000]
    #[arg(long)]
    url: Option<Url>,
    /// How many requests are sent
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    requests: u32,
    /// How many are in flight at once
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    connections: u16,
    /// Makes the request ids; the same seed sends the same ids
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the table and the chart are written [default: target/analysis/TIME]
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Balancer(#[from] balancer::Error),
    #[error(transparent)]
    Output(#[from] output::Error),
    #[error("not one of {requests} requests was answered; the first failed with: {reason}")]
    NothingAnswered { requests: u32, reason: balancer::Failure },
}

fn main() -> ExitCode {
    lb::child::dispatch();
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("warn"));
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) if error.use_stderr() => {
            let text = error.to_string();
            eprintln!("analysis: {}", text.lines().next().unwrap_or_default().trim_start_matches("error: "));
            return ExitCode::from(BAD_FLAG);
        }
        Err(help) => {
            print!("{help}");
            return ExitCode::SUCCESS;
        }
    };
    match actix_rt::System::new().block_on(run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("analysis: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Error> {
    let balancer = balancer::find_or_embed(args.url).await?;
    let out = args.out.unwrap_or_else(|| {
        let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        PathBuf::from("target/analysis").join(time.replace(':', "-"))
    });
    let output = Output::open(out)?;
    let load = Load { requests: args.requests, connections: args.connections, seed: args.seed };
    distribution::run(&balancer, load, &output).await
}
