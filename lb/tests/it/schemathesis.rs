//! schemathesis (PyPI) against a running balancer: what the OpenAPI document says is what the admin listener does.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::balancer::{Balancer, call, until};
use crate::origin::{OK, Origin};

/// Cases for each call; `LB_EXAMPLES` sets another number.
const EXAMPLES: &str = "40";

/// How long all of them may take.
const PATIENCE: Duration = Duration::from_secs(400);

/// The tool gives each method that a path does not have the body of one that it has. A GET or TRACE with a body is
/// refused for the body (400) before anybody looks at the path.
const METHODS: &str = r#"
[phases.coverage]
unexpected-methods = ["PUT", "POST", "DELETE", "OPTIONS", "PATCH"]
"#;

/// What is right of an answer and looks wrong to the tool. Without any replica there is nobody to be ready; what the
/// fleet is at that moment may refuse a valid change; what follows a replica's output need not end.
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

/// The same of servers that somebody else runs: their names stay, and nothing can be replaced.
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

/// Whether every call that `select` leaves answers as the document says; `None` if the tool is not there.
#[track_caller]
fn conforms(lb: &mut Balancer, rules: &str, select: &[&str]) -> Option<()> {
    if Command::new("schemathesis").arg("--version").output().is_err() {
        eprintln!("skipped: schemathesis is not installed (pip install schemathesis)");
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
    let deadline = Instant::now() + PATIENCE;
    while ended.is_none() && Instant::now() < deadline {
        ended = tool.try_wait().unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
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
fn the_document_is_true() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "retries = 1\n").unwrap();
    let config = file.path().to_str().unwrap();
    let args = ["--replicas=2", "--max-replicas=4", "--workers=1", "--config", config];
    let mut lb = Balancer::start(&args);
    // The first does not end (/api/history tells the same); the second sends whoever comes to the dashboard where no token
    // is needed, and where one is, the tool's wrong ones would shut the door for a minute.
    let select =
        ["--phases", "examples,coverage,fuzzing,stateful", "--exclude-path-regex", "/(events|login)$"];
    if conforms(&mut lb, RULES, &select).is_none() {
        return;
    }
    until("it serves when it has come to rest", || {
        lb.control("POST", "/rm", r#"{"n":9}"#);
        lb.control("POST", "/add", r#"{"n":1}"#).0 == 200 && lb.get("/home").status == 200
    });
}

#[test]
fn the_document_is_true_of_replicas_that_are_there() {
    let (a, b) = (Origin::saying(OK), Origin::saying(OK));
    let (a, b) = (format!("origin one={}", a.address), format!("origin two={}", b.address));
    let mut lb =
        Balancer::start(&["--runtime", "static", "--upstream", &a, "--upstream", &b, "--workers", "1"]);
    let steering = "^/api/(upstreams|seats/.*|replicas/.*/(drain|undrain))$";
    let select = ["--phases", "examples,coverage,fuzzing", "--include-path-regex", steering];
    if conforms(&mut lb, STEERED, &select).is_none() {
        return;
    }
    let history = call(lb.admin, "GET", "/api/history", &[], b"").json();
    for name in ["drain", "occupy", "weigh"] {
        let happened = history["events"].as_array().unwrap().iter().any(|event| event["name"] == name);
        assert!(happened, "nothing was steered: no {name} in {history}");
    }
}
