//! Flags of the listeners and of the admin token.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread::available_parallelism;

use super::super::Config;
use super::super::change::{Setting, setting};
use super::super::value::{OrOff, address, address_or_off, count, host};

// The doc comments of the fields are the help texts.

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Listeners")]
pub(in crate::config) struct Listeners {
    /// Address of the traffic listener, which serves clients
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5000", value_parser = address)]
    pub listen: SocketAddr,

    /// Address of the admin listener (/livez, /readyz, /metrics, /api/…), or off
    #[arg(long, value_name = "ADDR|off", default_value = "127.0.0.1:5001", value_parser = address_or_off)]
    pub admin_listen: OrOff<SocketAddr>,

    /// File with the admin token; LB_ADMIN_TOKEN can be the token itself. Requests carry it as Authorization: Bearer TOKEN.
    /// It is required on the admin listener, unless that has a loopback address and no token is given, and by --control
    /// token. A reload reads the file again [default: where a token is required, one is generated and logged]
    #[arg(long, value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,

    /// Host names that the admin listener accepts in Host, beside localhost and IP addresses [default: none]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = host)]
    pub admin_host: Vec<String>,

    /// Number of threads that serve clients [default: one per core]
    #[arg(long, value_name = "N", value_parser = count::<usize, 1, 1024>)]
    pub workers: Option<usize>,
}

/// When a change of each of these settings takes effect.
pub(in crate::config) const SETTINGS: &[Setting] = &[
    setting!("listen", |c: &Config| c.listen),
    setting!("admin-listen", |c: &Config| c.admin_listen),
    setting!(Secret, "admin-token-file", admin_token),
    setting!(Live, "admin-host", admin_hosts),
    setting!("workers", |c: &Config| c.workers),
];

/// The number of cores, at least one: the default of `--workers`.
pub(in crate::config) fn cores() -> usize {
    available_parallelism().map_or(1, NonZeroUsize::get)
}
