//! The executable `lb`: dispatches the command line.

use std::process::ExitCode;

use lb::app::{self, StartError};
use lb::cli::Command;
use lb::config::{Config, Exit, Source};
use lb::logging::Logging;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    lb::child::dispatch();
    let source = || lb::cli::source(std::env::args_os(), std::env::vars_os());
    match lb::cli::parse(std::env::args_os(), std::env::vars_os()) {
        Err(exit) => exit_with(&exit),
        Ok(Command::Run(config)) => {
            source().map_or_else(|exit| exit_with(&exit), |source| run(&config, source))
        }
        Ok(Command::Replica) => replica::cli::main(),
        Ok(Command::Healthcheck { admin }) => lb::cli::healthcheck::run(admin),
        Ok(Command::Call(invocation)) => lb::cli::run(&invocation),
        Ok(Command::Completions(shell)) => print(&lb::cli::completions(shell)),
        Ok(Command::Check(config)) => print(&format!("ok: {config}")),
    }
}

fn exit_with(exit: &Exit) -> ExitCode {
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
    // Declared first, dropped last: every return of this function flushes the queued lines, for at most a second.
    let logging = match Logging::start() {
        Ok(logging) => logging,
        Err(error) => {
            eprintln!("lb: the log cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = actix_rt::System::new().block_on(async {
        let executable = std::env::current_exe().map_err(StartError::Executable)?;
        let runtime = app::runtime(config, executable).await?;
        // After the runtime is created, which records the original limit for the replicas.
        replica::raise_file_limit();
        app::run(config, source, runtime).await
    });
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            logging.print_failure(&error.to_string());
            ExitCode::from(error.exit_code())
        }
    }
}
