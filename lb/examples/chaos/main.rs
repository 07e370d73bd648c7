//! Chaos run: a steady load on a real balancer while one of its three replicas becomes faulty, once per fault.
//!
//! The balancer runs this executable as its replicas (`chaos replica`): they use raw sockets, so that their replies can
//! be faulty while their heartbeats stay good.

mod args;
mod balancer;
mod client;
mod content;
mod fault;
mod load;
mod outcome;
mod replica;
mod report;
mod trigger;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

use args::{Args, Command};
use balancer::Balancer;
use fault::Fault;
use outcome::Summary;

const BAD_FLAGS: u8 = 64;

fn main() -> ExitCode {
    // The balancer is started through this launcher, so that it and its replicas always end with this process.
    lb::child::dispatch();
    let args = match Args::try_parse().and_then(Args::checked) {
        Ok(args) => args,
        Err(error) => {
            // The reader of the pipe may be gone.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { BAD_FLAGS } else { 0 });
        }
    };
    let ran = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string());
    let ran = ran.and_then(|runtime| match args.command {
        Some(Command::Replica) => LocalSet::new().block_on(&runtime, replica::serve()),
        None => LocalSet::new().block_on(&runtime, until_interrupted(run(&args))),
    });
    ran.unwrap_or_else(|error| {
        eprintln!("chaos: {error}");
        ExitCode::FAILURE
    })
}

/// Starts one balancer per fault. With `--check` the exit code is 1 if a target is missed.
async fn run(args: &Args) -> Result<ExitCode, String> {
    let lb = args.lb().await?;
    if !args.json {
        print!("{}", report::settings(args, &lb));
    }
    let mut summaries = Vec::new();
    for fault in args.faults() {
        let balancer = Balancer::start(&lb, args).await?;
        let progress = |n| progress(fault, n, args.requests());
        let (outcomes, triggered) = tokio::join!(
            args.load().run(balancer.traffic, progress),
            trigger::trigger(fault, &balancer, args.after.into()),
        );
        // A fault that did not happen must not produce figures.
        triggered.map_err(|error| format!("{fault}: {error}"))?;
        let summary = Summary::of(fault, &outcomes);
        balancer.stop().await?;
        if !args.json {
            print!("{}", report::row(&summary));
        }
        summaries.push(summary);
    }
    if args.json {
        println!("{}", report::json(args, &lb, &summaries));
    }
    let missed = args.check && !summaries.iter().all(Summary::meets_target);
    Ok(if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Runs until the end or a signal; dropping the future stops everything that it started.
async fn until_interrupted(run: impl Future<Output = Result<ExitCode, String>>) -> Result<ExitCode, String> {
    let mut terminated = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    tokio::select! {
        ended = run => ended,
        _ = terminated.recv() => Err("interrupted".into()),
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
    }
}

/// Shows the progress on a terminal, in one line that is overwritten.
fn progress(fault: Fault, done: usize, all: usize) {
    const EVERY: usize = 250;
    let mut stderr = std::io::stderr();
    if (done.is_multiple_of(EVERY) || done == all) && stderr.is_terminal() {
        let line = if done < all { format!("\r{fault}: {done} of {all}") } else { "\r\x1b[K".into() };
        let _ = stderr.write_all(line.as_bytes());
    }
}

/// Time limit of everything except the load.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(40);
