//! Flags of the heartbeats and of the ejection.

use std::time::Duration;

use awc::http::uri::PathAndQuery;

use super::super::change::{Setting, setting};
use super::super::value::{OrOff, count, duration, eject_on, good_statuses, host_field, path_or_off};
use crate::statuses::Statuses;

// The doc comments of the fields are the help texts.

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Health")]
pub(in crate::config) struct Health {
    /// Path of the heartbeat request; off: a heartbeat only opens a connection
    #[arg(long, value_name = "PATH|off", default_value = "/heartbeat", value_parser = path_or_off)]
    pub heartbeat_path: OrOff<PathAndQuery>,

    /// Host header of heartbeats [default: the address of the replica]
    #[arg(long, value_name = "HOST", value_parser = host_field)]
    pub heartbeat_host: Option<String>,

    /// Statuses of a good heartbeat: a list of statuses, ranges and classes such as 200-299,404 or 2xx
    #[arg(long, value_name = "STATUS,…", default_value = "200-399", value_parser = good_statuses)]
    pub heartbeat_status: Statuses,

    /// Time from one heartbeat to the next
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = duration::<10>)]
    pub heartbeat_interval: Duration,

    /// Longest wait for the response to a heartbeat
    #[arg(long, value_name = "DURATION", default_value = "400ms", value_parser = duration::<1>)]
    pub heartbeat_timeout: Duration,

    /// Number of missed heartbeats in a row that make a replica suspect
    #[arg(long, value_name = "N", default_value = "3", value_parser = count::<u32, 1, 100>)]
    pub heartbeat_failures: u32,

    /// Time without a good heartbeat or any reply after which a replica counts as dead and is replaced
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = duration::<10>)]
    pub replace_after: Duration,

    /// Statuses of which five replies in a row eject a replica: a list of statuses, ranges and classes such as
    /// 500,502-504 or 5xx; or off
    #[arg(long, value_name = "STATUS,…|off", default_value = "500,502-504", value_parser = eject_on)]
    pub eject_on: Statuses,
}

/// When a change of each of these settings takes effect.
pub(in crate::config) const SETTINGS: &[Setting] = &[
    setting!(Live, "heartbeat-path", heartbeat.path),
    setting!(Live, "heartbeat-host", heartbeat.host),
    setting!(Live, "heartbeat-status", heartbeat.statuses),
    setting!(Live, "heartbeat-interval", heartbeat.interval),
    setting!(Live, "heartbeat-timeout", heartbeat.timeout),
    setting!(Live, "heartbeat-failures", heartbeat.failures),
    setting!(Live, "replace-after", heartbeat.replace_after),
    setting!(Live, "eject-on", eject_on),
];
