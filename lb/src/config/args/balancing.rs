//! Which replica a request goes to, beside what the key says.

use super::super::value::{OrOff, count, factor_or_off, one_of};
use crate::balance::Policy;

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Balancing")]
pub(in crate::config) struct Balancing {
    /// A request's first choice: hash (its key's replica), round-robin, least-requests (of two drawn the one with fewer
    /// in flight) or peak-ewma (of two drawn the one that answers sooner). A retry follows the key's walk
    #[arg(long, value_name = "POLICY", default_value = "hash", value_parser = policy)]
    pub policy: Policy,

    /// hash: the most that a replica may have in flight, as a multiple of its share; what is more goes to the next
    /// seat; or off
    #[arg(long, value_name = "FACTOR|off", default_value = "1.25", value_parser = factor_or_off)]
    pub bounded_load: OrOff<u32>,

    /// Requests in flight to one replica, over all workers, that are never too many
    #[arg(long, value_name = "N", default_value = "16", value_parser = count::<usize, 0, 1_000_000>)]
    pub bounded_load_floor: usize,
}

fn policy(text: &str) -> Result<Policy, String> {
    one_of(
        text,
        &[
            ("hash", Policy::Hash),
            ("round-robin", Policy::RoundRobin),
            ("least-requests", Policy::LeastRequests),
            ("peak-ewma", Policy::PeakEwma),
        ],
    )
}
