//! The other experiments, live, on a balancer with the hash pair chosen.

use lb::config::Config;
use lb::ring::{HashPair, Layout, Probing, SlotCap};

use super::candidate::ring;
use super::measure::{seats, shares};
use super::reach::all_ids;
use crate::balancer;
use crate::distribution;
use crate::error::Error;
use crate::load::Load;
use crate::report::Section;
use crate::scaling;

/// The names of the sections, and what `--assert` can name of each.
pub const NAMED: [(&str, &[&str]); 2] =
    [("hashing-live-distribution", distribution::FACTS), ("hashing-live-scaling", scaling::FACTS)];

/// Runs them on an embedded balancer of 512 slots, 9 virtual nodes and the default slot cap of the pair.
///
/// # Errors
/// When it cannot be started, or answers nothing.
pub async fn run(hash: HashPair, load: Load) -> Result<Vec<Section>, Error> {
    let layout = ring(hash, Probing::Linear, SlotCap::default_for(hash), 512, 9)?;
    let config = Config { layout, ..Config::default() };
    let replicas = config.replicas as u32;
    let balancer = balancer::embed(config)?;
    let mut distribution = distribution::run(&balancer, load).await?;
    distribution.text.insert(0, expected(&layout, replicas)?);
    let scaling = scaling::run(&balancer, load).await?;
    let renamed = NAMED.into_iter().zip([distribution, scaling]).map(|((name, _), section)| {
        let title = format!("A-4 live, {hash}: {}", section.title);
        Section { name, title, ..section }
    });
    Ok(renamed.collect())
}

/// What the placement code says of the seats 1..=N and random ids.
fn expected(layout: &Layout, replicas: u32) -> Result<String, Error> {
    let ids = all_ids([layout]);
    let shares = shares(&layout.slot_map(&seats(1..=replicas))?, ids.on(layout));
    let percent = |(_, share): &(_, u64)| format!("{:.1} %", 100.0 * *share as f64 / ids.requests() as f64);
    Ok(format!(
        "A balancer with the layout {layout} is asked. The placement code expects these shares \
         of its servers, from server1 on: {}.",
        shares.iter().map(percent).collect::<Vec<_>>().join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_of_the_assignment() {
        let expected = expected(&Layout::assignment(), 3).unwrap();
        assert!(expected.ends_with("from server1 on: 83.6 %, 4.7 %, 11.7 %."), "{expected}");
    }
}
