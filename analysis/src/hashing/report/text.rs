//! Text of the report: how the figures were measured, and what they mean.

use lb::ring::{Layout, RingError};

use super::super::coverage::{SEATS, home_slots};
use super::super::experiment::{Findings, UserKeys};
use super::super::measure::{longest_run, seats};
use super::super::sweep::MAX_SEAT;
use super::tables::readable;
use crate::table::{cut, grouped};

/// The paragraphs of the text.
///
/// # Errors
/// Never: every layout has room for three seats.
pub fn paragraphs(findings: &Findings) -> Result<Vec<String>, RingError> {
    let user_keys =
        findings.user_keys.iter().flat_map(|keys| [counted(findings, keys), imbalance(findings, keys)]);
    // The comparison of variants is given for random ids only: for other keys it depends on the keys.
    let variants = findings.user_keys.is_none().then(|| variants(findings));
    Ok(user_keys.chain([measured(findings), why(findings)?]).chain(variants).collect())
}

fn measured(findings: &Findings) -> String {
    let keys = match &findings.user_keys {
        Some(_) => "the same keys of yours each time".to_owned(),
        None => format!(
            "{} random ids from 100000 to 999999 drawn anew each time: another sample of seat numbers and keys has the \
             effect of another seed of the hash functions",
            grouped(findings.experiment.requests.into())
        ),
    };
    format!(
        "Measured on the balancer's placement code, not over HTTP, and so without bounded load: shares and moved keys \
         are those of the first choice. Each scheme places {} drawn from 1 to {MAX_SEAT}, with {keys}; then one more \
         seat joins and one leaves. A single join or leave moves what that seat owns, which averages to the ideal; \
         moves beyond it are between seats that stay, which no change requires.",
        findings.sets()
    )
}

fn why(findings: &Findings) -> Result<String, RingError> {
    let assignment = Layout::assignment();
    let mut hits = findings.ids.per_slot(&assignment).to_vec();
    hits.sort_unstable_by(|a, b| b.cmp(a));
    let all: u64 = hits.iter().sum();
    let half = hits.iter().scan(0, |sum, hits| {
        *sum += hits;
        Some(*sum)
    });
    let half = half.take_while(|sum| *sum < all / 2).count() + 1;
    let slots: Vec<_> = home_slots(&assignment).into_iter().map(|(slot, _)| slot).collect();
    let (first, last) = (slots.iter().min().unwrap_or(&0), slots.iter().max().unwrap_or(&0));
    let run = longest_run(&assignment.slot_map(&seats(1..=SEATS))?);
    Ok(format!(
        "The polynomials fail for two reasons. Φ(i, j) = i² + (j+1)² + 24 grows so slowly that all virtual nodes of \
         three servers lie close together between slots {first} and {last}; the {run} slots from there round to slot \
         {first} all belong to the server of that slot, the first. And H(i) = (i+1)² + 16 is a square, which has few \
         remainders: it reaches {} of 512 slots, and half of all keys fall on {half} of them.",
        findings.reached(&assignment)
    ))
}

fn variants(findings: &Findings) -> String {
    let peak = |name: &str| findings.summary(name).map_or(0.0, |summary| summary.peak.median);
    let default = &findings.summaries[findings.default_index()];
    format!(
        "A real hash function solves both; which one makes no difference. It matters most for Φ, where it reduces the \
         peak-to-average from {:.2} to {:.2}, which is as even as 9 virtual nodes get: the lengths of their arcs \
         vary by chance. A slot cap of 1.10 evens these out ({:.2}) at the price of {:.1} % of the keys moving \
         needlessly; but with the polynomial H, whose keys fall on few slots, even slots still give {:.2}. More slots \
         help only with more virtual nodes ({:.2} with 9, {:.2} with 100). With a table ({:.2} rendezvous, {:.2} \
         maglev) only the chance of which keys there are remains.",
        peak("polynomial"),
        peak("xxh3"),
        default.peak.median,
        100.0 * default.needless,
        peak("polynomial, cap 1.10"),
        peak("65,536 slots × 9"),
        peak("65,536 slots × 100"),
        peak("rendezvous"),
        peak("maglev"),
    )
}

fn counted(findings: &Findings, user_keys: &UserKeys) -> String {
    let UserKeys { path, log, counted, .. } = user_keys;
    let requests = counted.traffic.requests();
    let distinct = match &counted.keys {
        Some(keys) => format!("{} distinct keys", grouped(keys.requests())),
        None => format!(
            "more distinct keys than are counted individually (a million, or 256 MiB): balance and moves are exact, \
             the counts of heavy keys may be up to {} too low",
            grouped(counted.max_error)
        ),
    };
    let mut text = format!(
        "Your keys: {} requests of {} ({}), {distinct}.",
        grouped(requests),
        path.display(),
        findings.experiment.field
    );
    if log.without_key > 0 {
        text += &format!(
            " {} of {} lines have no key and are ignored.",
            grouped(log.without_key),
            grouped(log.lines)
        );
    }
    text
}

fn imbalance(findings: &Findings, UserKeys { balance, .. }: &UserKeys) -> String {
    let n = findings.experiment.seats;
    let row = balance.rows[findings.default_index()];
    let hot = balance.hot().count();
    let Some(heaviest) = balance.heaviest.first() else { return String::new() };
    let mut text = format!(
        "On {n} seats the default layout has a peak-to-average of {:.3}. The heaviest key, '{}', is {:.2} % of the \
         requests, and no mapping of whole keys can be below {:.3}.",
        row.peak,
        cut(&readable(&heaviest.key)),
        100.0 * heaviest.share,
        balance.least_peak
    );
    text += &match hot {
        0 => " No key is hot (more than 5 % of a seat's even share): the imbalance comes from the layout and from \
              which keys there are."
            .to_owned(),
        _ if row.without_hot == 0.0 => format!(" All {hot} keys are hot: hashing cannot spread so few."),
        _ => format!(
            " {hot} {} hot (more than 5 % of a seat's even share); without {} the peak-to-average would be {:.3}.",
            if hot == 1 { "key is" } else { "keys are" },
            if hot == 1 { "it" } else { "them" },
            row.without_hot
        ),
    };
    text
}
