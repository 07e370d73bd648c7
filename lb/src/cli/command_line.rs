//! The command line: subcommands and help; parses arguments into a [`Command`].

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args as _, FromArgMatches as _, Subcommand as _};
use clap_complete::Shell;

use super::{InvalidUrl, Invocation, ListenerUrl, Subcommand, Target};
use crate::config;
use crate::config::{Config, Exit, Source};
use crate::proxy::socket::reachable;

const ABOUT: &str = "\
An HTTP load balancer that runs its own replicas and routes to them by consistent hashing.

It starts the replicas, checks their health, replaces dead and hung ones, adds and removes replicas while \
traffic flows, and sends each request key to the same replica as long as the fleet is unchanged. Without flags \
it runs three replicas of the built-in server as child processes.

  lb                            run the balancer
  curl localhost:5000/home      send a request to one of the replicas
  curl localhost:5000/rep       list the replicas
  lb status                     show seats and replicas
  lb explain alice              show where a key goes

Any program that listens on $PORT can be a replica. lb can also balance existing servers:

  lb --replica-command 'python3 -m http.server {port}' --heartbeat-path /
  lb --runtime static --upstream host1:80 --upstream host2:80*50

Every flag can be an environment variable (--slot-cap: LB_SLOT_CAP) or a key of the TOML file (slot-cap = 1.2). \
A flag overrides its variable, the variable overrides the file. Durations are written 500ms, 2s, 1m; sizes 512, \
16KiB, 1MiB. A setting that the chosen runtime or layout does not use is an error. Logs go to standard error; RUST_LOG \
sets their level.

Exit codes: 0, 64 for a bad configuration, 1 for anything else.";

/// The task of the process.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Run the balancer.
    Run(Config),
    /// Run the built-in replica, with `PORT` and `SERVER_ID` of the environment.
    Replica,
    /// Check `/readyz` of a running balancer.
    Healthcheck {
        /// The address of the admin listener; loopback if it listens on every address.
        admin: SocketAddr,
    },
    /// Print a summary of the configuration.
    Check(Config),
    /// Call a running balancer.
    Call(Invocation),
    /// Print the completion script of a shell.
    Completions(Shell),
}

/// Parses the arguments (the program's name first) and the environment, and reads the file that they name. It binds no
/// socket and resolves no name.
///
/// # Errors
/// Help or version, with code 0; an invalid configuration, with [`Exit::BAD_CONFIGURATION`].
pub fn parse<T, K, V>(
    args: impl IntoIterator<Item = T>,
    env: impl IntoIterator<Item = (K, V)>,
) -> Result<Command, Exit>
where
    T: Into<OsString> + Clone,
    K: Into<OsString>,
    V: Into<OsString>,
{
    let (matches, env) = layers(args, env)?;
    match matches.subcommand() {
        Some(("replica", _)) => Ok(Command::Replica),
        Some(("healthcheck", matches)) => {
            let admin = Source::new(matches, &env).admin_listen()?;
            Ok(Command::Healthcheck { admin: reachable(admin) })
        }
        Some(("completions", matches)) => {
            let shell = matches.get_one::<Shell>("shell").copied();
            Ok(Command::Completions(shell.expect("clap has refused a line without the required shell")))
        }
        Some((name, target)) if Subcommand::has_subcommand(name) => invocation(&matches, target, &env),
        Some((_, matches)) => Source::new(matches, &env).resolve().map(Command::Check),
        None => Source::new(&matches, &env).resolve().map(Command::Run),
    }
}

/// The source from which a balancer with these arguments and this environment reads its configuration again.
///
/// # Errors
/// As [`parse`], if the command line is invalid. The file is not read.
pub fn source<T, K, V>(
    args: impl IntoIterator<Item = T>,
    env: impl IntoIterator<Item = (K, V)>,
) -> Result<Source, Exit>
where
    T: Into<OsString> + Clone,
    K: Into<OsString>,
    V: Into<OsString>,
{
    let (matches, env) = layers(args, env)?;
    Ok(Source::new(&matches, &env))
}

/// The layers beside the file: arguments and environment.
fn layers<T, K, V>(
    args: impl IntoIterator<Item = T>,
    env: impl IntoIterator<Item = (K, V)>,
) -> Result<(ArgMatches, HashMap<String, String>), Exit>
where
    T: Into<OsString> + Clone,
    K: Into<OsString>,
    V: Into<OsString>,
{
    let text = |text: OsString| text.to_string_lossy().into_owned();
    let env = env.into_iter().map(|(k, v)| (text(k.into()), text(v.into()))).collect();
    let matches = command().try_get_matches_from(args).map_err(|error| Exit::from(&error))?;
    Ok((matches, env))
}

fn invocation(
    matches: &ArgMatches,
    target: &ArgMatches,
    env: &HashMap<String, String>,
) -> Result<Command, Exit> {
    let subcommand = Subcommand::from_arg_matches(matches).map_err(|error| Exit::from(&error))?;
    // `lb upstream add` has a nested subcommand, which has the arguments.
    let target = target.subcommand().map_or(target, |(_, inner)| inner);
    let Target { admin, admin_token_file, json } =
        Target::from_arg_matches(target).map_err(|error| Exit::from(&error))?;
    // An empty variable counts as absent, as for the settings.
    let variable = |name: &str| env.get(name).filter(|text| !text.is_empty());
    let text = admin.as_ref().or_else(|| variable(Target::VARIABLE)).map_or(Target::DEFAULT, String::as_str);
    // Not by clap, whose message would repeat a password.
    let admin = text.parse().map_err(|error: InvalidUrl| {
        let shown = ListenerUrl::without_user(text);
        Exit::bad(match &admin {
            Some(_) => format!("invalid value '{shown}' for '--admin <URL>': {error}"),
            None => format!("{}={shown}: {error}", Target::VARIABLE),
        })
    })?;
    let by_flag = |file: &PathBuf| format!("--admin-token-file {}", file.display());
    let by_variable = |file: &String| (format!("{}={file}", Target::TOKEN_FILE), PathBuf::from(file));
    let file = admin_token_file.map(|file| (by_flag(&file), file));
    let file = file.or_else(|| variable(Target::TOKEN_FILE).map(by_variable));
    let token = config::token(file, env)?;
    Ok(Command::Call(Invocation { admin, token, json, subcommand }))
}

/// The completion script of a shell.
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "lb", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

fn command() -> clap::Command {
    let new = |name: &'static str| clap::Command::new(name).max_term_width(100);
    let calls = Subcommand::augment_subcommands(new("calls"));
    let calls = calls.get_subcommands().cloned().map(with_target);
    let shell = Arg::new("shell").value_name("SHELL").required(true).value_parser(clap::value_parser!(Shell));

    config::with_flags(new("lb"))
        .about(ABOUT)
        .version(env!("CARGO_PKG_VERSION"))
        .args_conflicts_with_subcommands(true)
        .subcommand(new("replica").about("Run the built-in replica on $PORT, named $SERVER_ID"))
        .subcommand(
            config::with_admin_listen(new("healthcheck"))
                .about("Exit with 0 if a running balancer is ready, with 1 if not"),
        )
        .subcommand(
            config::with_flags(new("check"))
                .about("Validate flags, environment and file, and print a summary of the configuration"),
        )
        .subcommands(calls)
        .subcommand(new("completions").arg(shell).about("Print the completion script of a shell"))
}

/// Adds the arguments that select the balancer to a subcommand, or to each of its nested subcommands.
fn with_target(subcommand: clap::Command) -> clap::Command {
    if subcommand.has_subcommands() {
        // By default the error for a missing nested subcommand would be the whole help instead of one line.
        let subcommand = subcommand.arg_required_else_help(false);
        return subcommand.mut_subcommands(with_target).max_term_width(100);
    }
    Target::augment_args(subcommand).max_term_width(100)
}
