//! Every setting with its flag, default and help, and when a change takes effect. The names of `LB_…` variables and TOML
//! keys are derived from the flag.

mod balancing;
mod clients;
mod control;
mod docker;
mod forwarding;
mod health;
mod listeners;
mod logging;
mod placement;
mod replicas;

use super::change::Setting;
pub(super) use balancing::Balancing;
pub(super) use clients::Clients;
pub(super) use control::ControlCalls;
pub(super) use docker::Docker;
pub(super) use forwarding::Forwarding;
pub(super) use health::Health;
pub(super) use listeners::{Listeners, cores};
pub(super) use logging::Logging;
pub(super) use placement::{Placement, Preset, Scheme};
pub(super) use replicas::{Replicas, RuntimeKind};

/// All settings, each parsed and valid by itself, not yet checked against the others.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub listeners: Listeners,
    #[command(flatten)]
    pub replicas: Replicas,
    #[command(flatten)]
    pub docker: Docker,
    #[command(flatten)]
    pub placement: Placement,
    #[command(flatten)]
    pub balancing: Balancing,
    #[command(flatten)]
    pub health: Health,
    #[command(flatten)]
    pub forwarding: Forwarding,
    #[command(flatten)]
    pub clients: Clients,
    #[command(flatten)]
    pub control: ControlCalls,
    #[command(flatten)]
    pub logging: Logging,
}

/// When a change of each setting takes effect, by group.
pub(super) const SETTINGS: [&[Setting]; 10] = [
    listeners::SETTINGS,
    replicas::SETTINGS,
    docker::SETTINGS,
    placement::SETTINGS,
    balancing::SETTINGS,
    health::SETTINGS,
    forwarding::SETTINGS,
    clients::SETTINGS,
    control::SETTINGS,
    logging::SETTINGS,
];
