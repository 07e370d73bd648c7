//! Flags of connections to replicas, retries and forwarding fields.

use std::time::Duration;

use clap::ArgAction::Set;
use ipnet::IpNet;

use super::super::change::{Setting, setting};
use super::super::value::{OrOff, cidr, count, duration, duration_or_off, percent, switch};

// The doc comments of the fields are the help texts.

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Towards replicas")]
pub(in crate::config) struct Forwarding {
    /// Longest wait for a connection to a replica to be established
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration::<1>)]
    pub connect_timeout: Duration,

    /// Longest wait for the head of a replica's reply, or off
    #[arg(long, value_name = "DURATION|off", default_value = "30s", value_parser = duration_or_off::<1>)]
    pub head_timeout: OrOff<Duration>,

    /// Longest time without a byte while a body is transferred
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration::<1>)]
    pub idle_timeout: Duration,

    /// Close a connection to a replica that was idle for this long (checked every 250 ms), or off: use none twice; a
    /// replica's Keep-Alive field may shorten it
    #[arg(long, value_name = "DURATION|off", default_value = "60s", value_parser = duration_or_off::<1>)]
    pub pool_idle: OrOff<Duration>,

    /// Longest time from a request to the last byte of its reply, or off
    #[arg(long, value_name = "DURATION|off", default_value = "off", value_parser = duration_or_off::<1>)]
    pub request_timeout: OrOff<Duration>,

    /// Largest number of retries of a failed request, each at the next seat
    #[arg(long, value_name = "N", default_value = "2", value_parser = count::<u32, 0, 20>)]
    pub retries: u32,

    /// Largest number of retries, in percent of the requests of the last seconds; 10 retries a second in each worker
    /// are always allowed
    #[arg(long, value_name = "PERCENT", default_value = "20%", value_parser = percent)]
    pub retry_budget: u32,

    /// Networks (10.0.0.0/8, fd00::/8) and addresses of proxies whose forwarding headers (Forwarded, X-Real-IP,
    /// X-Forwarded-For, -Proto, -Host, -Port, -Server, -Prefix) are trusted; those of others are replaced or removed
    /// [default: none]
    #[arg(long, value_name = "CIDR,…", value_delimiter = ',', value_parser = cidr)]
    pub trusted_proxies: Vec<IpNet>,

    /// Replace a replica's 404 by the 400 of the built-in replica
    #[arg(
        long,
        action = Set,
        value_name = "on|off",
        num_args = 0..=1,
        default_value = "off",
        default_missing_value = "on",
        value_parser = switch,
    )]
    pub map_404: bool,
}

/// When a change of each of these settings takes effect.
pub(in crate::config) const SETTINGS: &[Setting] = &[
    setting!(Live, "connect-timeout", connect_timeout),
    setting!(Live, "head-timeout", head_timeout),
    setting!(Live, "idle-timeout", idle_timeout),
    setting!(Live, "pool-idle", pool_idle),
    setting!(Live, "request-timeout", request_timeout),
    setting!(Live, "retries", retries),
    setting!(Live, "retry-budget", retry_budget),
    setting!(Live, "trusted-proxies", trusted_proxies),
    setting!(Live, "map-404", map_404),
];
