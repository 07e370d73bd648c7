//! Repeats on an embedded balancer with the chosen hash pair.

use lb::config::Config;
use lb::ring::{HashPair, Layout, Probing, SlotCap};

use super::candidate::ring;
use super::coverage::all_ids;
use super::measure::{seats, shares};
use crate::balancer;
use crate::distribution;
use crate::error::Error;
use crate::load::Load;
use crate::report::Section;
use crate::scaling;

/// The names of the sections, each with the metrics that `--assert` can name.
pub const SECTIONS: [(&str, &[&str]); 2] =
    [("hashing-live-distribution", distribution::METRICS), ("hashing-live-scaling", scaling::METRICS)];

/// Runs both on an embedded balancer of 512 slots, 9 virtual nodes and the default slot cap of the pair.
///
/// # Errors
/// When the balancer cannot be started, or answers no request.
pub async fn run(hash: HashPair, load: Load) -> Result<Vec<Section>, Error> {
    let layout = ring(hash, Probing::Linear, SlotCap::default_for(hash), 512, 9)?;
    let config = Config { layout, ..Config::default() };
    let replicas = config.replicas as u32;
    let balancer = balancer::embed(config)?;
    let mut distribution = distribution::run(&balancer, load).await?;
    distribution.text.insert(0, expected(&layout, replicas)?);
    let scaling = scaling::run(&balancer, load).await?;
    let renamed = SECTIONS.into_iter().zip([distribution, scaling]).map(|((name, _), section)| {
        let title = format!("A-4 live, {hash}: {}", section.title);
        Section { name, title, ..section }
    });
    Ok(renamed.collect())
}

/// One sentence with the shares that the placement code computes for the seats 1..=N and random ids.
fn expected(layout: &Layout, replicas: u32) -> Result<String, Error> {
    let ids = all_ids([layout]);
    let shares = shares(&layout.slot_map(&seats(1..=replicas))?, ids.per_slot(layout));
    let percent = |(_, share): &(_, u64)| format!("{:.1} %", 100.0 * *share as f64 / ids.requests() as f64);
    Ok(format!(
        "The balancer has the layout {layout}. The placement code expects these shares of its servers, from server1 \
         on: {}.",
        shares.iter().map(percent).collect::<Vec<_>>().join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expected_shares_of_the_assignment() {
        let expected = expected(&Layout::assignment(), 3).unwrap();
        assert!(expected.ends_with("from server1 on: 83.6 %, 4.7 %, 11.7 %."), "{expected}");
    }
}
