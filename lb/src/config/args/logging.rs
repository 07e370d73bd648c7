//! Flags of the access log, of the redaction of keys and of the debug headers.

use clap::ArgAction::Set;

use super::super::change::{Setting, setting};
use super::super::value::{OrOff, access_log_or_off, one_of, switch};
use crate::observe::access_log;
use crate::proxy::redaction::LogKey;

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Logging")]
pub(in crate::config) struct Logging {
    /// Log a line for every request: combined or json, to standard output or, as json:FILE, to a file, which is
    /// reopened on SIGUSR1; or off
    #[arg(long, value_name = "FORMAT[:FILE]|off", default_value = "off", value_parser = access_log_or_off)]
    pub access_log: OrOff<access_log::Settings>,

    /// Form of request keys in the access log, in every field, and in the hot keys: plain, hash (keyed with a random
    /// secret of the process) or off
    #[arg(long, value_name = "FORM", default_value = "hash", value_parser = log_key)]
    pub log_key: LogKey,

    /// Add headers about the routing to each reply: X-LB-Replica, -Slot, -Attempts, -Epoch and Server-Timing
    #[arg(
        long,
        action = Set,
        value_name = "on|off",
        num_args = 0..=1,
        default_value = "off",
        default_missing_value = "on",
        value_parser = switch,
    )]
    pub debug_headers: bool,
}

/// When a change of each of these settings takes effect.
pub(in crate::config) const SETTINGS: &[Setting] = &[
    setting!(Live, "access-log", access_log),
    setting!(Live, "log-key", log_key),
    setting!(Live, "debug-headers", debug_headers),
];

fn log_key(text: &str) -> Result<LogKey, String> {
    one_of(text, &[("plain", LogKey::Plain), ("hash", LogKey::Hash), ("off", LogKey::Off)])
}
