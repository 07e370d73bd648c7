//! Cost of observation: throughput while an open dashboard, a scrape every second and a subscriber of the events watch
//! the balancer, compared with throughput without them. Both are measured in turn, many times, in one run.

mod load;
mod watch;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use lb::app::Embedded;
use lb::cli::Command;
use lb::config::Config;
use tokio::task::LocalSet;

use load::Load;

/// Measures the cost of observers for the traffic.
#[derive(Parser)]
#[command(name = "observers", max_term_width = 100)]
struct Args {
    /// Rounds; each measures once with and once without observers, in random order
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// Length of each half of a round, in milliseconds
    #[arg(long, default_value_t = 2000)]
    half_ms: u64,
    /// Number of connections
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Exit with 1 if observation costs more than this, in percent of throughput
    #[arg(long, value_name = "PERCENT")]
    check: Option<f64>,
}

/// Requests per second in the two halves of a round.
struct Round {
    alone: f64,
    watched: f64,
}

fn main() -> ExitCode {
    lb::child::dispatch();
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let measured = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| LocalSet::new().block_on(&runtime, measure(&args)));
    match measured {
        Ok(rounds) => report(&args, &rounds),
        Err(error) => {
            eprintln!("observers: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(args: &Args) -> Result<Vec<Round>, String> {
    let executable = std::env::current_exe().map_err(|error| error.to_string())?;
    let balancer = Embedded::start(config()?, executable).map_err(|error| error.to_string())?;
    let admin = balancer.admin.ok_or("the admin listener is off")?;
    let load = Load { to: balancer.traffic, connections: args.connections };
    let half = Duration::from_millis(args.half_ms);
    load.run(half).await?; // warm-up
    let mut rounds = Vec::new();
    for n in 1..=args.rounds {
        let mut round = Round { alone: 0.0, watched: 0.0 };
        let first = fastrand::bool();
        for watched in [first, !first] {
            if watched {
                round.watched = watched_run(&load, admin, half).await?;
            } else {
                round.alone = load.run(half).await?;
            }
        }
        eprintln!("round {n} of {}: {:.0} alone, {:.0} watched", args.rounds, round.alone, round.watched);
        rounds.push(round);
    }
    Ok(rounds)
}

/// Measures with observers. It fails if one of them received nothing, because then nothing was observed.
async fn watched_run(load: &Load, admin: SocketAddr, half: Duration) -> Result<f64, String> {
    let watchers = watch::start(admin);
    let throughput = load.run(half).await?;
    watchers.end()?;
    Ok(throughput)
}

fn config() -> Result<Config, String> {
    let flags = ["lb", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let no_variables: [(String, String); 0] = [];
    match lb::cli::parse(flags, no_variables) {
        Ok(Command::Run(config)) => Ok(config),
        Ok(_) => Err("not a configuration to run".into()),
        Err(exit) => Err(exit.to_string()),
    }
}

fn report(args: &Args, rounds: &[Round]) -> ExitCode {
    let alone = median(rounds.iter().map(|round| round.alone));
    let watched = median(rounds.iter().map(|round| round.watched));
    // The median of pairs, because a slow phase of the machine affects both halves of a round.
    let cost = median(rounds.iter().map(|round| 100.0 * (1.0 - round.watched / round.alone)));
    if args.json {
        let json = serde_json::json!({
            "rounds": rounds.len(),
            "alone_per_second": alone,
            "watched_per_second": watched,
            "cost_percent": cost,
        });
        println!("{json}");
    } else {
        println!("rounds  alone req/s  watched req/s  cost % (median of pairs)");
        println!("{:>6}  {alone:>11.0}  {watched:>13.0}  {cost:>6.2}", rounds.len());
    }
    if args.check.is_some_and(|most| cost > most) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
