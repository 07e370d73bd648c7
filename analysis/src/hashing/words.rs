//! What the figures mean, in words.

use lb::ring::{Layout, RingError};

use super::experiment::{Findings, OwnKeys};
use super::measure::{longest_run, seats};
use super::reach::{SEATS, homes};
use super::sweep::HIGHEST_SEAT;
use super::tables::readable;
use crate::table::{cut, grouped};

/// A paragraph each.
///
/// # Errors
/// None: three seats fit.
pub fn of(findings: &Findings) -> Result<Vec<String>, RingError> {
    let own = findings.own.iter().flat_map(|own| [counted(findings, own), imbalance(findings, own)]);
    // The cures are told for random ids: with others it depends on the keys what helps how much.
    let cures = findings.own.is_none().then(|| cures(findings));
    Ok(own.chain([measured(findings), why(findings)?]).chain(cures).collect())
}

fn measured(findings: &Findings) -> String {
    let keys = match &findings.own {
        Some(_) => "your keys each time".to_owned(),
        None => format!(
            "{} random ids from 100000 to 999999 drawn anew each time: another sample of seat numbers and keys does \
             what another seed of the hash functions would do",
            grouped(findings.experiment.requests.into())
        ),
    };
    format!(
        "Measured on the balancer's own placement code, not over HTTP, and so without bounded load: shares and moved \
         keys are those of the first choice. Each scheme places {} drawn from 1 to {HIGHEST_SEAT}, with {keys}; \
         then one more seat joins and one leaves. A single join or leave moves what that seat owns, which \
         averages to the ideal; what goes beyond are moves between seats that stay, and no change needs those.",
        findings.sets()
    )
}

fn why(findings: &Findings) -> Result<String, RingError> {
    let assignment = Layout::assignment();
    let mut hits = findings.ids.on(&assignment).to_vec();
    hits.sort_unstable_by(|a, b| b.cmp(a));
    let all: u64 = hits.iter().sum();
    let half = hits.iter().scan(0, |sum, hits| {
        *sum += hits;
        Some(*sum)
    });
    let half = half.take_while(|sum| *sum < all / 2).count() + 1;
    let slots: Vec<_> = homes(&assignment).into_iter().map(|(slot, _)| slot).collect();
    let (first, last) = (slots.iter().min().unwrap_or(&0), slots.iter().max().unwrap_or(&0));
    let run = longest_run(&assignment.slot_map(&seats(1..=SEATS))?);
    Ok(format!(
        "Why the polynomials fail, twice. Φ(i, j) = i² + (j+1)² + 24 grows so slowly that all virtual nodes of three \
         servers lie between slots {first} and {last}, one close behind the other; the {run} slots from there round \
         to slot {first} all belong to the server that sits there, the first. And H(i) = (i+1)² + 16 is a square, \
         which leaves few remainders: it reaches {} of 512 slots, and half of all keys fall on {half} of them.",
        findings.reached(&assignment)
    ))
}

fn cures(findings: &Findings) -> String {
    let peak = |name: &str| findings.summary(name).map_or(0.0, |summary| summary.peak.median);
    let default = &findings.summaries[findings.default_at()];
    format!(
        "What cures it: a real hash; which one makes no difference. For Φ it counts most, and brings the \
         peak-to-average from {:.2} to {:.2}, which is as even as 9 virtual nodes get: the lengths of their arcs \
         differ by chance. A slot cap of 1.10 evens these out: {:.2}, for {:.1} % of the keys that move needlessly; \
         but under the polynomial H, whose keys fall on few slots, even slots still give {:.2}. More slots help only \
         with more virtual nodes on them ({:.2} with 9, {:.2} with 100). With a table ({:.2} rendezvous, {:.2} \
         maglev) all that is left is the chance of which keys there are.",
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

fn counted(findings: &Findings, own: &OwnKeys) -> String {
    let OwnKeys { path, log, counted, .. } = own;
    let requests = counted.traffic.requests();
    let distinct = match &counted.keys {
        Some(keys) => format!("{} distinct keys", grouped(keys.requests())),
        None => format!(
            "more distinct keys than are counted singly (a million, or 256 MiB): balance and moves are exact, the \
             counts of heavy keys may be up to {} too low",
            grouped(counted.missed)
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
            " {} of {} lines have no key and are left out.",
            grouped(log.without_key),
            grouped(log.lines)
        );
    }
    text
}

fn imbalance(findings: &Findings, own: &OwnKeys) -> String {
    let n = findings.experiment.seats;
    let row = own.on_fleet.rows[findings.default_at()];
    let hot = own.on_fleet.hot().count();
    let Some(heaviest) = own.on_fleet.heaviest.first() else { return String::new() };
    let mut text = format!(
        "On {n} seats the default layout has a peak-to-average of {:.3}. The heaviest key, '{}', is {:.2} % of the \
         requests, and no mapping of whole keys can be below {:.3}.",
        row.peak,
        cut(&readable(&heaviest.key)),
        100.0 * heaviest.share,
        own.on_fleet.least_peak
    );
    text += &match hot {
        0 => " No key is hot (more than 5 % of a seat's even share): what imbalance there is comes from the layout \
              and from which keys there are."
            .to_owned(),
        _ if row.without_hot == 0.0 => format!(" All keys are hot, {hot} of them: hashing cannot spread so few."),
        _ => format!(
            " {hot} {} hot (more than 5 % of a seat's even share); without {} it would be {:.3}.",
            if hot == 1 { "key is" } else { "keys are" },
            if hot == 1 { "it" } else { "them" },
            row.without_hot
        ),
    };
    text
}
