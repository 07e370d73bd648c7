//! End-to-end tests of `analysis`: flags, files, exit codes.
#![allow(clippy::unwrap_used, reason = "a test may panic; clippy sees only #[test] functions as tests")]

mod hashing;
mod program;
mod recovery;
mod scaling;

use program::{Balancer, Running, analysis};

#[test]
fn distribution_writes_tables_charts_and_reports() {
    let balancer = Balancer::start();
    let run = analysis(&["distribution", "--url", &balancer.url, "--requests", "300", "--json"]);
    assert_eq!(run.code, Some(0), "{}", run.errors);
    let report: serde_json::Value = serde_json::from_str(&run.printed).unwrap();
    let rows = report["experiments"][0]["tables"]["distribution"].as_array().unwrap();
    let answered = rows.iter().map(|row| row["requests"].as_u64().unwrap()).sum::<u64>();
    assert_eq!((rows.len(), answered), (3, 300));
    assert!(run.file("requests_per_server.txt").starts_with("server1: "));
    let times: serde_json::Value = serde_json::from_str(&run.file("response_times.json")).unwrap();
    assert_eq!(times["times"].as_array().unwrap().len(), 300);
    assert!(run.file("distribution.csv").starts_with("replica,requests,"));
    assert!(run.file("distribution.svg").starts_with("<svg"));
    assert!(run.file("REPORT.md").contains("![Requests per replica, and their mean](distribution.png)"));
    let page = run.file("report.html");
    assert!(page.contains("src=\"data:image/png;base64,") && !page.contains("src=\"http"));
}

#[test]
fn closed_output_pipes_do_not_stop_the_run() {
    let balancer = Balancer::start();
    let run = Running::start(&["distribution", "--url", &balancer.url, "--requests", "90"]).close_output();
    assert_eq!(run.code, Some(0), "the run fails when its output pipes are closed");
    assert!(run.file("report.html").contains("</html>"));
}

#[test]
fn an_assertion_sets_the_exit_code() {
    let balancer = Balancer::start();
    // Ten requests in flight never spill: each key goes to its own replica. With this seed the busiest gets 35 of 90.
    let load = ["distribution", "--url", &balancer.url, "--requests", "90", "--connections", "10"];
    let asserted = |assertion: &str| analysis(&[&load[..], &["--assert", assertion]].concat());
    let kept = asserted("distribution.failed=0");
    assert_eq!(kept.code, Some(0), "{}", kept.errors);
    let broken = asserted("peak_to_average<1");
    assert_eq!(broken.code, Some(1), "{}", broken.errors);
    assert!(
        broken.errors.contains("peak_to_average<1 does not hold: distribution.peak_to_average is 1.1666"),
        "{}",
        broken.errors
    );
    assert!(broken.file("report.html").contains("</html>"));
    let unknown = asserted("beauty>9");
    assert_eq!(unknown.code, Some(64), "{}", unknown.errors);
    assert!(
        unknown.errors.contains("no such figure; there are distribution.peak_to_average,"),
        "{}",
        unknown.errors
    );
}

#[test]
fn a_bad_flag_is_one_line_and_nothing_is_written() {
    for (args, expected) in [
        (["--url", "ftp://x"], "--url"),
        (["--requests", "0"], "--requests"),
        (["--assert", "x"], "expected [EXPERIMENT.]FIGURE"),
        (["--out", ""], "--out"),
    ] {
        let run = analysis(&args);
        assert_eq!(run.code, Some(64), "{args:?} {}", run.errors);
        assert!(
            run.errors.contains(expected) && run.errors.trim_end().lines().count() == 1,
            "{}",
            run.errors
        );
        assert_eq!(run.files(), Vec::<String>::new());
    }
}

#[test]
fn an_unreachable_balancer_or_output_is_a_one_line_error() {
    let unreachable = analysis(&["--url", "http://127.0.0.1:1"]);
    assert_eq!((unreachable.code, unreachable.files().len()), (Some(1), 0), "{}", unreachable.errors);
    assert!(
        unreachable.errors.starts_with("analysis: http://127.0.0.1:1 cannot be measured: "),
        "{}",
        unreachable.errors
    );
    let unwritable = analysis(&["--out", "/proc/nowhere"]);
    assert_eq!(unwritable.code, Some(1), "{}", unwritable.errors);
    assert!(
        unwritable.errors.starts_with("analysis: cannot write to /proc/nowhere"),
        "{}",
        unwritable.errors
    );
}
