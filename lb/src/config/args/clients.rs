//! Flags of connections to clients.

use std::time::Duration;

use super::super::Config;
use super::super::change::{Setting, setting};
use super::super::value::{OrOff, body_or_off, count, duration, size};
use crate::proxy::dispatcher::UpgradeAllow;

// The doc comments of the fields are the help texts.

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Towards clients")]
pub(in crate::config) struct Clients {
    /// Largest number of client connections at one time
    #[arg(long, value_name = "N", default_value = "25000", value_parser = count::<usize, 1, 1_000_000>)]
    pub max_connections: usize,

    /// Largest number of requests in flight in each worker
    #[arg(long, value_name = "N", default_value = "10000", value_parser = count::<usize, 1, 1_000_000>)]
    pub max_in_flight: usize,

    /// Largest size of all header fields of a request together; a larger header or more than 96 fields are answered 431
    #[arg(long, value_name = "SIZE", default_value = "16KiB", value_parser = size::<1024, { 1 << 20 }>)]
    pub max_header_size: usize,

    /// Longest target of a request (path and query); a longer one is answered 414
    #[arg(long, value_name = "SIZE", default_value = "8KiB", value_parser = size::<128, { 63 << 10 }>)]
    pub max_target: usize,

    /// Largest body of a request, or off; a larger one is answered 413
    #[arg(long, value_name = "SIZE|off", default_value = "off", value_parser = body_or_off)]
    pub max_body: OrOff<u64>,

    /// Longest wait for the whole head of a request, from its first byte, and for the whole body of /add and /rm
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::<1>)]
    pub client_head_timeout: Duration,

    /// Close a client connection after this long without a byte in either direction
    #[arg(long, value_name = "DURATION", default_value = "75s", value_parser = duration::<1>)]
    pub client_idle_timeout: Duration,

    /// Protocols to which a client may upgrade its connection: any, off, or a list such as websocket; HTTP/2 (h2c) and
    /// TLS are never forwarded
    #[arg(long, value_name = "NAME,…|any|off", default_value = "any", value_parser = UpgradeAllow::parse)]
    pub upgrade_allow: UpgradeAllow,
}

/// When a change of each of these settings takes effect.
pub(in crate::config) const SETTINGS: &[Setting] = &[
    setting!("max-connections", |c: &Config| c.max_connections),
    setting!(Live, "max-in-flight", max_in_flight),
    setting!(Live, "max-header-size", max_header_size),
    setting!(Live, "max-target", max_target),
    setting!(Live, "max-body", max_body),
    setting!(Live, "client-head-timeout", client_head_timeout),
    setting!(Live, "client-idle-timeout", client_idle_timeout),
    setting!(Live, "upgrade-allow", upgrade_allow),
];
