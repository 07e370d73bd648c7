//! The results as a table of at most 99 columns, and as JSON.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::args::Args;
use crate::load::TIMEOUT;
use crate::outcome::{Failure, Summary};

/// Longest line in columns.
const WIDTH: usize = 99;
/// Column at which the failures begin.
const FAILURES: usize = 57;

/// The settings of the run, and the head of the table.
pub fn settings(args: &Args, lb: &Path) -> String {
    let mut text = String::new();
    for (name, value) in pairs(args, lb) {
        let _ = writeln!(text, "{name:<12} {value}");
    }
    let [failed, p50, p99, max] = ["failed", "p50 ms", "p99 ms", "max ms"];
    let _ = writeln!(
        text,
        "\n{:<9} {failed:>6} {p50:>7} {p99:>8} {max:>8}  {:<11}  failures: origin and reason",
        "fault", "target"
    );
    text
}

/// The row of a fault; it continues on further lines if the failures do not fit.
pub fn row(summary: &Summary) -> String {
    let target = summary.fault.target();
    let p99 = target.p99.map_or(String::new(), |p99| format!(", {}", p99.as_millis()));
    let mark = if summary.meets_target() { ' ' } else { '!' };
    let mut text = format!(
        "{:<9} {:>6} {:>7} {:>8} {:>8} {mark}{:<11}  ",
        summary.fault,
        summary.failed,
        ms(summary.p50),
        ms(summary.p99),
        ms(summary.max),
        format!("≤ {}{p99}", target.failed),
    );
    let mut column = FAILURES;
    for (n, (Failure { origin, reason }, count)) in summary.failures.iter().enumerate() {
        let item = format!("{}{origin}: {reason} ×{count}", if n > 0 { ", " } else { "" });
        if column + item.chars().count() > WIDTH {
            let _ = write!(text, "\n{:FAILURES$}", "");
            column = FAILURES;
        }
        column += item.chars().count();
        text += &item;
    }
    format!("{}\n", text.trim_end())
}

/// Settings and results as JSON.
pub fn json(args: &Args, lb: &Path, summaries: &[Summary]) -> Value {
    let settings: serde_json::Map<_, _> =
        pairs(args, lb).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    json!({ "settings": settings, "faults": summaries.iter().map(fault).collect::<Vec<_>>() })
}

fn fault(summary: &Summary) -> Value {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let target = summary.fault.target();
    let failures = summary.failures.iter().map(
        |(failure, count)| json!({ "origin": failure.origin, "reason": failure.reason, "count": count }),
    );
    json!({
        "fault": summary.fault.to_string(),
        "requests": summary.requests,
        "failed": summary.failed,
        "p50_ms": ms(summary.p50),
        "p99_ms": ms(summary.p99),
        "max_ms": ms(summary.max),
        "failures": failures.collect::<Vec<_>>(),
        "target": { "failed": target.failed, "p99_ms": target.p99.map(ms) },
        "met": summary.meets_target(),
    })
}

fn pairs(args: &Args, lb: &Path) -> Vec<(&'static str, String)> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let flags = format!("--head-timeout {} {}", args.head_timeout, args.flags.join(" "));
    vec![
        ("balancer", format!("{} {}", lb.display(), flags.trim_end())),
        ("fleet", "3 replicas; server2 becomes faulty, its heartbeats stay good (except kill, stop)".into()),
        ("load", format!("{} requests/s for {} s, {} % POST", args.rate, args.seconds, args.posts)),
        ("bodies", format!("{} bytes per reply, every byte compared", args.size)),
        ("client", format!("at most {} in flight, timeout {TIMEOUT:?}", args.in_flight)),
        ("turns bad", format!("after {}", args.after)),
        ("times", "from when a request was due to its last byte or its failure; all requests".into()),
        ("seed", args.seed.to_string()),
        ("cores", format!("{cores}, for balancer, replicas and client")),
    ]
}

fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Fault;
    use crate::outcome::Outcome;

    #[test]
    fn a_row_with_many_failures_fits_the_width() {
        let outcome = |n: usize| Outcome {
            took: Duration::from_millis(9999),
            result: Err(Failure { origin: format!("server{n}"), reason: "no reply before the end".into() }),
        };
        let outcomes: Vec<_> = (0..7).map(outcome).collect();
        let row = row(&Summary::of(Fault::Truncate, &outcomes));
        assert!(row.lines().all(|line| line.chars().count() <= WIDTH), "{row}");
        assert!((0..7).all(|n| row.contains(&format!("server{n}: no reply"))), "{row}");
    }
}
