//! The pictures of the report.

use lb::ring::{Layout, Scheme, SlotMap};

use super::candidate::{Candidate, Family};
use super::experiment::Findings;
use super::measure::{peak, seats, shares};
use super::reach::{SEATS, homes};
use super::summary::{Summary, mean};
use super::sweep;
use super::virtual_nodes::Row;
use crate::chart::{
    Curve, Curves, Panel, Picture, Point, Range, RangeChart, Ring, RingDrawing, Scatter, SlotStrips, Strip,
};
use crate::error::Error;
use crate::stats::perfect_peak_to_average;
use crate::table::grouped;

/// All of them, in the order of reading.
///
/// # Errors
/// When one cannot be drawn.
pub fn of(findings: &Findings) -> Result<Vec<Picture>, Error> {
    let pictures = [
        Picture::of(
            "hashing_balance",
            "How uneven each scheme is: peak-to-average of requests over the sets of seats",
            &balance(findings),
        )?,
        Picture::of(
            "hashing_trade",
            "Balance against disruption: what is down and to the left is better",
            &trade(findings),
        )?,
        Picture::of(
            "hashing_why",
            "Where keys fall, where virtual nodes want to lie, and who owns each of the 512 slots",
            &why(findings)?,
        )?,
        Picture::of(
            "hashing_rings",
            "The slots of three servers in each scheme, clockwise from the top",
            &rings(findings)?,
        )?,
        Picture::of(
            "hashing_virtual_nodes",
            "More virtual nodes a seat: more even, until 512 slots are too few for them",
            &virtual_nodes(findings),
        )?,
    ];
    Ok(pictures.into())
}

fn balance(findings: &Findings) -> RangeChart {
    let range = |(candidate, summary): (&Candidate, &Summary)| Range {
        name: candidate.name.clone(),
        values: summary.peak.values(),
        colour: colour(candidate.family),
    };
    RangeChart {
        title: format!("A-4: how uneven, over {}", findings.sets()),
        axis: "Requests of the busiest seat over the average (median, middle 90 %)".into(),
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
        let keys = findings.ids.on(&layout);
        let all: u64 = keys.iter().sum();
        let words = shares(&map, keys).into_iter().map(|(seat, share)| {
            format!("server {seat}: {:.1} % of the keys", 100.0 * share as f64 / all as f64)
        });
        let reached = findings.reached(&layout);
        Ok::<_, Error>(Strip {
            name: format!("{name}: H reaches {reached} of 512 slots"),
            keys: keys.into(),
            nodes: homes(&layout).into_iter().map(|(slot, seat)| (slot, seat.get() as usize - 1)).collect(),
            owners: owners(&map),
            seats: words.collect(),
        })
    };
    Ok(SlotStrips {
        title: "A-4: why the polynomials fail".into(),
        note:
            "Slots 0 to 511; bars: keys on each, to their own scale; triangles: virtual nodes; band: owners"
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
        // 65,537 slots that are owned in turn would be grey on any screen.
        if !matches!(layout.scheme(), Scheme::Ring { .. }) {
            owners.truncate(512);
            note = format!("first 512 of {slots} slots");
        }
        Ok::<_, Error>(Ring {
            name: candidate.name.clone(),
            note,
            middle: format!("{:.2}", peak(&map, findings.ids.on(layout))),
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
        x_axis: "Virtual nodes a seat".into(),
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

/// What even a perfect mapping shows: of random keys, on average over the fleets; of others, because a key is whole.
fn guide(findings: &Findings) -> (f64, String) {
    if let Some(own) = &findings.own {
        return (own.on_fleet.least_peak, "the least that any mapping can have".into());
    }
    let requests = findings.experiment.requests;
    let peaks = sweep::FLEETS.map(|n| perfect_peak_to_average(n as usize, requests));
    let perfect = mean(peaks);
    (perfect, format!("a perfect mapping of {} random keys", grouped(requests.into())))
}

/// The default without its cap.
fn uncapped(findings: &Findings) -> Layout {
    let hashed = |candidate: &&Candidate| {
        candidate.family == Family::Hashed && candidate.layout.hash() == Layout::default().hash()
    };
    findings.candidates.iter().find(hashed).map_or_else(Layout::default, |candidate| candidate.layout)
}

fn owners(map: &SlotMap) -> Vec<usize> {
    map.owners().map(|(_, seat)| seat.get() as usize - 1).collect()
}

/// Families have the colours of the palette in their order.
fn colour(family: Family) -> usize {
    match family {
        Family::Polynomial => 1,
        Family::Hashed => 4,
        Family::Capped => 0,
        Family::Fine => 5,
        Family::Table => 2,
    }
}
