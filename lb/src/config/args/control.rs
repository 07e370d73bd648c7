//! Flags of the control API.

use clap::ArgAction::Set;

use super::super::Control;
use super::super::change::{Setting, setting};
use super::super::value::{one_of, size, switch};

// The doc comments of the fields are the help texts.

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Control")]
pub(in crate::config) struct ControlCalls {
    /// Access to /rep, /add and /rm: open (every client), token (requests with the admin token) or off (the paths are
    /// forwarded like any other)
    #[arg(long, value_name = "open|token|off", default_value = "open", value_parser = control)]
    pub control: Control,

    /// Answer /rm of more replicas than there are with an error, instead of removing all
    #[arg(
        long,
        action = Set,
        value_name = "on|off",
        num_args = 0..=1,
        default_value = "off",
        default_missing_value = "on",
        value_parser = switch,
    )]
    pub strict_rm: bool,

    /// Largest body of /add and /rm
    #[arg(long, value_name = "SIZE", default_value = "64KiB", value_parser = size::<1, { 64 << 20 }>)]
    pub max_control_body: usize,
}

/// When a change of each of these settings takes effect.
pub(in crate::config) const SETTINGS: &[Setting] = &[
    setting!(Live, "control", control),
    setting!(Live, "strict-rm", strict_rm),
    setting!(Live, "max-control-body", max_control_body),
];

fn control(text: &str) -> Result<Control, String> {
    one_of(text, &[("open", Control::Open), ("token", Control::Token), ("off", Control::Off)])
}
