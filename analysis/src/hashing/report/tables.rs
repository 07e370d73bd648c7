//! Tables of the report.

use lb::ring::RingError;

use super::super::coverage::variants;
use super::super::experiment::{Findings, UserKeys};
use super::super::measure::{peak, seats};
use super::super::sweep;
use super::super::user_keys::HeavyKey;
use crate::table::{Cell, Table};

/// All tables, in reading order.
///
/// # Errors
/// Never: every layout has room for the seats.
pub fn all(findings: &Findings) -> Result<Vec<Table>, RingError> {
    let user_keys = findings.user_keys.iter().flat_map(|keys| [user_keys(findings, keys), hot_keys(keys)]);
    let general = [schemes(findings), fleets(findings)?, why(findings)?, virtual_nodes(findings)];
    Ok(user_keys.chain(general).collect())
}

fn schemes(findings: &Findings) -> Table {
    let columns = ["scheme", "peak", "5 %", "95 %", "by slots", "join", "leave", "needless (%)", "reached"];
    let caption = format!(
        "Over {}: peak-to-average of requests (median, and the middle 90 %) and of slots; share of the keys that a \
         join and a leave move, divided by the ideal 1/(N+1) and 1/N (means); share that moves between seats that \
         stay; number of slots that H reaches.",
        findings.sets()
    );
    let mut table = Table::new("hashing", caption, &columns);
    for (candidate, summary) in findings.candidates.iter().zip(&findings.summaries) {
        table.row([
            Cell::text(&candidate.name),
            Cell::Number(summary.peak.median, 3),
            Cell::Number(summary.peak.low, 3),
            Cell::Number(summary.peak.high, 3),
            Cell::Number(summary.slot_peak, 3),
            Cell::Number(summary.join, 2),
            Cell::Number(summary.leave, 2),
            Cell::Number(100.0 * summary.needless, 2),
            Cell::Count(findings.reached(&candidate.layout)),
        ]);
    }
    table
}

fn fleets(findings: &Findings) -> Result<Table, RingError> {
    let heads = sweep::FLEET_SIZES.map(|n| format!("N={n}"));
    let columns: Vec<_> = ["scheme".to_owned()].into_iter().chain(heads).collect();
    let columns: Vec<_> = columns.iter().map(String::as_str).collect();
    let caption =
        "Seats 1..=N, as in a fleet: the exact peak-to-average of random ids (each of the 900,000 once).";
    let mut table = Table::new("hashing_fleets", caption, &columns);
    for candidate in &findings.candidates {
        let mut row = vec![Cell::text(&candidate.name)];
        for n in sweep::FLEET_SIZES {
            let map = candidate.layout.slot_map(&seats(1..=n))?;
            row.push(Cell::Number(peak(&map, findings.ids.per_slot(&candidate.layout)), 3));
        }
        table.row(row);
    }
    Ok(table)
}

fn why(findings: &Findings) -> Result<Table, RingError> {
    let columns = [
        "polynomials",
        "slots",
        "reached",
        "longest run",
        "server 1 (%)",
        "2 (%)",
        "3 (%)",
        "peak-to-average",
    ];
    let caption = "Why the polynomials fail, and what helps: three servers, each of the 900,000 ids once. H places \
                   keys, Φ virtual nodes; the longest run is the largest number of successive slots of one server.";
    let mut table = Table::new("hashing_why", caption, &columns);
    for variant in variants(&findings.ids)? {
        let head = [
            Cell::text(variant.name),
            Cell::Count(variant.slots.into()),
            Cell::Count(variant.reached as u64),
            Cell::Count(variant.longest_run as u64),
        ];
        let shares = variant.shares.iter().map(|share| Cell::Number(100.0 * share, 1));
        table.row(head.into_iter().chain(shares).chain([Cell::Number(variant.peak, 3)]).collect::<Vec<_>>());
    }
    Ok(table)
}

fn virtual_nodes(findings: &Findings) -> Table {
    let columns =
        ["virtual nodes", "peak", "5 %", "95 %", "needless (%)", "peak, cap 1.10", "needless, cap 1.10 (%)"];
    let caption = format!(
        "Virtual nodes per seat, 512 slots, xxh3, {} sets of 2 to 9 seats: peak-to-average of slots, and the share \
         that moves needlessly when a seat leaves.",
        findings.experiment.seat_sets
    );
    let mut table = Table::new("hashing_virtual_nodes", caption, &columns);
    let [free, capped] = &findings.virtual_nodes;
    for (free, capped) in free.iter().zip(capped) {
        table.row([
            Cell::Count(free.virtual_nodes.into()),
            Cell::Number(free.peak.median, 3),
            Cell::Number(free.peak.low, 3),
            Cell::Number(free.peak.high, 3),
            Cell::Number(100.0 * free.needless, 2),
            Cell::Number(capped.peak.median, 3),
            Cell::Number(100.0 * capped.needless, 2),
        ]);
    }
    table
}

fn user_keys(findings: &Findings, user_keys: &UserKeys) -> Table {
    let n = f64::from(findings.experiment.seats);
    let columns = ["scheme", "requests", "keys", "without hot", "join (%)", "leave (%)", "needless (%)"];
    let caption = format!(
        "Your keys on seats 1..={n}: peak-to-average of requests, of distinct keys, and of requests without the hot \
         keys; share of the requests that move when a seat joins (ideal {:.1} %) and, on average over the seats, when \
         one leaves (ideal {:.1} %); mean share of both that moves between seats that stay.",
        100.0 / (n + 1.0),
        100.0 / n
    );
    let mut table = Table::new("hashing_keys", caption, &columns);
    let ratio = |value: f64| if value > 0.0 { Cell::Number(value, 3) } else { Cell::None };
    for (candidate, row) in findings.candidates.iter().zip(&user_keys.balance.rows) {
        table.row([
            Cell::text(&candidate.name),
            Cell::Number(row.peak, 3),
            row.key_peak.map_or(Cell::None, |peak| Cell::Number(peak, 3)),
            ratio(row.without_hot),
            Cell::Number(100.0 * row.join.all, 1),
            Cell::Number(100.0 * row.leave.all, 1),
            Cell::Number(50.0 * (row.join.needless + row.leave.needless), 2),
        ]);
    }
    table
}

fn hot_keys(user_keys: &UserKeys) -> Table {
    let caption = "Your heaviest keys, and their seats in the balancer's default layout; a key is hot if it alone is \
                   more than 5 % of a seat's even share.";
    let mut table = Table::new("hashing_hot_keys", caption, &["key", "requests", "share (%)", "hot", "seat"]);
    for HeavyKey { key, requests, share, seat, hot } in
        user_keys.balance.heaviest.iter().take(UserKeys::SHOWN)
    {
        table.row([
            Cell::text(readable(key)),
            Cell::Count(*requests),
            Cell::Number(100.0 * share, 3),
            Cell::text(if *hot { "yes" } else { "no" }),
            seat.map_or(Cell::None, |seat| Cell::Count(seat.get().into())),
        ]);
    }
    table
}

/// A key as text; control characters and bytes that are not UTF-8 are escaped.
pub fn readable(key: &[u8]) -> String {
    match str::from_utf8(key) {
        Ok(text) => text
            .chars()
            .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
            .collect(),
        Err(_) => key.escape_ascii().to_string(),
    }
}
