//! Charts: the time line of a kill and of the hang, and a dot for each kill.

use std::time::Duration;

use crate::chart::{self, Band, ChartImage, DotChart, Dots, PALETTE, TimeLine};

use super::figures::{Figures, median};
use super::incident::Incident;
use super::traffic::Reply;

/// Width of a step of the time line.
const STEP: Duration = Duration::from_millis(100);

/// Part of the time line before the incident.
const BEFORE: Duration = Duration::from_secs(1);

/// Largest number of other replicas with a band each, so that all names fit one line; more of them share a band.
const MAX_OTHER_BANDS: usize = 2;

/// Chart of the requests per replica over time, around one incident.
pub fn time_line(
    name: &str,
    title: String,
    incident: &Incident,
    replies: &[Reply],
) -> Result<ChartImage, chart::Error> {
    let from = incident.at.saturating_sub(BEFORE);
    let steps = (incident.until.saturating_sub(from).as_millis() / STEP.as_millis()) as usize;
    let step = |reply: &&Reply| {
        let since = reply.done.checked_sub(from)?;
        Some((since.as_nanos() / STEP.as_nanos()) as usize).filter(|step| *step < steps)
    };
    let count = |matches: &dyn Fn(&Reply) -> bool| {
        let mut counts = vec![0; steps];
        for at in replies.iter().filter(|reply| matches(reply)).filter_map(|reply| step(&reply)) {
            counts[at] += 1;
        }
        counts
    };
    let by = |names: &[&str]| count(&|reply| reply.answer.as_deref().is_ok_and(|name| names.contains(&name)));

    let replacement = incident.times.replacement.as_deref();
    let seen = replies.iter().filter(|reply| step(reply).is_some());
    let mut others: Vec<&str> = seen.filter_map(|reply| reply.answer.as_deref().ok()).collect();
    others.retain(|name| *name != incident.victim && Some(*name) != replacement);
    others.sort_unstable();
    others.dedup();
    let mut bands: Vec<Band> = if others.len() > MAX_OTHER_BANDS {
        vec![Band { name: format!("{} others", others.len()), colour: PALETTE[0], counts: by(&others) }]
    } else {
        let colours = [PALETTE[0], PALETTE[4]];
        let each = others.iter().zip(colours);
        each.map(|(name, colour)| Band { name: (*name).into(), colour, counts: by(&[name]) }).collect()
    };
    let victim = format!("{} (victim)", incident.victim);
    bands.push(Band { name: victim, colour: PALETTE[1], counts: by(&[&incident.victim]) });
    if let Some(name) = replacement {
        let counts = by(&[name]);
        bands.push(Band { name: format!("{name} (replacement)"), colour: PALETTE[2], counts });
    }

    let after = |when: Option<Duration>, event: &str| {
        let after = when?.saturating_sub(incident.at).as_millis() as i32;
        Some((after, format!("{event} after {after} ms")))
    };
    let events = [
        Some((0, incident.how.to_owned())),
        after(incident.times.detected, "detected"),
        after(incident.times.ready, "replacement ready"),
    ];
    let chart = TimeLine {
        title,
        values_axis: "Requests answered in 100 ms",
        time_axis: "Time since the signal (s)",
        from: -(incident.at.saturating_sub(from).as_millis() as i32),
        step: STEP.as_millis() as i32,
        bands,
        failed: count(&|reply| reply.answer.is_err()),
        events: events.into_iter().flatten().collect(),
    };
    let caption = format!("Requests that each replica answered in each 100 ms around one {}", incident.how);
    ChartImage::of(name, caption, &chart)
}

/// Chart of the times until each kill was detected and its replacement was ready.
pub fn every_kill(how: &str, figures: &[Figures]) -> Result<ChartImage, chart::Error> {
    let series = |name, value: fn(&Figures) -> Option<f64>| {
        let values: Vec<_> = figures.iter().map(value).collect();
        let median = median(&values)?;
        Some(Dots { name, values, median })
    };
    let chart = DotChart {
        title: format!("A-3: time to detect and to replace each of {} kills ({how})", figures.len()),
        runs_axis: "Kill",
        values_axis: "Time since the signal (ms)",
        series: [
            series("replacement ready", |figures| figures.ready),
            series("death detected", |figures| figures.detected),
        ]
        .into_iter()
        .flatten()
        .collect(),
    };
    let caption = "Time from each kill until it was detected, and until the replacement was ready";
    ChartImage::of("recovery-kills", caption, &chart)
}
