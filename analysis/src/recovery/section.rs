//! The report section of A-3: text, tables and charts.

use std::collections::BTreeMap;
use std::time::Duration;

use super::charts;
use super::endpoints::Endpoints;
use super::figures::{Figures, median, worst};
use super::incident::Incidents;
use super::traffic::Reply;
use crate::error::Error;
use crate::report::Section;
use crate::stats::Latency;
use crate::table::{Cell, Table, grouped};

/// Name of the experiment.
pub const NAME: &str = "recovery";

/// Metrics that `--assert` can name. `failed`, `p99_ms` and `max_ms` cover the kills, without the hang.
pub const METRICS: &[&str] = &[
    "endpoints_wrong",
    "kills",
    "unreplaced",
    "failed",
    "p99_ms",
    "max_ms",
    "detected_median_ms",
    "detected_worst_ms",
    "ready_median_ms",
    "ready_worst_ms",
    "hang_failed",
    "hang_detected_ms",
    "hang_ready_ms",
];

/// Measurements of the experiment.
pub struct Results {
    /// Results of the endpoint checks.
    pub endpoints: Endpoints,
    /// The kills and the hang.
    pub incidents: Incidents,
    /// Requests per second.
    pub rate: u32,
    /// Result of each request.
    pub replies: Vec<Reply>,
}

impl Results {
    /// Builds the section of the report.
    ///
    /// # Errors
    /// When a chart cannot be drawn.
    pub fn section(self) -> Result<Section, Error> {
        let (kills, hang) = (&self.incidents.kills, self.incidents.hang.as_ref());
        let hang_begins = kills.last().map_or(Duration::ZERO, |kill| kill.until);
        let figures: Vec<_> =
            self.incidents.all().map(|one| Figures::of(one, &self.incidents, &self.replies)).collect();
        let (of_kills, of_hang) = figures.split_at(kills.len());
        let of_hang = of_hang.first();
        let during: Vec<_> =
            self.replies.iter().filter(|reply| hang.is_none() || reply.due < hang_begins).collect();
        let times: Vec<_> =
            during.iter().filter(|reply| reply.answer.is_ok()).map(|reply| reply.took()).collect();
        let latency = Latency::of(&times);

        let mut section = Section::new(NAME, self.title());
        section.text = self.paragraphs(of_kills, of_hang, during.len());
        section.tables.push(self.endpoints.table());
        let unreplaced = figures.iter().filter(|one| one.ready.is_none()).count();
        section.metrics = vec![("endpoints_wrong", self.endpoints.wrong() as f64)];
        if !figures.is_empty() {
            let failed: u32 = of_kills.iter().map(|one| one.failed).sum();
            section.tables.push(summary(of_kills, of_hang));
            section.tables.push(self.every_incident(&figures));
            section.tables.extend(self.failures());
            section.metrics.extend([
                ("kills", kills.len() as f64),
                ("unreplaced", unreplaced as f64),
                ("failed", failed.into()),
            ]);
        }
        let detected: Vec<_> = of_kills.iter().map(|one| one.detected).collect();
        let ready: Vec<_> = of_kills.iter().map(|one| one.ready).collect();
        let measured = [
            ("p99_ms", latency.map(|latency| latency.p99)),
            ("max_ms", latency.map(|latency| latency.max)),
            ("detected_median_ms", median(&detected)),
            ("detected_worst_ms", worst(&detected)),
            ("ready_median_ms", median(&ready)),
            ("ready_worst_ms", worst(&ready)),
            ("hang_failed", of_hang.map(|one| one.failed.into())),
            ("hang_detected_ms", of_hang.and_then(|one| one.detected)),
            ("hang_ready_ms", of_hang.and_then(|one| one.ready)),
        ];
        section.metrics.extend(measured.into_iter().filter_map(|(name, value)| Some((name, value?))));
        debug_assert!(section.metrics.iter().all(|(name, _)| METRICS.contains(name)));
        if let Some(kill) = kills.first() {
            let title = format!("A-3: one replica is killed ({}) under load", kill.how);
            section.charts.push(charts::time_line("recovery-kill", title, kill, &self.replies)?);
            section.charts.push(charts::every_kill(kill.how, of_kills)?);
        }
        if let Some(hang) = hang {
            let title = format!("A-3: one replica hangs ({}) under load", hang.how);
            section.charts.push(charts::time_line("recovery-hang", title, hang, &self.replies)?);
        }
        Ok(section)
    }

    fn title(&self) -> String {
        match (self.incidents.kills.len(), &self.incidents.hang) {
            (0, _) => "A-3 recovery: every endpoint".into(),
            (kills, hang) => {
                let hang = if hang.is_some() { " and one hang" } else { "" };
                format!("A-3 recovery: every endpoint, {} kills{hang}", grouped(kills as u64))
            }
        }
    }

    fn paragraphs(&self, kills: &[Figures], hang: Option<&Figures>, sent: usize) -> Vec<String> {
        let (sent_checks, wrong) = (self.endpoints.sent(), self.endpoints.wrong());
        let mut paragraphs = vec![match wrong {
            0 => format!(
                "All of {sent_checks} requests to the endpoints were answered as the contract requires."
            ),
            _ => format!(
                "{wrong} of {sent_checks} requests to the endpoints were not answered as the contract requires."
            ),
        }];
        paragraphs.extend(self.endpoints.skipped.as_ref().map(|reason| format!("Skipped: {reason}.")));
        if let Some(how) = self.incidents.kills.first().map(|kill| kill.how) {
            let failed: u32 = kills.iter().map(|one| one.failed).sum();
            let ready: Vec<_> = kills.iter().map(|one| one.ready).collect();
            let took = match (median(&ready), worst(&ready)) {
                (Some(median), Some(worst)) => {
                    format!(
                        "; the replacement was ready after {median:.0} ms (median) and {worst:.0} ms (worst)"
                    )
                }
                _ => String::new(),
            };
            paragraphs.push(format!(
                "Under a steady load of {} requests per second {} replicas were killed ({how}), one after the other: \
                 {} of {} requests failed{took}.",
                grouped(self.rate.into()),
                kills.len(),
                grouped(failed.into()),
                grouped(sent as u64),
            ));
        }
        if let (Some(figures), Some(incident)) = (hang, &self.incidents.hang) {
            let took = figures.ready.map_or_else(
                || "it was not replaced in time and continues".into(),
                |ready| format!("its replacement was ready after {ready:.0} ms"),
            );
            paragraphs.push(format!(
                "When one replica hung ({}), {} requests failed, the slowest reply took {:.0} ms, and {took}. The \
                 balancer distinguishes a hung replica from a busy one by the duration of missing heartbeats.",
                incident.how,
                grouped(figures.failed.into()),
                figures.slowest.unwrap_or_default(),
            ));
        }
        if !self.incidents.kills.is_empty() || hang.is_some() {
            paragraphs.push(
                "Times start just before the signal and end with the first answer that shows the state: detected when \
                 the victim is no longer listed as serving, launched when the replacement is listed for the first \
                 time, ready when it is listed as serving or has replied. The state is polled every 5 ms, so times are \
                 late by that and by the time of the answer. Failed requests are not retried; the time of a reply \
                 starts when its request was due."
                    .into(),
            );
        }
        paragraphs.extend(self.incidents.ended.as_ref().map(|reason| match self.incidents.kills.len() {
            0 => format!("Skipped the kills: {reason}."),
            kills => format!("Ended after {kills} kills: {reason}."),
        }));
        paragraphs
    }

    fn every_incident(&self, figures: &[Figures]) -> Table {
        let columns = [
            "#",
            "how",
            "victim",
            "replacement",
            "detected (ms)",
            "launched (ms)",
            "ready (ms)",
            "reply (ms)",
            "failed",
            "slowest (ms)",
        ];
        let mut table = Table::new("recovery-incidents", "Every kill, and the hang", &columns);
        for (at, (one, figures)) in self.incidents.all().zip(figures).enumerate() {
            table.row([
                Cell::Count(at as u64 + 1),
                Cell::text(one.how),
                Cell::text(&one.victim),
                Cell::text(one.times.replacement.as_deref().unwrap_or("none")),
                ms(figures.detected),
                ms(figures.launched),
                ms(figures.ready),
                ms(figures.answered),
                Cell::Count(figures.failed.into()),
                ms(figures.slowest),
            ]);
        }
        table
    }

    /// Counts the failed requests by reason; `None` if none failed.
    fn failures(&self) -> Option<Table> {
        let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
        for failure in self.replies.iter().filter_map(|reply| reply.answer.as_ref().err()) {
            *reasons.entry(failure.to_string()).or_default() += 1;
        }
        let mut table = Table::new("recovery-failures", "How requests failed", &["requests", "reason"]);
        for (reason, count) in reasons {
            table.row([Cell::Count(count), Cell::text(reason)]);
        }
        Some(table).filter(|table| !table.rows.is_empty())
    }
}

/// Median and worst values of the kills, and the values of the hang.
fn summary(kills: &[Figures], hang: Option<&Figures>) -> Table {
    let columns = ["figure", "kills: median", "kills: worst", "hang", "unit"];
    let mut table = Table::new(NAME, "From the signal to a whole fleet", &columns);
    let mut row = |name: &str, value: fn(&Figures) -> Option<f64>, digits: usize, unit: &str| {
        let values: Vec<_> = kills.iter().map(value).collect();
        let cell = |value: Option<f64>| value.map_or(Cell::None, |value| Cell::Number(value, digits));
        let hang = hang.and_then(value);
        table.row([
            Cell::text(name),
            cell(median(&values)),
            cell(worst(&values)),
            cell(hang),
            Cell::text(unit),
        ]);
    };
    row("detected", |one| one.detected, 1, "ms");
    row("replacement launched", |one| one.launched, 1, "ms");
    row("replacement ready", |one| one.ready, 1, "ms");
    row("first reply of the replacement", |one| one.answered, 1, "ms");
    row("requests failed", |one| Some(one.failed.into()), 0, "requests");
    row("slowest reply", |one| one.slowest, 1, "ms");
    table
}

fn ms(value: Option<f64>) -> Cell {
    value.map_or(Cell::None, |value| Cell::Number(value, 1))
}
