//! `analysis`: experiments on a consistent-hashing balancer, over HTTP.
//!
//! Modules in the order of flow: `main → session → distribution, scaling … → {load, stats} → report → {table, chart}`.
//! `balancer` is the client of the balancer under test, `output` writes the result files.

mod args;
mod assertion;
mod balancer;
mod chart;
mod distribution;
mod error;
mod hashing;
mod load;
mod output;
mod progress;
mod recovery;
mod report;
mod scaling;
mod session;
mod stats;
mod table;
mod terminal;

use std::env;
use std::process::ExitCode;

use clap::Parser;
use lb::auth::token::Token;

use crate::args::Args;

/// Exit code for a bad flag (sysexits.h, EX_USAGE); every other failure exits with 1.
const BAD_FLAG: u8 = 64;

fn main() -> ExitCode {
    lb::child::dispatch();
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("warn"));
    let mut args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) if error.use_stderr() => {
            let text = error.to_string();
            return bad_flag(text.lines().next().unwrap_or_default().trim_start_matches("error: "));
        }
        Err(help) => {
            terminal::print(&help.to_string());
            return ExitCode::SUCCESS;
        }
    };
    if let (None, Some(text)) = (&args.token, env::var(Token::VARIABLE).ok().filter(|text| !text.is_empty()))
    {
        match Token::new(&text) {
            Ok(token) => args.token = Some(token),
            Err(error) => return bad_flag(&format!("{}: {error}", Token::VARIABLE)),
        }
    }
    if let Err(reason) = session::check(&args) {
        return bad_flag(&reason);
    }
    match actix_rt::System::new().block_on(session::run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::note(format_args!("analysis: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn bad_flag(reason: &str) -> ExitCode {
    terminal::note(format_args!("analysis: {reason}"));
    ExitCode::from(BAD_FLAG)
}
