//! What this executable is when a balancer starts it again: a replica, the shim of a foreign command, the watcher.
//!
//! No child outlives its balancer, also when that is killed with -9: replica and command carry a parent death
//! signal, and the watcher kills their process groups, so their own children too.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, Signal, getppid, getrlimit, kill_process_group, setrlimit};

/// `__replica PARENT NAME`: the built-in replica, its bound listener as standard input.
pub(crate) const REPLICA: &str = "__replica";

/// `__exec PARENT FILES PROGRAM [ARGUMENT …]`: becomes the program, with the same pid; FILES is its soft limit of open
/// files.
pub(crate) const EXEC: &str = "__exec";

/// `__watch`: reads `+GROUP` and `-GROUP` lines; at the end of input kills the groups that are left.
pub(crate) const WATCH: &str = "__watch";

/// Runs an internal mode, if this process was started as one, and then never returns.
///
/// The first call of every `main` that embeds a balancer with the process runtime: the children are started from
/// the same executable.
pub fn dispatch() {
    let mut args = std::env::args_os().skip(1);
    let Some(mode) = args.next() else { return };
    let run: fn(Vec<OsString>) -> Result<(), String> = match mode.to_str() {
        Some(REPLICA) => replica,
        Some(EXEC) => exec,
        Some(WATCH) => watch,
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
    // The balancer has raised its own; a program that uses select(2) breaks above 1,024.
    let current = files.to_str().and_then(|files| files.parse().ok());
    setrlimit(Resource::Nofile, Rlimit { current, ..getrlimit(Resource::Nofile) })
        .map_err(|error| format!("cannot set the limit of open files: {error}"))?;
    let error = Command::new(program).args(arguments).exec();
    Err(format!("cannot run '{}': {error}", program.display()))
}

fn watch(_: Vec<OsString>) -> Result<(), String> {
    let mut groups = BTreeSet::new();
    for line in io::stdin().lines().map_while(Result::ok) {
        match (line.get(..1), line.get(1..).and_then(|group| group.parse().ok())) {
            (Some("+"), Some(group)) => groups.insert(group),
            (Some("-"), Some(group)) => groups.remove(&group),
            _ => return Err(format!("not a group: {line:?}")),
        };
    }
    for group in groups.into_iter().filter_map(Pid::from_raw) {
        // An error means that the group ended by itself.
        let _ = kill_process_group(group, Signal::KILL);
    }
    Ok(())
}

/// Has the kernel kill this process when the thread that started it ends. Survives exec.
fn die_with(parent: &OsString) -> Result<(), String> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| format!("cannot ask for a parent death signal: {error}"))?;
    // It may have ended before the kernel was told.
    let alive = getppid().is_some_and(|pid| parent.to_str() == Some(&pid.to_string()));
    if alive { Ok(()) } else { Err("the balancer has ended".into()) }
}
