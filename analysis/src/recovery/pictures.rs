//! The charts: a time line of a death and of a hang, and a dot for each death.

use std::time::Duration;

use crate::chart::{self, Band, DotChart, Dots, PALETTE, Picture, TimeLine};

use super::figures::{Figures, median};
use super::incident::Incident;
use super::traffic::Reply;

/// A step of the time line.
const STEP: Duration = Duration::from_millis(100);

/// How much of the time before is shown.
const BEFORE: Duration = Duration::from_secs(1);

/// More replicas than that beside the victim and its replacement share a colour: all names fit in one line.
const MOST_OTHERS: usize = 2;

/// Requests per replica over time, around one incident.
pub fn time_line(
    name: &str,
    title: String,
    incident: &Incident,
    replies: &[Reply],
) -> Result<Picture, chart::Error> {
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

    let replacement = incident.moments.replacement.as_deref();
    let seen = replies.iter().filter(|reply| step(reply).is_some());
    let mut others: Vec<&str> = seen.filter_map(|reply| reply.answer.as_deref().ok()).collect();
    others.retain(|name| *name != incident.victim && Some(*name) != replacement);
    others.sort_unstable();
    others.dedup();
    let mut bands: Vec<Band> = if others.len() > MOST_OTHERS {
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

    let after = |when: Option<Duration>, what: &str| {
        let after = when?.saturating_sub(incident.at).as_millis() as i32;
        Some((after, format!("{what} after {after} ms")))
    };
    let moments = [
        Some((0, incident.how.to_owned())),
        after(incident.moments.detected, "detected"),
        after(incident.moments.ready, "replacement ready"),
    ];
    let chart = TimeLine {
        title,
        values_axis: "Requests answered in 100 ms",
        time_axis: "Time since the signal (s)",
        from: -(incident.at.saturating_sub(from).as_millis() as i32),
        step: STEP.as_millis() as i32,
        bands,
        failed: count(&|reply| reply.answer.is_err()),
        moments: moments.into_iter().flatten().collect(),
    };
    let caption = format!("Requests that each replica answered in each 100 ms around one {}", incident.how);
    Picture::of(name, caption, &chart)
}

/// How long each kill took to be noticed and to be healed.
pub fn every_kill(how: &str, figures: &[Figures]) -> Result<Picture, chart::Error> {
    let series = |name, value: fn(&Figures) -> Option<f64>| {
        let values: Vec<_> = figures.iter().map(value).collect();
        let median = median(&values)?;
        Some(Dots { name, values, median })
    };
    let chart = DotChart {
        title: format!("A-3: how soon each of {} kills ({how}) was noticed and healed", figures.len()),
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
    let caption = "Time from each kill until it was noticed, and until the replacement was ready";
    Picture::of("recovery-kills", caption, &chart)
}
