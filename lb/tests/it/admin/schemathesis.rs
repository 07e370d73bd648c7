//! schemathesis (PyPI) against a running balancer: the admin listener assert_conforms to the OpenAPI document.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::origin::{OK, Origin};
use crate::support::tool::installed;
use crate::support::wait::within;
use crate::support::{Balancer, call, until};

/// Number of cases for each call; `LB_EXAMPLES` overrides it.
const EXAMPLES: &str = "40";

/// Time limit of a run.
const RUN_TIMEOUT: Duration = Duration::from_secs(400);

/// The tool sends undefined methods of a path with the body of a defined one. A GET or TRACE with a body is refused for
/// the body (400) before the path is considered.
const METHODS: &str = r#"
[phases.coverage]
unexpected-methods = ["PUT", "POST", "DELETE", "OPTIONS", "PATCH"]
"#;

/// Exceptions for correct responses that the tool reports. Without a replica the balancer is not ready; the state of the
/// fleet may refuse a valid change; a followed output need not end.
const RULES: &str = r#"
[[operations]]
include-path = "/readyz"
checks = { not_a_server_error = { expected-statuses = ["2xx", "4xx", 503] } }

[[operations]]
include-path-regex = "^/api/(add|remove|plan|upstreams|seats/.*)$"
checks = { positive_data_acceptance = { enabled = false } }

[[operations]]
include-path-regex = "^/api/replicas/.*"
checks = { positive_data_acceptance = { expected-statuses = ["2xx", 404, 409] } }

[[operations]]
include-path = "/api/replicas/{name}/logs"
parameters = { follow = 0 }
"#;

/// The exceptions for external servers: their names stay, and they cannot be replaced.
const STEERED: &str = r#"
[parameters]
name = "origin one"
seat = 1

[[operations]]
include-path-regex = "^/api/(seats/.*|upstreams)"
checks = { positive_data_acceptance = { expected-statuses = ["2xx", 400, 404] } }

[[operations]]
include-path-regex = "^/api/replicas/.*"
checks = { positive_data_acceptance = { expected-statuses = ["2xx", 400, 409] } }
"#;

/// Asserts that every call selected by `select` assert_conforms to the document; `None` if the tool is missing.
#[track_caller]
fn assert_conforms(lb: &mut Balancer, rules: &str, select: &[&str]) -> Option<()> {
    if !installed(&["schemathesis"]) {
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("schemathesis.toml"), format!("{rules}{METHODS}")).unwrap();
    let document = format!("http://{}/api/openapi.json", lb.admin);
    let examples = std::env::var("LB_EXAMPLES").unwrap_or(EXAMPLES.to_owned());
    let mut tool = Command::new("schemathesis")
        .args(["--no-color", "run", &document, "--max-examples", &examples, "--seed", "1"])
        .args([
            "--continue-on-failure",
            "--suppress-health-check",
            "all",
            "--header",
            "X-LB-Admin: 1",
            "--request-timeout",
            "30",
        ])
        .args(select)
        .current_dir(&directory)
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(directory.path().join("report")).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut ended = None;
    within(RUN_TIMEOUT, || {
        ended = tool.try_wait().unwrap();
        ended.is_some()
    });
    let _ = tool.kill();
    let _ = tool.wait();
    let report = std::fs::read_to_string(directory.path().join("report")).unwrap();
    assert!(ended.is_some_and(|status| status.success()), "{report}");
    assert!(report.contains("Tested:"), "{report}");
    assert_eq!(call(lb.admin, "GET", "/livez", &[], b"").status, 200);
    assert!(lb.log().iter().all(|line| !line.contains("panic")), "{:?}", lb.seen);
    Some(())
}

#[test]
fn the_api_conforms_to_the_document() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "retries = 1\n").unwrap();
    let config = file.path().to_str().unwrap();
    let args = ["--replicas=2", "--max-replicas=4", "--workers=1", "--config", config];
    let mut lb = Balancer::start(&args);
    // The first does not end (/api/history has the same data). The second redirects to the dashboard if no token is
    // needed; with a token, the wrong ones of the tool would block its address for a minute.
    let select =
        ["--phases", "examples,coverage,fuzzing,stateful", "--exclude-path-regex", "/(events|login)$"];
    if assert_conforms(&mut lb, RULES, &select).is_none() {
        return;
    }
    until("the fleet serves again", || {
        lb.control("POST", "/rm", r#"{"n":9}"#);
        lb.control("POST", "/add", r#"{"n":1}"#).0 == 200 && lb.get("/home").status == 200
    });
}

#[test]
fn the_api_conforms_to_the_document_with_existing_replicas() {
    let (a, b) = (Origin::replying(OK), Origin::replying(OK));
    let (a, b) = (format!("origin one={}", a.address), format!("origin two={}", b.address));
    let mut lb =
        Balancer::start(&["--runtime", "static", "--upstream", &a, "--upstream", &b, "--workers", "1"]);
    let steering = "^/api/(upstreams|seats/.*|replicas/.*/(drain|undrain))$";
    let select = ["--phases", "examples,coverage,fuzzing", "--include-path-regex", steering];
    if assert_conforms(&mut lb, STEERED, &select).is_none() {
        return;
    }
    let history = call(lb.admin, "GET", "/api/history", &[], b"").json();
    for name in ["drain", "occupy", "weigh"] {
        let happened = history["events"].as_array().unwrap().iter().any(|event| event["name"] == name);
        assert!(happened, "no change was made: no {name} in {history}");
    }
}
