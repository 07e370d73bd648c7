//! Experiment A-3: requests that fail when replicas are killed or hang, and the time until they are replaced.

mod charts;
mod container;
mod endpoints;
mod figures;
mod incident;
mod process;
mod section;
mod traffic;
mod victim;
mod watch;

use clap::value_parser;

use crate::balancer::Balancer;
use crate::error::Error;
use crate::report::Section;

use endpoints::Endpoints;
use incident::Incidents;
use section::Results;
use traffic::Traffic;

pub use section::{METRICS, NAME};

/// Options of the experiment.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Options {
    /// Number of replicas that are killed, one after the other; one more is made to hang
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = value_parser!(u32).range(1..=1000))]
    pub kills: u32,
    /// Requests per second during the experiment
    #[arg(long, value_name = "COUNT", default_value_t = 1000, value_parser = value_parser!(u32).range(1..=10_000))]
    pub rate: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { kills: 20, rate: 1000 }
    }
}

/// Runs the experiment. Where no replica can be killed, only the endpoints are checked.
///
/// # Errors
/// When a chart cannot be drawn.
pub async fn run(balancer: &Balancer, options: Options, seed: u64) -> Result<Section, Error> {
    let endpoints = Endpoints::check(balancer).await;
    let traffic = Traffic::new(balancer, options.rate, seed);
    let mut incidents = match incident::check_possible(balancer).await {
        Ok(()) => traffic.during(Incidents::run(balancer, &traffic, options.kills)).await,
        Err(reason) => Incidents { ended: Some(reason), ..Incidents::default() },
    };
    let replies = traffic.replies();
    for incident in incidents.kills.iter_mut().chain(&mut incidents.hang) {
        incident.times.apply_replies(&replies);
    }
    Results { endpoints, incidents, rate: options.rate, replies }.section()
}
