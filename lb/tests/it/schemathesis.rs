//! schemathesis (PyPI) against a running balancer: what the OpenAPI document says is what the admin listener does.

use std::process::{Command, Stdio};

use crate::balancer::{Balancer, call, until};

/// What it is asked for by hand: `--max-examples`, `LB_EXAMPLES` sets another number.
const EXAMPLES: &str = "8";

/// A valid call may be refused all the same, for what the fleet is at that moment.
const EXCLUDED_CHECKS: &str = "positive_data_acceptance";

#[test]
fn the_document_is_true() {
    if Command::new("schemathesis").arg("--version").output().is_err() {
        eprintln!("skipped: schemathesis is not installed (pip install schemathesis)");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lb.toml");
    std::fs::write(&file, "retries = 1\n").unwrap();
    let args = ["--replicas=2", "--max-replicas=4", "--workers=1", "--config", file.to_str().unwrap()];
    let mut lb = Balancer::start(&args);
    let document = format!("http://{}/api/openapi.json", lb.admin);
    let examples = std::env::var("LB_EXAMPLES").unwrap_or(EXAMPLES.to_owned());
    let mut tool = Command::new("schemathesis")
        .args(["--no-color", "run", &document, "--max-examples", &examples, "--seed", "1"])
        .args(["--phases", "examples,coverage,fuzzing", "--continue-on-failure"])
        .args(["--exclude-checks", EXCLUDED_CHECKS, "--suppress-health-check", "all"])
        // The first two need not end; the third is right to answer 503 when other calls have removed every replica; the
        // last sends whoever comes to the dashboard, where no token is needed.
        .args(["--exclude-path-regex", "/(events|logs|readyz|login)$"])
        .args(["--header", "X-LB-Admin: 1", "--request-timeout", "30"])
        .current_dir(&directory)
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(directory.path().join("report")).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut ended = None;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(240);
    while ended.is_none() && std::time::Instant::now() < deadline {
        ended = tool.try_wait().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let _ = tool.kill();
    let _ = tool.wait();
    let report = std::fs::read_to_string(directory.path().join("report")).unwrap();
    assert!(ended.is_some_and(|status| status.success()), "{report}");
    assert!(report.contains("Tested:"), "{report}");
    until("it serves when it has come to rest", || {
        lb.control("POST", "/rm", r#"{"n":9}"#);
        lb.control("POST", "/add", r#"{"n":1}"#).0 == 200 && lb.get("/home").status == 200
    });
    assert_eq!(call(lb.admin, "GET", "/livez", &[], b"").status, 200);
    assert!(lb.log().iter().all(|line| !line.contains("panic")), "{:?}", lb.seen);
}
