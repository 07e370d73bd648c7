//! Every setting as a flag of a clap command, beside the flag that names the file.

use clap::{Arg, Args as _, Command, ValueHint};

use super::args::Args;
use super::layers::variable;

/// Adds the flags of all settings, and `--config`.
pub(crate) fn with_flags(command: Command) -> Command {
    // Reset the heading for the arguments after the settings: a flattened struct sets its own.
    raw(Args::augment_args(command).next_help_heading(None).arg(file()))
}

/// Adds `--admin-listen` and `--config`.
pub(crate) fn with_admin_listen(command: Command) -> Command {
    let all = Args::augment_args(Command::new("all"));
    let admin = all.get_arguments().filter(|arg| arg.get_long() == Some("admin-listen")).cloned();
    raw(command.args(admin).arg(file()))
}

fn file() -> Arg {
    let file = Arg::new("config").long("config").value_name("FILE").value_hint(ValueHint::FilePath);
    file.help("TOML file with settings")
}

/// Accepts every value as text, since a layer above may still override it, and adds the variable to the help.
fn raw(command: Command) -> Command {
    command.mut_args(|arg| {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let env = format!("\n[env: {}]", variable(arg.get_long().unwrap_or_default()));
        let at = help.find(" [default:").unwrap_or(help.len());
        let help = format!("{}{env}{}", &help[..at], &help[at..]);
        arg.help(help).allow_negative_numbers(true).value_parser(clap::value_parser!(String))
    })
}
