//! Flags of the placement of keys on seats.

use super::super::Config;
use super::super::change::{Setting, setting};
use super::super::value::{count, one_of};
use crate::proxy::key::KeySources;
use crate::ring::{self, HashPair, Layout, Probing, SlotCap};

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Placement")]
pub(in crate::config) struct Placement {
    /// assignment: sets the nine settings of the classic assignment (its exact ring, random keys and no bounded load)
    #[arg(long, value_name = "PRESET", value_parser = preset)]
    pub preset: Option<Preset>,

    /// Scheme that assigns slots to seats: ring (virtual nodes on a circle), rendezvous (each slot to the seat with the
    /// highest score: moves the fewest keys) or maglev (the most even distribution)
    #[arg(long, value_name = "LAYOUT", default_value = "ring", value_parser = scheme)]
    pub layout: Scheme,

    /// Number of slots; for maglev a prime [default: 512 for ring, 65537 for the others]
    #[arg(long, value_name = "N", value_parser = count::<u32, 1, { Layout::MAX_SLOTS }>)]
    pub slots: Option<u32>,

    /// ring: number of virtual nodes of a seat
    #[arg(long, value_name = "N", default_value = "9", value_parser = count::<u32, 1, { Layout::MAX_SLOTS }>)]
    pub virtual_nodes: u32,

    /// ring: search for a free slot if the slot of a virtual node is taken: linear or quadratic
    #[arg(long, value_name = "PROBING", default_value = "linear")]
    pub probing: Probing,

    /// Hash of keys and virtual nodes: polynomial, md5, sha256 or xxh3
    #[arg(long, value_name = "HASH", default_value = "xxh3")]
    pub hash: HashPair,

    /// ring, rendezvous: largest number of slots of a seat, as a multiple of its share, or off [default: 1.10, off
    /// with polynomial]
    #[arg(long, value_name = "CAP|off")]
    pub slot_cap: Option<SlotCap>,

    /// Sources of a request's key, of which the first one present is used: header:NAME, query:NAME, path,
    /// path-segment:N, cookie:NAME, client-ip, random
    #[arg(
        long,
        value_name = "SOURCE,…",
        default_value = "header:X-Request-Id,query:request_id,query:rid,query:id,random"
    )]
    pub key: KeySources,
}

/// When a change of each of these settings takes effect.
pub(in crate::config) const SETTINGS: &[Setting] = &[
    setting!("layout", |c: &Config| c.layout.scheme().name()),
    setting!("slots", |c: &Config| c.layout.slots()),
    setting!("virtual-nodes", |c: &Config| ring(c).map(|(virtual_nodes, _)| virtual_nodes)),
    setting!("probing", |c: &Config| ring(c).map(|(_, probing)| probing)),
    setting!("hash", |c: &Config| c.layout.hash()),
    setting!("slot-cap", |c: &Config| c.layout.scheme().slot_cap()),
    setting!(Live, "key", key),
];

/// Named sets of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Preset {
    Assignment,
}

/// How slots are assigned to seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Scheme {
    Ring,
    Rendezvous,
    Maglev,
}

fn preset(text: &str) -> Result<Preset, String> {
    one_of(text, &[("assignment", Preset::Assignment)])
}

fn scheme(text: &str) -> Result<Scheme, String> {
    one_of(text, &[("ring", Scheme::Ring), ("rendezvous", Scheme::Rendezvous), ("maglev", Scheme::Maglev)])
}

fn ring(config: &Config) -> Option<(u32, Probing)> {
    match config.layout.scheme() {
        ring::Scheme::Ring { virtual_nodes, probing, .. } => Some((virtual_nodes, probing)),
        ring::Scheme::Rendezvous { .. } | ring::Scheme::Maglev => None,
    }
}
