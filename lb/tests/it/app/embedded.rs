//! A balancer inside this process, as in `analysis`.

use std::net::{Ipv4Addr, SocketAddr};

use lb::app::{Embedded, StartError};
use lb::config::Config;
use lb::ring::Layout;
use serde_json::json;

use crate::support::{call, runs, until};

/// The example, whose `main` is not used: the replicas are those of the executable `lb`.
#[allow(dead_code)]
#[path = "../../../examples/embed.rs"]
mod example;

fn config() -> Config {
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Config { listen: free, admin_listen: None, workers: 1, ..Config::default() }
}

fn start(config: Config) -> Result<Embedded, StartError> {
    Embedded::start(config, env!("CARGO_BIN_EXE_lb").into())
}

#[test]
fn an_embedded_balancer_serves_until_it_is_dropped() {
    let lb = start(Config {
        admin_listen: Some((Ipv4Addr::LOCALHOST, 0).into()),
        layout: Layout::rendezvous(),
        ..config()
    })
    .unwrap();
    assert_eq!(call(lb.traffic, "GET", "/home", &[], b"").status, 200);
    let state = call(lb.admin.unwrap(), "GET", "/api/state", &[], b"").json();
    assert_eq!((&state["layout"]["name"], &state["target"]), (&json!("rendezvous"), &json!(3)));
    let pids = state["seats"].as_array().unwrap().iter().map(|seat| seat["replica"]["id"].as_str().unwrap());
    let pids: Vec<i32> = pids.map(|pid| pid.parse().unwrap()).collect();
    assert!(pids.iter().all(|pid| runs(*pid)));
    drop(lb);
    until("its replicas have ended", || pids.iter().all(|pid| !runs(*pid)));
}

#[test]
fn the_admin_listener_can_be_off() {
    let lb = start(config()).unwrap();
    assert_eq!(lb.admin, None);
    assert_eq!(call(lb.traffic, "GET", "/home", &[], b"").status, 200);
}

#[test]
fn a_failed_start_returns_the_reason() {
    let taken = start(config()).unwrap();
    let error = start(Config { listen: taken.traffic, ..config() }).unwrap_err();
    assert!(error.to_string().starts_with(&format!("--listen {}: ", taken.traffic)), "{error}");
}

#[test]
fn the_example_spreads_its_requests_over_three_replicas() {
    let replies = example::distribution(env!("CARGO_BIN_EXE_lb").into(), 300).unwrap();
    let names: Vec<_> = replies.keys().map(String::as_str).collect();
    assert_eq!(names, [1, 2, 3].map(|n| format!("Hello from Server: server{n}")));
    assert!(replies.values().sum::<u32>() == 300 && replies.values().all(|count| *count > 50), "{replies:?}");
}
