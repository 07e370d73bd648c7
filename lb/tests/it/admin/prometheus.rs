//! Debian's Prometheus scrapes a balancer: every expression of the dashboard and of the alerts has data.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::port;
use crate::support::test_replica;
use crate::support::tool::installed;
use crate::support::{Balancer, Killed, call, signal_pid, until};

/// A Prometheus that scrapes a balancer each second; it is killed when it is dropped.
struct Prometheus {
    child: Killed,
    address: SocketAddr,
    files: TempDir,
}

impl Prometheus {
    fn start(target: SocketAddr) -> Self {
        let files = tempfile::tempdir().unwrap();
        let config = files.path().join("prometheus.yml");
        let alerts = docs("alerts.yml");
        let text = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\n\
             scrape_configs: [{{job_name: lb, static_configs: [{{targets: ['{target}']}}]}}]\n",
            alerts.display()
        );
        std::fs::write(&config, text).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port::free()));
        let log = std::fs::File::create(files.path().join("log")).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", files.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let mut prometheus = Self { child: Killed(child.unwrap()), address, files };
        until("Prometheus is ready", || {
            assert_eq!(prometheus.child.0.try_wait().unwrap(), None, "{}", prometheus.log());
            std::net::TcpStream::connect(address).is_ok()
                && call(address, "GET", "/-/ready", &[], b"").status == 200
        });
        prometheus
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.files.path().join("log")).unwrap_or_default()
    }

    fn api(&self, path: &str) -> Value {
        let answer = call(self.address, "GET", path, &[], b"");
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()["data"].clone()
    }

    /// The current values of an expression.
    fn values(&self, expression: &str) -> Vec<f64> {
        let query = utf8_percent_encode(expression, NON_ALPHANUMERIC);
        let result = self.api(&format!("/api/v1/query?query={query}"))["result"].clone();
        let value = |one: &Value| one["value"][1].as_str().unwrap().parse().unwrap();
        result.as_array().unwrap_or_else(|| panic!("{expression}: {result}")).iter().map(value).collect()
    }

    /// Whether an expression has a number; Grafana does not draw NaN.
    fn has_number(&self, expression: &str) -> bool {
        self.values(expression).iter().any(|value| value.is_finite())
    }
}

fn docs(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/grafana").join(file)
}

/// Collects every `expr` of the dashboard in the form that Grafana sends.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(expression)) = fields.get("expr") {
                let expression = expression.replace("$__rate_interval", "10s").replace("$instance", ".*");
                assert!(!expression.contains('$'), "an unknown variable: {expression}");
                found.push(expression);
            }
            fields.values().for_each(|value| expressions(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| expressions(value, found)),
        _ => {}
    }
}

/// The measured sides of an alert's comparisons: they must have data also while the alert does not fire.
fn measured(rule: &str) -> Vec<&str> {
    let parts = rule.split(" and ");
    parts.map(|part| part.rsplit_once(" > ").unwrap_or_else(|| panic!("no comparison: {part}")).0).collect()
}

#[test]
fn every_expression_of_the_dashboard_and_the_alerts_has_data_after_real_traffic() {
    if !installed(&["prometheus"]) {
        return;
    }
    let lb = Balancer::start(&["--workers", "2", "--replica-command", &test_replica::command()]);
    let prometheus = Prometheus::start(lb.admin);
    let mut dashboard = Vec::new();
    expressions(
        &serde_json::from_slice(&std::fs::read(docs("dashboard.json")).unwrap()).unwrap(),
        &mut dashboard,
    );
    assert!(dashboard.len() > 30, "{dashboard:#?}");
    let groups = || prometheus.api("/api/v1/rules")["groups"].clone();
    until("the rules are evaluated", || {
        let rules = groups()[0]["rules"].as_array().cloned().unwrap_or_default();
        rules.len() == 5 && rules.iter().all(|rule| rule["health"] == "ok")
    });
    let rules = groups()[0]["rules"].as_array().unwrap().clone();
    let rules: Vec<String> = rules.iter().map(|rule| rule["query"].as_str().unwrap().to_owned()).collect();
    let mut silent: Vec<String> = rules.iter().flat_map(|rule| measured(rule)).map(str::to_owned).collect();
    silent.extend(dashboard);

    let mut round = 0;
    until("each expression has had data", || {
        round += 1;
        for key in 0..20 {
            lb.call("GET", &format!("/home?id={key}"), &[], b"");
            lb.call("POST", "/home", &[("X-Request-Id", "p")], b"body");
        }
        // A replica dies during a request: the ring changes, a start follows, the client gets a 502.
        if round % 40 == 1 {
            let slow = std::thread::spawn({
                let traffic = lb.traffic;
                move || call(traffic, "POST", "/slow?2000", &[("X-Request-Id", "p")], b"body").status
            });
            let of_key = lb.owner("p");
            lb.until("the slow request is under way", |lb| {
                lb.replicas().iter().any(|replica| replica["in_flight"].as_u64() > Some(0))
            });
            signal_pid(lb.pid_of(&of_key), Signal::KILL);
            assert_eq!(slow.join().unwrap(), 502);
            lb.until("the dead replica is replaced", |lb| lb.names().len() == 3);
        }
        silent.retain(|expression| !prometheus.has_number(expression));
        if round % 100 == 0 {
            eprintln!("silent after {round} rounds: {silent:#?}");
        }
        silent.is_empty()
    });
    // One alert until it fires: without a replica every request fails.
    assert_eq!(prometheus.values("sum(lb_replicas_target)"), [3.0]);
    assert_eq!(lb.control("DELETE", "/rm", r#"{"n":3}"#).0, 200);
    until("the alert of the burning budget is on its way", || {
        assert_eq!(lb.get("/home").status, 503);
        let alerts = prometheus.api("/api/v1/alerts")["alerts"].clone();
        let alerts = alerts.as_array().unwrap().clone();
        alerts.iter().any(|alert| alert["labels"]["alertname"] == "LbErrorBudgetBurnsFast")
    });
}

#[test]
fn promtool_accepts_the_rules() {
    if !installed(&["promtool"]) {
        return;
    }
    let checked = Command::new("promtool").args(["check", "rules"]).arg(docs("alerts.yml")).output().unwrap();
    assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
}

#[test]
fn the_tests_of_the_alert_rules_pass() {
    if !installed(&["promtool"]) {
        return;
    }
    let tested =
        Command::new("promtool").args(["test", "rules"]).arg(docs("alerts_test.yml")).output().unwrap();
    assert!(tested.status.success(), "{tested:?}");
    let tests = std::fs::read_to_string(docs("alerts_test.yml")).unwrap();
    let alerts = std::fs::read_to_string(docs("alerts.yml")).unwrap();
    for alert in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(tests.contains(&format!("\"{alert}\"")), "{alert} is not tested");
    }
}
