//! Experiment A-3: what replicas that die or hang cost, and how soon they are replaced.

mod container;
mod endpoints;
mod figures;
mod incident;
mod pictures;
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

pub use section::{FACTS, NAME};

/// How it is measured.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Options {
    /// How many replicas are killed, one after the other; one that hangs follows
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = value_parser!(u32).range(1..=1000))]
    pub kills: u32,
    /// Requests a second meanwhile
    #[arg(long, value_name = "COUNT", default_value_t = 1000, value_parser = value_parser!(u32).range(1..=10_000))]
    pub rate: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { kills: 20, rate: 1000 }
    }
}

/// Runs it. Where nothing can be killed the endpoints are checked all the same.
///
/// # Errors
/// When the results cannot be drawn.
pub async fn run(balancer: &Balancer, options: Options, seed: u64) -> Result<Section, Error> {
    let endpoints = Endpoints::check(balancer).await;
    let traffic = Traffic::new(balancer, options.rate, seed);
    let mut incidents = match incident::possible(balancer).await {
        Ok(()) => traffic.during(Incidents::cause(balancer, &traffic, options.kills)).await,
        Err(reason) => Incidents { ended: Some(reason), ..Incidents::default() },
    };
    let replies = traffic.replies();
    for incident in incidents.kills.iter_mut().chain(&mut incidents.hang) {
        incident.moments.witness(&replies);
    }
    Results { endpoints, incidents, rate: options.rate, replies }.section()
}
