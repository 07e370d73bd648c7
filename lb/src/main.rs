//! `lb`: the command line.

use std::process::ExitCode;

use lb::app::{self, StartError};
use lb::config::{Command, Config, Exit, Source};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    lb::child::dispatch();
    let source = || Source::new(std::env::args_os(), std::env::vars_os());
    match lb::config::parse(std::env::args_os(), std::env::vars_os()) {
        Err(exit) => refuse(&exit),
        Ok(Command::Run(config)) => source().map_or_else(|exit| refuse(&exit), |source| run(&config, source)),
        Ok(Command::Replica) => replica::cli::main(),
        Ok(Command::Healthcheck { admin }) => lb::healthcheck::run(admin),
        Ok(Command::Ask(ask)) => lb::cli::run(&ask),
        Ok(Command::Completions(shell)) => print(&lb::config::completions(shell)),
        Ok(Command::Check(config)) => print(&format!("ok: {config}")),
    }
}

fn refuse(exit: &Exit) -> ExitCode {
    if exit.code == 0 {
        return print(&exit.to_string());
    }
    eprintln!("lb: {exit}");
    ExitCode::from(exit.code)
}

fn print(text: &str) -> ExitCode {
    match lb::cli::print(text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lb: standard output: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: &Config, source: Source) -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info,actix_server=warn"))
        // A line for each connection that cannot be accepted for lack of descriptors: `lb::shortage` logs the episode.
        .filter_module("actix_server::accept", log::LevelFilter::Off)
        .init();
    let ended = actix_rt::System::new().block_on(async {
        let executable = std::env::current_exe().map_err(StartError::Executable)?;
        let runtime = app::runtime(config, executable).await?;
        // Not before: the runtime hands on the limit that it has found.
        replica::raise_file_limit();
        app::run(config, source, runtime).await
    });
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("lb: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
