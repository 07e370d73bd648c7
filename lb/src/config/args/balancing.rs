//! Flags of the routing policy and of the bounded load.

use super::super::change::{Setting, setting};
use super::super::value::{OrOff, count, factor_or_off, one_of};
use crate::balance::Policy;

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Balancing")]
pub(in crate::config) struct Balancing {
    /// First choice of a request: hash (the replica of its key), round-robin, least-requests (of two random replicas
    /// the one with fewer in flight) or peak-ewma (of two random replicas the faster one); a retry follows the walk of
    /// the key
    #[arg(long, value_name = "POLICY", default_value = "hash", value_parser = policy)]
    pub policy: Policy,

    /// hash: largest number of requests in flight to a replica, as a multiple of its share of all requests in flight;
    /// further requests go to the next seat; or off
    #[arg(long, value_name = "FACTOR|off", default_value = "1.25", value_parser = factor_or_off)]
    pub bounded_load: OrOff<u32>,

    /// hash: number of requests in flight to a replica, over all workers, that the bounded load always allows
    #[arg(long, value_name = "N", default_value = "16", value_parser = count::<usize, 0, 1_000_000>)]
    pub bounded_load_floor: usize,
}

/// When a change of each of these settings takes effect.
pub(in crate::config) const SETTINGS: &[Setting] = &[
    setting!(Live, "policy", policy),
    Setting {
        // Other policies have no bound: a change of the policy must not be reported as a change of the bound.
        differs: |a, b| [a, b].iter().all(|c| c.policy == Policy::Hash) && a.bounded_load != b.bounded_load,
        ..setting!(Live, "bounded-load", bounded_load)
    },
    setting!(Live, "bounded-load-floor", bounded_load_floor),
];

fn policy(text: &str) -> Result<Policy, String> {
    one_of(text, &Policy::ALL.map(|policy| (policy.as_str(), policy)))
}
