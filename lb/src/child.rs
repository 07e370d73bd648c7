//! Internal modes of this executable, in which a balancer starts it as a child process: the built-in replica, or the
//! launcher of a custom command.
//!
//! No child outlives its balancer, even after SIGKILL of the balancer: the built-in replica has a parent death signal;
//! a custom command runs below a `launcher`, which kills it and all its descendants when the balancer has ended.

mod launcher;
pub(crate) mod protocol;
pub(crate) mod tree;

use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Resource, Rlimit, Signal, getppid, getrlimit, setrlimit};

/// `__replica PARENT NAME`: runs the built-in replica; standard input is its bound listener.
pub(crate) const REPLICA: &str = "__replica";

/// `__exec PARENT FILES PROGRAM [ARGUMENT …]`: executes the program with the same pid; FILES is its soft limit of open
/// files.
pub(crate) const EXEC: &str = "__exec";

/// `__launch`: runs the [`launcher`] of a custom command; standard input is a socket to the balancer.
pub(crate) const LAUNCH: &str = "__launch";

/// Runs the internal mode in which this process was started, and then exits; returns if it was started in none.
///
/// A program that embeds a balancer with the process runtime must call this first in its `main`, because the children
/// are started from the same executable.
pub fn dispatch() {
    let mut args = std::env::args_os().skip(1);
    let Some(mode) = args.next() else { return };
    let run: fn(Vec<OsString>) -> Result<(), String> = match mode.to_str() {
        Some(REPLICA) => replica,
        Some(EXEC) => exec,
        Some(LAUNCH) => launcher::run,
        _ => return,
    };
    std::process::exit(match run(args.collect()) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error}");
            1
        }
    })
}

fn replica(args: Vec<OsString>) -> Result<(), String> {
    let [parent, name] = args.as_slice() else { return Err("usage: __replica PARENT NAME".into()) };
    die_with(parent)?;
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn"))
        .format_timestamp(None)
        .init();
    let listener = io::stdin().as_fd().try_clone_to_owned().map(TcpListener::from);
    listener
        .and_then(|listener| {
            let id = name.to_string_lossy().into_owned();
            actix_rt::System::new().block_on(replica::serve(listener, id))
        })
        .map_err(|error| format!("cannot serve: {error}"))
}

fn exec(args: Vec<OsString>) -> Result<(), String> {
    let [parent, files, program, arguments @ ..] = args.as_slice() else {
        return Err("usage: __exec PARENT FILES PROGRAM [ARGUMENT …]".into());
    };
    die_with(parent)?;
    // The balancer has raised its own limit, but a program that uses select(2) breaks with more than 1,024 files.
    let current = files.to_str().and_then(|files| files.parse().ok());
    setrlimit(Resource::Nofile, Rlimit { current, ..getrlimit(Resource::Nofile) })
        .map_err(|error| format!("cannot set the limit of open files: {error}"))?;
    let error = Command::new(program).args(arguments).exec();
    Err(format!("cannot run '{}': {error}", program.display()))
}

/// Makes the kernel kill this process when the thread that started it ends; the setting survives exec(2).
fn die_with(parent: &OsString) -> Result<(), String> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| format!("cannot set the parent death signal: {error}"))?;
    // The parent may have ended before the signal was set.
    let alive = getppid().is_some_and(|pid| parent.to_str() == Some(&pid.to_string()));
    if alive { Ok(()) } else { Err("the balancer has ended".into()) }
}
