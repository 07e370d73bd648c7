//! Experiment A-2 on embedded balancers, and on servers that cannot be scaled.

use lb::config::{Config, RuntimeConfig};
use serde_json::Value;

use crate::program::{Balancer, LoneServer, Run, Running, analysis};

const NAMES: [&str; 3] = ["server1", "server2", "server3"];

fn experiment(run: &Run) -> Value {
    assert_eq!(run.code, Some(0), "{}", run.errors);
    serde_json::from_str::<Value>(&run.printed).unwrap()["experiments"][0].clone()
}

fn column(found: &Value, table: &str, name: &str) -> Vec<f64> {
    let rows = found["tables"][table].as_array().unwrap();
    rows.iter().map(|row| row[name].as_f64().unwrap()).collect()
}

#[test]
fn from_two_to_six_replicas_and_back() {
    let balancer = Balancer::start();
    // Two requests in flight never cause a spill or a stall: each key goes to its own replica.
    let few = ["--requests", "600", "--connections", "2"];
    let args = [&["scaling", "--url", &balancer.url, "--json"][..], &few].concat();
    let by_reply = experiment(&analysis(&args));
    assert_eq!(column(&by_reply, "scaling", "N"), [2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(column(&by_reply, "scaling", "mean"), [300.0, 200.0, 150.0, 120.0, 100.0]);
    assert_eq!(by_reply["facts"]["failed"], 0.0);
    let up = ["2 → 3", "3 → 4", "4 → 5", "5 → 6", "6 → 5", "5 → 4", "4 → 3", "3 → 2"];
    let steps = by_reply["tables"]["scaling-moves"].as_array().unwrap();
    assert!(steps.iter().map(|step| step["replicas"].as_str().unwrap()).eq(up), "{steps:?}");
    // The same seats have the same keys on the way down; a joining replica takes about its ideal share.
    let moved = column(&by_reply, "scaling-moves", "keys moved");
    assert!(moved[..4].iter().eq(moved[4..].iter().rev()), "{moved:?}");
    assert!(
        column(&by_reply, "scaling-moves", "of the ideal").iter().all(|ratio| (0.5..2.0).contains(ratio))
    );
    assert_eq!(balancer.replicas(), NAMES);

    let with_admin = [&args[..], &["--admin", &balancer.admin]].concat();
    let by_admin = experiment(&analysis(&with_admin));
    assert_eq!(by_admin["tables"]["scaling-moves"], by_reply["tables"]["scaling-moves"]);
    assert!(by_admin["text"].to_string().contains("/api/explain"));
}

#[test]
fn ctrl_c_restores_the_fleet() {
    let seats = |state: &Value| state["seats"].as_array().unwrap().len();
    let others = |state: &Value| state["others"].as_array().unwrap().len();
    let smallest = move |state: &Value| seats(state) == 2;
    // During an /add the new replica is not listed yet, so /rep alone would look restored.
    let adding = move |state: &Value| {
        seats(state) == 3 && state["others"].as_array().unwrap().iter().any(|one| one["phase"] == "starting")
    };
    for moment in [&smallest as &dyn Fn(&Value) -> bool, &adding] {
        let balancer = Balancer::start();
        let running = Running::start(&["scaling", "--url", &balancer.url, "--requests", "600"]);
        balancer.until(moment);
        let run = running.interrupt();
        assert_eq!((run.code, run.files().len()), (Some(1), 0), "{}", run.errors);
        assert!(run.errors.ends_with("analysis: interrupted; nothing was written\n"), "{}", run.errors);
        balancer.until(|state| others(state) == 0);
        assert_eq!(balancer.replicas(), NAMES);
    }
}

#[test]
fn keys_that_move_without_a_change_are_reported() {
    let balancer = Balancer::with(Config { key: "random".parse().unwrap(), ..Config::default() });
    let args = ["scaling", "--url", &balancer.url, "--requests", "200", "--json"];
    assert!(experiment(&analysis(&args))["text"].to_string().contains("unchanged fleet"));
    let with_admin = [&args[..], &["--admin", &balancer.admin]].concat();
    assert!(!experiment(&analysis(&with_admin))["text"].to_string().contains("unchanged fleet"));
}

#[test]
fn a_replica_limit_ends_the_growth() {
    let balancer = Balancer::with(Config { max_replicas: 4, ..Config::default() });
    let found = experiment(&analysis(&["scaling", "--url", &balancer.url, "--requests", "200", "--json"]));
    assert_eq!(column(&found, "scaling", "N"), [2.0, 3.0, 4.0]);
    assert!(
        found["text"].to_string().contains("The fleet did not become larger: /add answers 400"),
        "{found}"
    );
    assert_eq!(balancer.replicas(), NAMES);
}

#[test]
fn a_fleet_that_cannot_be_scaled_is_skipped_with_the_reason() {
    let replicas = Balancer::start();
    let upstream = replicas.url.trim_start_matches("http://").parse().unwrap();
    let runtime = RuntimeConfig::Static { upstreams: vec![upstream] };
    let fixed = Balancer::with(Config { runtime, replicas: 1, max_replicas: 1, ..Config::default() });
    let lone = LoneServer::start();
    let run = analysis(&["scaling", "--url", &lone.url, "--requests", "100"]);
    assert_eq!(run.code, Some(0), "{}", run.errors);
    assert!(run.printed.contains("/rep answers 400"), "{}", run.printed);

    let many = Balancer::with(Config { replicas: 7, ..Config::default() });
    for (balancer, reason) in [(&fixed, "/add answers 400"), (&many, "the fleet has 7 replicas")] {
        let before = balancer.replicas();
        let run = analysis(&["scaling", "--url", &balancer.url, "--requests", "100"]);
        assert_eq!(run.code, Some(0), "{}", run.errors);
        assert!(run.printed.contains("Skipped: ") && run.printed.contains(reason), "{}", run.printed);
        assert!(run.file("report.html").contains("Skipped: "));
        assert_eq!(balancer.replicas(), before);
    }
}
