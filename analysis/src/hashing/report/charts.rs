//! Charts of the report.

use lb::ring::{Layout, Scheme, SlotMap};

use super::super::candidate::{Candidate, Family};
use super::super::coverage::{SEATS, home_slots};
use super::super::experiment::Findings;
use super::super::measure::{peak, seats, shares};
use super::super::summary::{Summary, mean};
use super::super::sweep;
use super::super::virtual_nodes::Row;
use crate::chart::{
    ChartImage, Curve, Curves, Panel, Point, Range, RangeChart, Ring, RingDrawing, Scatter, SlotStrips, Strip,
};
use crate::error::Error;
use crate::stats::perfect_peak_to_average;
use crate::table::grouped;

/// All charts, in reading order.
///
/// # Errors
/// When a chart cannot be drawn.
pub fn all(findings: &Findings) -> Result<Vec<ChartImage>, Error> {
    let charts = [
        ChartImage::of(
            "hashing_balance",
            "Imbalance of each scheme: peak-to-average of requests over the sets of seats",
            &balance(findings),
        )?,
        ChartImage::of(
            "hashing_trade",
            "Balance against disruption: lower and further left is better",
            &trade(findings),
        )?,
        ChartImage::of(
            "hashing_why",
            "Keys, home slots of the virtual nodes, and owners of each of the 512 slots",
            &why(findings)?,
        )?,
        ChartImage::of(
            "hashing_rings",
            "The slots of three servers in each scheme, clockwise from the top",
            &rings(findings)?,
        )?,
        ChartImage::of(
            "hashing_virtual_nodes",
            "Virtual nodes per seat: more of them even out the slots, until 512 slots are too few",
            &virtual_nodes(findings),
        )?,
    ];
    Ok(charts.into())
}

fn balance(findings: &Findings) -> RangeChart {
    let range = |(candidate, summary): (&Candidate, &Summary)| Range {
        name: candidate.name.clone(),
        values: summary.peak.values(),
        colour: colour(candidate.family),
    };
    RangeChart {
        title: format!("A-4: imbalance over {}", findings.sets()),
        axis: "Requests of the busiest seat / mean (median, middle 90 %)".into(),
        origin: 1.0,
        ranges: schemes(findings).map(range).collect(),
        guide: guide(findings),
    }
}

fn trade(findings: &Findings) -> Scatter {
    let point = |(candidate, summary): (&Candidate, &Summary)| Point {
        name: candidate.name.clone(),
        at: (100.0 * summary.excess, summary.peak.median),
        colour: colour(candidate.family),
    };
    Scatter {
        title: "A-4: balance against disruption (lower left is better)".into(),
        x_axis: "Keys moved beyond the ideal when a seat joins or leaves (% of the ideal)".into(),
        y_axis: "Peak-to-average of requests (median)".into(),
        origin: (0.0, 1.0),
        points: schemes(findings).map(point).collect(),
        guide: guide(findings),
    }
}

fn why(findings: &Findings) -> Result<SlotStrips, Error> {
    let layouts = [
        ("The assignment's polynomials", Layout::assignment()),
        ("xxh3 for both", uncapped(findings)),
        ("xxh3 for both, slot cap 1.10 (the default)", Layout::default()),
    ];
    let strip = |(name, layout): (&str, Layout)| {
        let map = layout.slot_map(&seats(1..=SEATS))?;
        let keys = findings.ids.per_slot(&layout);
        let all: u64 = keys.iter().sum();
        let captions = shares(&map, keys).into_iter().map(|(seat, share)| {
            format!("server {seat}: {:.1} % of the keys", 100.0 * share as f64 / all as f64)
        });
        let reached = findings.reached(&layout);
        Ok::<_, Error>(Strip {
            name: format!("{name}: H reaches {reached} of 512 slots"),
            keys: keys.into(),
            nodes: home_slots(&layout)
                .into_iter()
                .map(|(slot, seat)| (slot, seat.get() as usize - 1))
                .collect(),
            owners: owners(&map),
            seats: captions.collect(),
        })
    };
    Ok(SlotStrips {
        title: "A-4: why the polynomials fail".into(),
        note: "Slots 0 to 511; bars: keys per slot, scaled per strip; triangles: virtual nodes; band: owners"
            .into(),
        strips: layouts.into_iter().map(strip).collect::<Result<_, _>>()?,
    })
}

fn rings(findings: &Findings) -> Result<RingDrawing, Error> {
    let ring = |candidate: &Candidate| {
        let layout = &candidate.layout;
        let map = layout.slot_map(&seats(1..=SEATS))?;
        let mut owners = owners(&map);
        let slots = grouped(layout.slots().into());
        let mut note = format!("{slots} slots");
        // All 65,537 slots would be too fine to see: neighbouring slots have different owners.
        if !matches!(layout.scheme(), Scheme::Ring { .. }) {
            owners.truncate(512);
            note = format!("first 512 of {slots} slots");
        }
        Ok::<_, Error>(Ring {
            name: candidate.name.clone(),
            note,
            middle: format!("{:.2}", peak(&map, findings.ids.per_slot(layout))),
            owners,
        })
    };
    Ok(RingDrawing {
        title: "A-4: three servers on each ring (in the middle: peak-to-average of keys)".into(),
        seats: (1..=SEATS).map(|n| format!("server {n}")).collect(),
        rings: findings.candidates.iter().map(ring).collect::<Result<_, _>>()?,
    })
}

fn virtual_nodes(findings: &Findings) -> Curves {
    let curves = |of: fn(&Row) -> [f64; 3]| {
        let names = ["no slot cap", "slot cap 1.10"];
        let curve = |(name, rows): (&str, &Vec<Row>)| Curve {
            name: name.into(),
            points: rows.iter().map(|row| (f64::from(row.virtual_nodes), of(row))).collect(),
        };
        names.into_iter().zip(&findings.virtual_nodes).map(curve).collect()
    };
    Curves {
        title: "A-4: virtual nodes on 512 slots (xxh3, 2 to 9 seats)".into(),
        x_axis: "Virtual nodes per seat".into(),
        panels: vec![
            Panel {
                y_axis: "Peak-to-average of slots".into(),
                origin: 1.0,
                curves: curves(|row| row.peak.values()),
            },
            Panel {
                y_axis: "Needless moves (% of slots)".into(),
                origin: 0.0,
                curves: curves(|row| [100.0 * row.needless; 3]),
            },
        ],
    }
}

fn schemes(findings: &Findings) -> impl Iterator<Item = (&Candidate, &Summary)> {
    findings.candidates.iter().zip(&findings.summaries)
}

/// The peak-to-average of the best possible mapping: of random keys on average over the fleet sizes; of the user's keys
/// the bound set by the heaviest key, because a key cannot be split.
fn guide(findings: &Findings) -> (f64, String) {
    if let Some(user_keys) = &findings.user_keys {
        return (user_keys.balance.least_peak, "lower bound for any mapping".into());
    }
    let requests = findings.experiment.requests;
    let peaks = sweep::FLEET_SIZES.map(|n| perfect_peak_to_average(n as usize, requests));
    let perfect = mean(peaks);
    (perfect, format!("a perfect mapping of {} random keys", grouped(requests.into())))
}

/// The default layout without its slot cap.
fn uncapped(findings: &Findings) -> Layout {
    let hashed = |candidate: &&Candidate| {
        candidate.family == Family::Hashed && candidate.layout.hash() == Layout::default().hash()
    };
    findings.candidates.iter().find(hashed).map_or_else(Layout::default, |candidate| candidate.layout)
}

fn owners(map: &SlotMap) -> Vec<usize> {
    map.owners().map(|(_, seat)| seat.get() as usize - 1).collect()
}

/// Index of the family's colour in the palette.
fn colour(family: Family) -> usize {
    match family {
        Family::Polynomial => 1,
        Family::Hashed => 4,
        Family::Capped => 0,
        Family::Fine => 5,
        Family::Table => 2,
    }
}
