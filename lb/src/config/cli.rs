//! The command line: subcommands, help, and the way from arguments to a [`Command`].

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args as _, FromArgMatches as _, Subcommand as _, ValueHint};
use clap_complete::Shell;

use super::Config;
use super::args::Args;
use super::exit::Exit;
use super::secret::{self, Secret};
use super::settings::{Settings, variable};
use crate::cli::{Ask, Call, Target};
use crate::proxy::socket::reachable;
use crate::url::Url;

const ABOUT: &str = "\
An HTTP load balancer that runs its own replicas and routes to them by consistent hashing.

It starts the replicas, watches them, replaces the dead and the hung, adds and removes them while traffic \
flows, and sends each request key to the same replica as long as the fleet allows. Without any flag it runs \
three replicas of the built-in server as child processes.

  lb                            run it
  curl localhost:5000/home      be served by one of the replicas
  curl localhost:5000/rep       list them
  lb status                     see its seats and replicas
  lb explain alice              see where a key goes

Any program that listens on $PORT can be a replica; or balance servers that run somewhere already:

  lb --replica-command 'python3 -m http.server {port}' --heartbeat-path /
  lb --runtime static --upstream host1:80 --upstream host2:80*50

Every flag can be an environment variable (--slot-cap: LB_SLOT_CAP) or a key of the TOML file (slot-cap = 1.2). \
A flag wins over its variable, the variable over the file. Durations are written 500ms, 2s, 1m; sizes 512, \
16KiB, 1MiB. A setting that the chosen runtime or layout does not use is an error. Logs go to standard error; RUST_LOG \
sets their level.

Exit codes: 0, 64 for a bad configuration, 1 for anything else.";

/// What the process is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Run the balancer.
    Run(Config),
    /// Run the built-in replica; `PORT` and `SERVER_ID` are in the environment.
    Replica,
    /// Ask `/readyz`.
    Healthcheck {
        /// Where the admin listener can be reached from here: loopback if it listens on every address.
        admin: SocketAddr,
    },
    /// Print what would be run.
    Check(Config),
    /// Ask a running balancer.
    Ask(Ask),
    /// Print a script by which a shell completes the command line.
    Completions(Shell),
}

/// Makes a command of the arguments (the program's name first) and the environment. Reads the file that they name;
/// binds nothing, resolves nothing.
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
    let config = |matches: &ArgMatches| Config::resolve(&Settings::gather(matches, &env)?);
    match matches.subcommand() {
        Some(("replica", _)) => Ok(Command::Replica),
        Some(("healthcheck", matches)) => healthcheck(&Settings::gather(matches, &env)?),
        Some(("completions", matches)) => {
            let shell = matches.get_one::<Shell>("shell").copied();
            Ok(Command::Completions(shell.expect("clap has refused a line without the required shell")))
        }
        Some((name, target)) if Call::has_subcommand(name) => ask(&matches, target, &env),
        Some((_, matches)) => config(matches).map(Command::Check),
        None => config(&matches).map(Command::Run),
    }
}

/// What was said beside the file.
pub(super) fn layers<T, K, V>(
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

fn healthcheck(settings: &Settings) -> Result<Command, Exit> {
    let Some(admin) = settings.args()?.listeners.admin_listen else {
        let place = settings.place("admin-listen");
        return Err(Exit::bad(format!("{place}: there is no admin listener to ask")));
    };
    Ok(Command::Healthcheck { admin: reachable(admin) })
}

fn ask(matches: &ArgMatches, target: &ArgMatches, env: &HashMap<String, String>) -> Result<Command, Exit> {
    let call = Call::from_arg_matches(matches).map_err(|error| Exit::from(&error))?;
    // Of `lb upstream add` the inner one.
    let target = target.subcommand().map_or(target, |(_, inner)| inner);
    let Target { admin, admin_token_file, json } =
        Target::from_arg_matches(target).map_err(|error| Exit::from(&error))?;
    // Empty counts as absent, as for the settings.
    let variable = |name: &str| env.get(name).filter(|text| !text.is_empty());
    let given = variable(Target::VARIABLE);
    let said = || {
        let text = given.map_or(Target::DEFAULT, String::as_str);
        text.parse::<Url>().map_err(|error| Exit::bad(format!("{}={text}: {error}", Target::VARIABLE)))
    };
    let admin = admin.map_or_else(said, Ok)?;
    let by_flag = |file: &PathBuf| format!("--admin-token-file {}", file.display());
    let by_variable = |file: &String| (format!("{}={file}", Target::TOKEN_FILE), PathBuf::from(file));
    let file = admin_token_file.map(|file| (by_flag(&file), file));
    let file = file.or_else(|| variable(Target::TOKEN_FILE).map(by_variable));
    let token = secret::token(file, Secret::of(env).as_ref())?;
    Ok(Command::Ask(Ask { admin, token, json, call }))
}

/// The script by which a shell completes the command line.
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "lb", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

fn command() -> clap::Command {
    let new = |name: &'static str| clap::Command::new(name).max_term_width(100);
    let file = || {
        let file = Arg::new("config").long("config").value_name("FILE").value_hint(ValueHint::FilePath);
        file.help("The TOML file")
    };
    // The title after the settings: a flattened struct brings its own.
    let settings =
        |command, about| raw(Args::augment_args(command).next_help_heading(None).arg(file())).about(about);
    let all = Args::augment_args(new("all"));
    let admin = all.get_arguments().filter(|arg| arg.get_long() == Some("admin-listen")).cloned();

    let calls = Call::augment_subcommands(new("calls"));
    let calls = calls.get_subcommands().cloned().map(with_target);
    let shell = Arg::new("shell").value_name("SHELL").required(true).value_parser(clap::value_parser!(Shell));

    settings(new("lb"), ABOUT)
        .version(env!("CARGO_PKG_VERSION"))
        .args_conflicts_with_subcommands(true)
        .subcommand(new("replica").about("Run the built-in replica on $PORT, named $SERVER_ID"))
        .subcommand(
            raw(new("healthcheck").args(admin).arg(file()))
                .about("Exit with 0 if a running balancer is ready, with 1 if not"),
        )
        .subcommand(settings(
            new("check"),
            "Validate the flags, the environment and the file, and print what would be run",
        ))
        .subcommands(calls)
        .subcommand(
            new("completions").arg(shell).about("Print a script by which a shell completes the command line"),
        )
}

/// A call with the arguments that say which balancer it goes to: of a call with subcommands, each of these has them.
fn with_target(call: clap::Command) -> clap::Command {
    if call.has_subcommands() {
        // An error of one line names the subcommands; by default the whole help would be the error.
        let call = call.arg_required_else_help(false);
        return call.mut_subcommands(with_target).max_term_width(100);
    }
    Target::augment_args(call).max_term_width(100)
}

/// Takes every value as it is, since it may yet be overridden or override others, and names its variable.
fn raw(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let env = format!("\n[env: {}]", variable(arg.get_long().unwrap_or_default()));
        let at = help.find(" [default:").unwrap_or(help.len());
        let help = format!("{}{env}{}", &help[..at], &help[at..]);
        arg.help(help).allow_negative_numbers(true).value_parser(clap::value_parser!(String))
    })
}
