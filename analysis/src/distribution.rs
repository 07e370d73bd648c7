//! Experiment A-1: how many requests each replica gets.

use serde_json::json;

use crate::balancer::Balancer;
use crate::chart::{BarChart, ChartImage};
use crate::error::Error;
use crate::load::{Answers, Load};
use crate::report::Section;
use crate::stats::{Latency, Spread, perfect_peak_to_average};
use crate::table::{Cell, Table, grouped};

/// Name of the experiment.
pub const NAME: &str = "distribution";

/// Metrics that `--assert` can name.
pub const METRICS: &[&str] =
    &["peak_to_average", "deviation", "chi_square", "failed", "throughput", "p50_ms", "p99_ms", "max_ms"];

/// Runs the experiment.
///
/// # Errors
/// When not one request is answered.
pub async fn run(balancer: &Balancer, load: Load) -> Result<Section, Error> {
    let answers = load.run(balancer, "A-1 requests").await;
    let counts = answers.in_natural_order();
    let numbers: Vec<u32> = counts.iter().map(|(_, count)| *count).collect();
    let (Some(spread), Some(latency)) = (Spread::of(&numbers), Latency::of(&answers.times)) else {
        return Err(Error::nothing_answered(load.requests, answers.first_failure));
    };

    let requests = grouped(load.requests.into());
    let title = format!("A-1 distribution: {requests} requests over {} replicas", counts.len());
    let mut section = Section::new(NAME, title);
    section.summary = format!(
        "The busiest of {} replicas got {:.3} times the mean (a perfect mapping of random keys: {:.3}); {} requests/s, \
         99 % within {:.1} ms, {} failed.",
        counts.len(),
        spread.peak_to_average,
        perfect_peak_to_average(counts.len(), answers.times.len() as u32),
        grouped(answers.throughput() as u64),
        latency.p99,
        answers.failed,
    );
    section.text = paragraphs(&answers, spread, counts.len());
    section.text.push(balancer.bounded_load().into());
    section.tables =
        vec![per_replica(&counts, spread.mean), figures(&answers, spread, latency, counts.len())];
    let chart = BarChart {
        title: format!("A-1: how {requests} requests spread over the replicas"),
        bars_axis: "Replica",
        values_axis: "Requests answered",
        bars: &counts,
        mean: spread.mean,
    };
    section.charts = vec![ChartImage::of(NAME, "Requests per replica, and their mean", &chart)?];
    section.metrics = vec![
        ("peak_to_average", spread.peak_to_average),
        ("deviation", spread.deviation),
        ("chi_square", spread.chi_square),
        ("failed", answers.failed.into()),
        ("throughput", answers.throughput()),
        ("p50_ms", latency.p50),
        ("p99_ms", latency.p99),
        ("max_ms", latency.max),
    ];
    let lines = counts.iter().map(|(name, count)| format!("{name}: {count}\n"));
    let times: Vec<f64> = answers.times.iter().map(|time| round(1000.0 * time.as_secs_f64())).collect();
    let times = json!({ "unit": "ms", "order": "as answered", "times": times });
    section.files = vec![
        ("requests_per_server.txt".into(), lines.collect()),
        ("response_times.json".into(), format!("{times}\n")),
    ];
    debug_assert!(section.metrics.iter().map(|(name, _)| name).eq(METRICS));
    Ok(section)
}

fn paragraphs(answers: &Answers, spread: Spread, replicas: usize) -> Vec<String> {
    let mut paragraphs = vec![
        "Random keys never spread quite evenly: even with a perfect mapping one replica gets more than the mean, and \
         the fewer requests there are, the more. Only what exceeds that is caused by the balancer."
            .to_owned(),
    ];
    if let Some(p) = spread.p_value {
        paragraphs.push(format!(
            "Chi-square against an even split is {:.1} at {} degrees of freedom: {}.",
            spread.chi_square,
            replicas - 1,
            if p < 0.001 {
                "an even mapping shows as much less than once in a thousand runs, so the replicas' shares differ".into()
            } else {
                format!("an even mapping exceeds it in {:.1} % of such runs", 100.0 * p)
            },
        ));
    }
    if let Some(reason) = &answers.first_failure {
        paragraphs.push(format!("{} requests failed, the first with: {reason}.", answers.failed));
    }
    paragraphs
}

fn per_replica(counts: &[(String, u32)], mean: f64) -> Table {
    let columns = ["replica", "requests", "share (%)", "of the mean"];
    let mut table = Table::new(NAME, "Requests that each replica answered", &columns);
    let total: f64 = counts.iter().map(|(_, count)| f64::from(*count)).sum();
    for (name, count) in counts {
        let requests = f64::from(*count);
        table.row([
            Cell::text(name),
            Cell::Count((*count).into()),
            Cell::Number(100.0 * requests / total, 1),
            Cell::Number(requests / mean, 3),
        ]);
    }
    table
}

fn figures(answers: &Answers, spread: Spread, latency: Latency, replicas: usize) -> Table {
    let mut table = Table::new("distribution-figures", "Figures of the run", &["figure", "value", "unit"]);
    let mut row = |name: &str, value: Cell, unit: &str| {
        table.row([Cell::text(name), value, Cell::text(unit)]);
    };
    let perfect = perfect_peak_to_average(replicas, answers.times.len() as u32);
    row("mean", Cell::Number(spread.mean, 1), "requests a replica");
    row("standard deviation", Cell::Number(spread.deviation, 1), "requests a replica");
    row("peak-to-average", Cell::Number(spread.peak_to_average, 3), "");
    row("peak-to-average if perfect", Cell::Number(perfect, 3), "");
    row("chi-square", Cell::Number(spread.chi_square, 2), "");
    row("failed", Cell::Count(answers.failed.into()), "requests");
    row("throughput", Cell::Count(answers.throughput() as u64), "requests/s");
    row("latency, median", Cell::Number(latency.p50, 2), "ms");
    row("latency, 90th percentile", Cell::Number(latency.p90, 2), "ms");
    row("latency, 99th percentile", Cell::Number(latency.p99, 2), "ms");
    row("latency, 99.9th percentile", Cell::Number(latency.p999, 2), "ms");
    row("latency, longest", Cell::Number(latency.max, 2), "ms");
    table
}

/// Rounds to a microsecond.
fn round(milliseconds: f64) -> f64 {
    (1000.0 * milliseconds).round() / 1000.0
}
